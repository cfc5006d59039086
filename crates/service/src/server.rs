//! The running service: its start, its limits, and its end.

use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use contract::{Error, Result, ResultCode};
use store::{DirectoryStore, Mode};
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tower::util::MapResponseLayer;
use wire::v1::ad_backup_server::AdBackupServer;
use wire::v1::ad_identity_server::AdIdentityServer;
use wire::v1::ad_restore_server::AdRestoreServer;

use crate::accept::acceptor::Acceptor;
use crate::accept::local_socket::LocalSocket;
use crate::accept::network::RemoteEndpoint;
use crate::accept::own::{OwnConnections, accept_own};
use crate::audit::Audit;
use crate::caller::local_rule::LocalRule;
use crate::calls::Calls;
use crate::calls::backup_service::BackupService;
use crate::calls::identity_service::IdentityService;
use crate::calls::restore_service::RestoreService;
use crate::configuration::Configuration;
use crate::sessions::contexts::{Contexts, Limits, Work};
use crate::transfer::body;
use crate::transfer::rate_limiter::RateLimiter;

/// The time for clients to receive the end of their calls when the service stops.
const FAREWELL: Duration = Duration::from_secs(2);

/// The most calls at the same time on one connection. A client needs two: one is for life signs.
const STREAMS: u32 = 16;

/// The most bytes in the headers of a call.
const HEADERS: u32 = 16 << 10;

/// The receive window of a connection, in bytes. A silent peer can make the service hold this much.
const WINDOW: u32 = 2 << 20;

/// The most bytes of a request. The largest holds a few paths.
const MESSAGE: usize = 64 << 10;

/// The most bytes of a request with a ticket, which holds its owner's groups.
const TOKEN: usize = 128 << 10;

/// The interval of keep-alive pings on a silent connection, and the wait for their answers.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// A service that hosts its directory and listens, but does not answer yet.
pub struct Service {
    calls: Calls,
    ways: Ways,
    /// The longest life of a network connection.
    longest: Duration,
}

/// The endpoints of the service.
enum Ways {
    /// The socket, and the network if configured.
    Listening {
        rule: LocalRule,
        socket: LocalSocket,
        remote: Option<RemoteEndpoint>,
    },
    /// In-process connections only.
    Own(mpsc::Receiver<DuplexStream>),
}

/// Hosts the configured directory until `shutdown` resolves.
///
/// # Errors
/// As [`Service::start`] and [`Service::serve`].
pub async fn run(
    configuration: Configuration,
    mode: Mode,
    shutdown: impl Future<Output = ()>,
) -> Result<()> {
    Service::start(&configuration, mode)?.serve(shutdown).await
}

impl Service {
    /// Takes the directory exclusively and creates the socket.
    ///
    /// # Errors
    /// - `hrInvalidParam`: the configuration is unusable.
    /// - `hrDatabaseInUse`: another process hosts the directory or restores it.
    /// - `hrRestoreInProgress`: in normal mode, a restore is not complete.
    /// - `hrDatabaseNotFound`, `hrDatabaseCorrupted`: in normal mode, there is no sound database.
    /// - `hrInvalidPath`: a folder or the socket.
    pub fn start(configuration: &Configuration, mode: Mode) -> Result<Self> {
        configuration.check()?;
        let store = configuration
            .store
            .host(mode, Some(&configuration.endpoint.socket))?;
        Self::with_store(configuration, store)
    }

    /// Serves a store of any kind.
    ///
    /// # Errors
    /// `hrInvalidParam` and `hrInvalidPath` as [`Service::start`].
    pub fn with_store(
        configuration: &Configuration,
        store: Arc<dyn DirectoryStore>,
    ) -> Result<Self> {
        let endpoint = &configuration.endpoint;
        let rule = LocalRule::new(endpoint.group.as_deref())?;
        let remote = configuration.remote.as_ref();
        let (mode, audit) = (
            store.mode(),
            Audit::new(configuration.audit.file.as_deref())?,
        );
        let remote = remote
            .map(|remote| RemoteEndpoint::bind(remote, mode, audit.clone()))
            .transpose()?;
        let socket = LocalSocket::bind(&endpoint.socket, rule.group())?;
        let ways = Ways::Listening {
            rule,
            socket,
            remote,
        };
        Ok(Self::new(configuration, store, audit, ways))
    }

    /// Takes the directory exclusively, and serves this process only: nothing listens, and the
    /// configured endpoints are ignored. Connections are made through the returned connector.
    ///
    /// # Errors
    /// As [`Service::start`].
    pub fn in_process(configuration: &Configuration, mode: Mode) -> Result<(Self, OwnConnections)> {
        configuration.check()?;
        let store = configuration.store.host(mode, None)?;
        let audit = Audit::new(configuration.audit.file.as_deref())?;
        let (connections, incoming) = OwnConnections::new();
        let service = Self::new(configuration, store, audit, Ways::Own(incoming));
        Ok((service, connections))
    }

    fn new(
        configuration: &Configuration,
        store: Arc<dyn DirectoryStore>,
        audit: Arc<Audit>,
        ways: Ways,
    ) -> Self {
        let endpoint = &configuration.endpoint;
        let contexts = Contexts::new(Limits {
            ping_timeout: Duration::from_millis(endpoint.ping_timeout_ms.into()),
            idle_timeout: Duration::from_secs(endpoint.idle_timeout_s.into()),
            total_timeout: Duration::from_secs(endpoint.total_timeout_s.into()),
            per_caller: endpoint.max_contexts_per_caller as usize,
        });
        let remote = configuration.remote.as_ref();
        let kib = remote.and_then(|remote| remote.bandwidth_limit_kib_s);
        Self {
            calls: Calls {
                store,
                contexts: Arc::new(contexts),
                audit,
                rate_limiter: kib.map(|kib| Arc::new(RateLimiter::new(u64::from(kib) << 10))),
                piece_timeout: Duration::from_secs(endpoint.piece_timeout_s.into()),
            },
            ways,
            longest: Duration::from_secs(endpoint.total_timeout_s.into()),
        }
    }

    /// The Unix socket; `None` for an in-process service.
    pub fn socket(&self) -> Option<&Path> {
        match &self.ways {
            Ways::Listening { socket, .. } => Some(socket.path()),
            Ways::Own(_) => None,
        }
    }

    /// The network addresses; empty if the service does not listen on the network.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        match &self.ways {
            Ways::Listening {
                remote: Some(remote),
                ..
            } => remote.addresses(),
            _ => Vec::new(),
        }
    }

    /// Answers calls until `shutdown` resolves. Then contexts are released, calls under way get an
    /// error, and within seconds the socket is gone.
    ///
    /// # Errors
    /// `hrError` if the system refuses to go on listening.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> Result<()> {
        let Self {
            calls,
            ways,
            longest,
        } = self;
        let contexts = calls.contexts.clone();
        let (stopping, closing) = (CancellationToken::new(), CancellationToken::new());
        let (newcomers, incoming) = mpsc::channel(16);
        let acceptor = Acceptor::new(contexts.clone(), closing.clone(), newcomers, longest);
        let mut identity = IdentityService {
            rule: None,
            audit: calls.audit.clone(),
            refusals: None,
        };
        let mut accepting = JoinSet::new();
        // The socket's file exists for as long as the service answers.
        let mut listening = None;
        match ways {
            Ways::Listening {
                rule,
                socket,
                remote,
            } => {
                if let Some(remote) = remote {
                    identity.rule = remote.kerberos();
                    identity.refusals = Some(remote.refusals());
                    let acceptor = acceptor.clone();
                    accepting.spawn(async move {
                        if let Err(error) = remote.accept(acceptor).await {
                            tracing::error!(%error, "the service does not listen on the network");
                        }
                    });
                }
                // It takes the acceptor, which would keep the contexts alive when the service stops.
                let local = socket.accept(rule, acceptor);
                accepting.spawn(local.map_err(|error| failed(Some(&socket), &error))?);
                let path = socket.path().display();
                tracing::info!(socket = %path, "the backup service listens");
                listening = Some(socket);
            }
            Ways::Own(own) => {
                accepting.spawn(accept_own(own, acceptor));
            }
        }
        let tending = tokio::spawn(tend(contexts.clone()));
        let router = Server::builder()
            .max_concurrent_streams(STREAMS)
            .initial_stream_window_size(WINDOW)
            .initial_connection_window_size(WINDOW)
            .http2_max_header_list_size(HEADERS)
            .http2_keepalive_interval(Some(KEEP_ALIVE))
            .http2_keepalive_timeout(Some(KEEP_ALIVE))
            .layer(MapResponseLayer::new(body::put_in))
            .add_service(AdIdentityServer::new(identity).max_decoding_message_size(TOKEN))
            .add_service(
                AdBackupServer::new(BackupService {
                    calls: calls.clone(),
                })
                .max_decoding_message_size(MESSAGE),
            )
            .add_service(
                AdRestoreServer::new(RestoreService { calls })
                    .max_decoding_message_size(MESSAGE + wire::PIECE),
            );
        let mut answering = Box::pin(router.serve_with_incoming_shutdown(
            ReceiverStream::new(incoming),
            stopping.clone().cancelled_owned(),
        ));
        let result = tokio::select! {
            result = &mut answering => result,
            () = shutdown => {
                tracing::info!("the backup service stops");
                accepting.abort_all();
                stopping.cancel();
                contexts.stop();
                let ended = tokio::time::timeout(FAREWELL, &mut answering).await;
                ended.unwrap_or(Ok(()))
            }
        };
        accepting.abort_all();
        tending.abort();
        // Otherwise a client that does not read would keep its connection for ever.
        closing.cancel();
        contexts.stop();
        let connections = Arc::downgrade(&contexts);
        drop((answering, contexts));
        until_gone(connections).await;
        result.map_err(|error| failed(listening.as_ref(), &error))
    }
}

fn failed(socket: Option<&LocalSocket>, error: &dyn std::error::Error) -> Error {
    let reason = match socket {
        Some(socket) => format!("socket {}: {error}", socket.path().display()),
        None => error.to_string(),
    };
    Error::new(ResultCode::ERROR, reason)
}

/// Waits until no task holds the contexts, so that the directory is free when the service has
/// ended.
async fn until_gone(contexts: Weak<Contexts>) {
    let gone = async {
        while contexts.strong_count() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    if tokio::time::timeout(FAREWELL, gone).await.is_err() {
        tracing::warn!("a call did not end in time");
    }
}

/// Releases contexts of silent clients, and rewrites restore markers that were deleted.
async fn tend(contexts: Arc<Contexts>) {
    let pause =
        (contexts.ping_timeout() / 10).clamp(Duration::from_millis(20), Duration::from_secs(1));
    loop {
        tokio::time::sleep(pause).await;
        let contexts = contexts.clone();
        let tended = tokio::task::spawn_blocking(move || {
            contexts.release_neglected();
            contexts.tend(|work| {
                if let Work::Restore(restore) = work {
                    restore.keep_locked();
                }
            });
        });
        if let Err(error) = tended.await {
            tracing::error!(%error, "looking after the contexts failed");
        }
    }
}
