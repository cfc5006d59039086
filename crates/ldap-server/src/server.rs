//! The server: accepts connections, and begins TLS where a client does.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use objects::Source;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::connection::{End, talk};
use crate::limits::Limits;
use crate::password::Password;
use crate::session::{Session, Tls};

/// What a server serves, and to whom.
pub struct Configuration {
    /// The directory.
    pub source: Arc<dyn Source>,
    /// The password that clients bind with.
    pub password: Password,
    /// The certificate and its key, for ldaps and StartTLS, both on the same port.
    pub tls: Option<Arc<rustls::ServerConfig>>,
    /// The limits.
    pub limits: Limits,
}

/// The first byte of a TLS handshake.
const HANDSHAKE: u8 = 0x16;

struct Shared {
    source: Arc<dyn Source>,
    password: Arc<Password>,
    tls: Option<TlsAcceptor>,
    limits: Arc<Limits>,
    threads: Arc<Semaphore>,
}

/// Serves clients until `shutdown` is ready.
pub async fn serve(
    listener: TcpListener,
    configuration: Configuration,
    shutdown: impl Future<Output = ()>,
) {
    let limits = Arc::new(configuration.limits);
    let shared = Arc::new(Shared {
        source: configuration.source,
        password: Arc::new(configuration.password),
        tls: configuration.tls.map(TlsAcceptor::from),
        threads: Arc::new(Semaphore::new(limits.all_searches)),
        limits,
    });
    let connections = Arc::new(Semaphore::new(shared.limits.connections));
    let accept = async {
        loop {
            let Ok((stream, _)) = listener.accept().await else {
                // Out of descriptors, for example: connections will end.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let Ok(permit) = connections.clone().try_acquire_owned() else {
                continue;
            };
            let shared = shared.clone();
            tokio::spawn(async move {
                connection(stream, &shared).await;
                drop(permit);
            });
        }
    };
    tokio::select! {
        () = accept => (),
        () = shutdown => (),
    }
}

async fn connection(stream: TcpStream, shared: &Shared) {
    let limits = &*shared.limits;
    let _ = stream.set_nodelay(true);
    let is_local = stream
        .peer_addr()
        .is_ok_and(|peer| peer.ip().to_canonical().is_loopback());
    let new = |tls| {
        let (source, password) = (shared.source.clone(), shared.password.clone());
        Session::new(source, password, shared.limits.clone(), tls)
    };
    let mut first = [0];
    let stream = match &shared.tls {
        None => {
            talk(stream, &mut new(Tls::Absent), limits, &shared.threads).await;
            return;
        }
        Some(_) => match timeout(limits.anonymous_idle, stream.peek(&mut first)).await {
            Ok(Ok(1)) if first == [HANDSHAKE] => stream,
            Ok(Ok(1)) => {
                let mut session = new(Tls::Possible {
                    takes_passwords: is_local,
                });
                match talk(stream, &mut session, limits, &shared.threads).await {
                    End::StartTls(stream) => stream,
                    End::Closed => return,
                }
            }
            _ => return,
        },
    };
    if let Some(acceptor) = &shared.tls
        && let Ok(Ok(stream)) = timeout(limits.unfinished, acceptor.accept(stream)).await
    {
        talk(stream, &mut new(Tls::Active), limits, &shared.threads).await;
    }
}
