//! The listener: a TCP port, with or without TLS, or a Unix socket.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use service::{AskForCertificate, LocalSocket};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower::ServiceExt;

use crate::console::Console;
use crate::error::{Error, Result};
use crate::guard::{Certificate, Peer};
use crate::settings::{Listen, Settings};
use crate::site::site;

/// Connections at the same time. A browser opens up to six.
const CONNECTIONS: usize = 128;

/// How long a client may take for the head of a request, and for the handshake of TLS.
const PATIENCE: Duration = Duration::from_secs(15);

/// The longest head of a request, in bytes.
const HEAD: usize = 64 << 10;

/// A console that listens.
pub struct Server {
    listener: Listener,
    tls: Option<TlsAcceptor>,
    address: String,
}

enum Listener {
    Tcp(TcpListener),
    Unix {
        listener: UnixListener,
        /// Removes the socket's file when it is dropped.
        _socket: LocalSocket,
    },
}

impl Server {
    /// Listens where the settings say.
    ///
    /// # Errors
    /// If the place is not safe or not available, or certificate and key cannot be used.
    pub async fn listen(settings: &Settings) -> Result<Self> {
        let tls = match (&settings.certificate, &settings.key) {
            (Some(certificate), Some(key)) => {
                let asks = !settings.client.is_empty();
                Some(TlsAcceptor::from(tls(certificate, key, asks)?))
            }
            _ => None,
        };
        let scheme = if tls.is_some() { "https" } else { "http" };
        let (listener, address) = match settings.place()? {
            Listen::Address(address) => {
                let (listener, address) = tcp(address).await?;
                (Listener::Tcp(listener), format!("{scheme}://{address}/"))
            }
            Listen::Socket(path) => (unix(&path)?, format!("unix:{}", path.display())),
        };
        Ok(Self {
            listener,
            tls,
            address,
        })
    }

    /// The address for browsers, or the socket.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Serves the console until `shutdown` is ready.
    pub async fn run(self, console: Arc<Console>, shutdown: impl Future<Output = ()>) {
        let pages = site(console);
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        let accept = async {
            loop {
                let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                    return;
                };
                let pages = pages.clone();
                let tls = self.tls.clone();
                let accepted = match &self.listener {
                    Listener::Tcp(listener) => listener.accept().await.map(|(stream, from)| {
                        tokio::spawn(async move {
                            let peer = Peer::Address(from.ip().to_canonical());
                            match tls {
                                None => talk(stream, pages, peer, None).await,
                                Some(tls) => {
                                    let shaken = timeout(PATIENCE, tls.accept(stream)).await;
                                    if let Ok(Ok(stream)) = shaken {
                                        let shown = shown(&stream);
                                        talk(stream, pages, peer, shown).await;
                                    }
                                }
                            }
                            drop(place);
                        });
                    }),
                    Listener::Unix { listener, .. } => {
                        listener.accept().await.map(|(stream, _)| {
                            tokio::spawn(async move {
                                if let Ok(who) = stream.peer_cred() {
                                    talk(stream, pages, Peer::Local(who.uid()), None).await;
                                }
                                drop(place);
                            });
                        })
                    }
                };
                if accepted.is_err() {
                    // Out of descriptors, for example: others end.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        };
        tokio::select! {
            () = accept => (),
            () = shutdown => (),
        }
    }
}

/// Answers the requests of a connection. A client that goes away, or talks nonsense, is nobody's
/// concern.
async fn talk<S>(stream: S, pages: Router, peer: Peer, shown: Option<Certificate>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = hyper::service::service_fn(move |request: hyper::Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer.clone());
        if let Some(shown) = &shown {
            request.extensions_mut().insert(shown.clone());
        }
        pages.clone().oneshot(request)
    });
    let _ = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(HEAD)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// The certificate of the browser; it has proven that it has the key.
fn shown(stream: &TlsStream<TcpStream>) -> Option<Certificate> {
    let (_, connection) = stream.get_ref();
    let own = connection.peer_certificates()?.first()?;
    Some(Certificate(Arc::new(own.clone().into_owned())))
}

async fn tcp(address: SocketAddr) -> Result<(TcpListener, SocketAddr)> {
    let failed = |error| Error::io("listen on", address.to_string())(error);
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address))
}

/// Only the user of this process, and root, can connect to the socket.
fn unix(path: &Path) -> Result<Listener> {
    let failed = |error| Error::io("listen on", path)(error);
    let whole = std::path::absolute(path).map_err(failed)?;
    let socket = LocalSocket::bind(&whole, None);
    let socket = socket.map_err(|error| failed(std::io::Error::other(error.to_string())))?;
    let listener = (socket.listener()).and_then(UnixListener::from_std);
    Ok(Listener::Unix {
        listener: listener.map_err(failed)?,
        _socket: socket,
    })
}

/// TLS 1.2 is not needed: every browser of the last years has TLS 1.3. Browsers are asked for a
/// certificate only where some user has one.
fn tls(certificate: &Path, key: &Path, asks: bool) -> Result<Arc<ServerConfig>> {
    let unusable = |reason: String| {
        Error::Refused(format!(
            "{} and {}: {reason}",
            certificate.display(),
            key.display()
        ))
    };
    let chain = wire::tls::read_certificates(certificate);
    let chain = chain.map_err(|error| unusable(error.to_string()))?;
    let key = wire::tls::read_private_key(key).map_err(|error| unusable(error.to_string()))?;
    let builder = ServerConfig::builder_with_provider(wire::tls::provider())
        .with_protocol_versions(wire::tls::VERSIONS)
        .map_err(|error| unusable(error.to_string()))?;
    let builder = match asks {
        true => builder.with_client_cert_verifier(Arc::new(AskForCertificate::default())),
        false => builder.with_no_client_auth(),
    };
    let mut configuration = builder
        .with_single_cert(chain, key)
        .map_err(|error| unusable(error.to_string()))?;
    configuration.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(configuration))
}
