//! A connection to the service. Each context has its own, and ends with it.

use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use contract::{Error, Result, ResultCode};
use hyper_util::rt::TokioIo;
use tokio::runtime::Runtime;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Response, Status};
use wire::v1::ad_backup_client::AdBackupClient;
use wire::v1::ad_identity_client::AdIdentityClient;
use wire::v1::ad_restore_client::AdRestoreClient;
use wire::v1::{AuthenticateRequest, ContextRequest};

use crate::content_stream::ContentStream;
use crate::identity;
use crate::local;
use crate::remote::Remote;
use crate::server::{Server, Way};
use crate::ticket;

/// The timeout of a call that only looks something up.
const CALL: Duration = Duration::from_secs(60);

/// The timeout of the beginning of a backup, for which a service may first copy the whole directory.
/// The service ends what is silent, and a dead connection ends the call.
const PREPARATION: Duration = Duration::from_secs(24 * 60 * 60);

/// The timeout of a call that reads, checks or deletes files in the service.
const LONG_CALL: Duration = Duration::from_secs(30 * 60);

/// The interval of keep-alive pings on a network connection, and the wait for their answers.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// The receive window, in bytes.
const WINDOW: u32 = 4 << 20;

/// The frame size, in bytes. A piece of a file and the few bytes around it fit in one frame, which
/// halves the work for each byte.
const FRAME: u32 = (wire::PIECE + 1024) as u32;

/// A connection, and the life signs that keep its context alive.
pub(crate) struct Connection {
    channel: Channel,
    life_signs: Option<tokio::task::JoinHandle<()>>,
}

impl Connection {
    /// Connects to the service.
    pub(crate) fn open(server: &Server) -> Result<Self> {
        match server.way() {
            Way::Socket(socket) => {
                identity::check_usable_on_local_socket()?;
                let socket = socket.clone();
                let connector = tower::service_fn(move |_: Uri| {
                    let socket = socket.clone();
                    async move { local::connect(&socket).await.map(TokioIo::new) }
                });
                let connect = async { endpoint().connect_with_connector(connector).await };
                Self::over(runtime()?.block_on(connect), server)
            }
            Way::Network(remote) => Self::over_network(remote, server),
            Way::Hosted(hosted) => {
                identity::check_usable_on_local_socket()?;
                let hosted = hosted.clone();
                let connector = tower::service_fn(move |_: Uri| {
                    std::future::ready(hosted.connect().map(TokioIo::new))
                });
                let connect = async { endpoint().connect_with_connector(connector).await };
                Self::over(runtime()?.block_on(connect), server)
            }
        }
    }

    fn over_network(remote: &Remote, server: &Server) -> Result<Self> {
        let identity = identity::current();
        let by_certificate = identity.is_none() && remote.tls.client_certificate.is_some();
        // Contexts and the caller's identity belong to one connection, so a lost one is not
        // replaced.
        let mut prepared = Some(remote.prepare()?);
        let channel = Arc::new(OnceLock::new());
        let named = channel.clone();
        let connector = tower::service_fn(move |_: Uri| {
            let (prepared, named) = (prepared.take(), named.clone());
            async move {
                let prepared = prepared.ok_or(std::io::ErrorKind::NotConnected)?;
                let stream = prepared.connect().await?;
                let channel = wire::tls::channel_binding(stream.get_ref().1);
                named.get_or_init(|| channel);
                Ok::<_, std::io::Error>(TokioIo::new(stream))
            }
        });
        let endpoint = endpoint()
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE)
            .keep_alive_while_idle(true);
        let connect = async { endpoint.connect_with_connector(connector).await };
        let connection = Self::over(runtime()?.block_on(connect), server)?;
        if !by_certificate {
            let channel = channel.get().cloned().unwrap_or_else(|| Ok(Vec::new()))?;
            let exchange = |token| {
                let mut client = connection.identity();
                connection.call(client.authenticate(AuthenticateRequest { token }))
            };
            ticket::prove(exchange, &remote.host, &channel, identity.as_ref())?;
        }
        Ok(connection)
    }

    fn over(
        connected: std::result::Result<Channel, tonic::transport::Error>,
        server: &Server,
    ) -> Result<Self> {
        Ok(Self {
            channel: connected.map_err(|error| no_answer(server, &error))?,
            life_signs: None,
        })
    }

    /// The interface ad_identity, to which clients send their tickets.
    pub(crate) fn identity(&self) -> AdIdentityClient<Channel> {
        AdIdentityClient::new(self.channel.clone())
    }

    /// The interface ad_backup.
    pub(crate) fn backup(&self) -> AdBackupClient<Channel> {
        AdBackupClient::new(self.channel.clone()).max_decoding_message_size(64 << 20)
    }

    /// HrRBackupRead of that interface.
    pub(crate) fn read(
        &self,
        request: &ContextRequest,
    ) -> impl Future<Output = std::result::Result<Response<ContentStream>, Status>> {
        ContentStream::begin(self.channel.clone(), request)
    }

    /// The interface ad_restore.
    pub(crate) fn restore(&self) -> AdRestoreClient<Channel> {
        AdRestoreClient::new(self.channel.clone()).max_decoding_message_size(64 << 20)
    }

    /// From here on, sends three life signs in each `timeout`.
    pub(crate) fn send_life_signs(&mut self, handle: Vec<u8>, timeout: Duration) -> Result<()> {
        let mut client = self.backup();
        let pause = (timeout / 3).max(Duration::from_millis(50));
        self.life_signs = Some(runtime()?.spawn(async move {
            loop {
                tokio::time::sleep(pause).await;
                let request = ContextRequest {
                    handle: handle.clone(),
                };
                if let Err(status) = client.hr_r_backup_ping(request).await {
                    // The next call of the context's owner reports the same, to a caller that can
                    // act on it.
                    tracing::debug!("life sign not taken: {}", status.message());
                    return;
                }
            }
        }));
        Ok(())
    }

    /// Waits for the answer to a short call.
    pub(crate) fn call<T>(
        &self,
        call: impl Future<Output = std::result::Result<Response<T>, Status>>,
    ) -> Result<T> {
        wait(CALL, call).map(Response::into_inner)
    }

    /// Waits for the answer to a long call.
    pub(crate) fn long_call<T>(
        &self,
        call: impl Future<Output = std::result::Result<Response<T>, Status>>,
    ) -> Result<T> {
        wait(LONG_CALL, call).map(Response::into_inner)
    }

    /// Waits for the answer to the call that begins a backup.
    pub(crate) fn preparing_call<T>(
        &self,
        call: impl Future<Output = std::result::Result<Response<T>, Status>>,
    ) -> Result<T> {
        wait(PREPARATION, call).map(Response::into_inner)
    }

    /// Begins a call that runs beside its caller.
    pub(crate) fn begin<T: Send + 'static>(
        &self,
        call: impl Future<Output = std::result::Result<Response<T>, Status>> + Send + 'static,
    ) -> Result<Begun<T>> {
        Ok(Begun(runtime()?.spawn(call)))
    }

    /// Waits for the answer to a begun call.
    pub(crate) fn finish<T>(&self, mut call: Begun<T>) -> Result<T> {
        wait(LONG_CALL, async {
            (&mut call.0)
                .await
                .unwrap_or_else(|error| Err(Status::internal(error.to_string())))
        })
        .map(Response::into_inner)
    }

    /// Waits for the next message of a stream.
    pub(crate) fn next<T>(
        &self,
        message: impl Future<Output = std::result::Result<Option<T>, Status>>,
    ) -> Result<Option<T>> {
        wait(CALL, message)
    }
}

/// A call under way. Dropping it cancels the call.
pub(crate) struct Begun<T>(tokio::task::JoinHandle<std::result::Result<Response<T>, Status>>);

impl<T> Drop for Begun<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(life_signs) = self.life_signs.take() {
            life_signs.abort();
        }
    }
}

/// The settings of every connection, over any transport.
fn endpoint() -> Endpoint {
    // The name is never resolved: the connector opens the transport.
    Endpoint::from_static("http://dsbackup.invalid")
        .initial_stream_window_size(WINDOW)
        .initial_connection_window_size(WINDOW * 2)
        .max_frame_size(FRAME)
        .connect_timeout(CALL)
}

/// The error of a failed connection, with its first cause.
fn no_answer(server: &Server, source: &dyn std::error::Error) -> Error {
    let mut reason = source.to_string();
    let mut cause = source.source();
    while let Some(inner) = cause {
        reason = inner.to_string();
        cause = inner.source();
    }
    Error::new(
        ResultCode::COULD_NOT_CONNECT,
        format!(
            "no backup service answers on {server}: {reason}; is `{}` running there, and may this \
             user reach it?",
            match (cfg!(windows), server.way()) {
                (true, Way::Socket(_)) => "dsbackup service",
                _ => "dsbackup serve",
            }
        ),
    )
}

fn wait<T>(
    limit: Duration,
    answer: impl Future<Output = std::result::Result<T, Status>>,
) -> Result<T> {
    match runtime()?.block_on(async { tokio::time::timeout(limit, answer).await }) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(status)) => Err(wire::from_status(&status)),
        Err(_) => Err(Error::new(
            ResultCode::COMMUNICATION_ERROR,
            format!(
                "the backup service has not answered for {} seconds",
                limit.as_secs()
            ),
        )),
    }
}

/// The runtime of the process's connections.
fn runtime() -> Result<&'static Runtime> {
    static RUNTIME: OnceLock<std::io::Result<Runtime>> = OnceLock::new();
    RUNTIME
        .get_or_init(|| {
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .thread_name("ntdsbcli")
                .enable_all()
                .build()
        })
        .as_ref()
        .map_err(|error| {
            Error::new(
                ResultCode::NOT_ENOUGH_MEMORY,
                format!("threads for connections cannot be started: {error}"),
            )
        })
}
