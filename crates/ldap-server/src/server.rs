//! The server: accepts connections, and begins TLS where a client does.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::connection::{End, talk};
use crate::sealed::sealed;
use crate::served::Served;
use crate::session::{Session, Tls};

/// The first byte of a TLS handshake.
const HANDSHAKE: u8 = 0x16;

/// Serves clients until `shutdown` is ready. `tls`: the certificate and its key, for ldaps and
/// StartTLS, both on the same port.
pub async fn serve(
    listener: TcpListener,
    served: Arc<Served>,
    tls: Option<Arc<rustls::ServerConfig>>,
    shutdown: impl Future<Output = ()>,
) {
    let tls = tls.map(TlsAcceptor::from);
    let connections = Arc::new(Semaphore::new(served.limits.connections));
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
            let (served, tls) = (served.clone(), tls.clone());
            tokio::spawn(async move {
                connection(stream, &served, tls.as_ref()).await;
                drop(permit);
            });
        }
    };
    tokio::select! {
        () = accept => (),
        () = shutdown => (),
    }
}

async fn connection(stream: TcpStream, served: &Arc<Served>, tls: Option<&TlsAcceptor>) {
    let limits = &served.limits;
    let _ = stream.set_nodelay(true);
    let takes_passwords = stream
        .peer_addr()
        .is_ok_and(|peer| peer.ip().to_canonical().is_loopback());
    let new = |tls| Session::new(served.clone(), tls);
    let Some(acceptor) = tls else {
        attend(stream, new(Tls::Absent { takes_passwords }), served).await;
        return;
    };
    let mut first = [0];
    let stream = match timeout(limits.anonymous_idle, stream.peek(&mut first)).await {
        Ok(Ok(1)) if first == [HANDSHAKE] => Some(stream),
        Ok(Ok(1)) => attend(stream, new(Tls::Possible { takes_passwords }), served).await,
        _ => None,
    };
    if let Some(stream) = stream
        && let Ok(Ok(stream)) = timeout(limits.unfinished, acceptor.accept(stream)).await
    {
        attend(stream, new(Tls::Active), served).await;
    }
}

/// Talks to a client, sealed if it binds with a ticket. Returns the stream if TLS begins.
async fn attend<S>(stream: S, mut session: Session, served: &Served) -> Option<S>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    match talk(stream, &mut session, served).await {
        End::Closed => None,
        End::StartTls(stream) => Some(stream),
        End::Seal(stream, bound) => {
            let clear = sealed(stream, *bound, served.limits.unfinished);
            talk(clear, &mut session, served).await;
            None
        }
    }
}
