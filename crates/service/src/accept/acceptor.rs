//! Admits connections with the identity of their callers.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::connection::{Connection, Stream};
use super::connection_limiter::Admission;
use crate::caller::{Caller, Identity, Origin, Peer, Privileges, Unproven};
use crate::sessions::contexts::Contexts;

/// How long a connection without privileges may last.
const INTRODUCTION: Duration = Duration::from_secs(60);

/// Hands admitted connections of every endpoint to the server.
#[derive(Clone)]
pub(crate) struct Acceptor {
    contexts: Arc<Contexts>,
    closing: CancellationToken,
    newcomers: mpsc::Sender<io::Result<Connection>>,
    last: Arc<AtomicU64>,
    /// How long a connection over the network may last.
    longest: Duration,
}

impl Acceptor {
    /// Connections break when `closing` is cancelled.
    pub(crate) fn new(
        contexts: Arc<Contexts>,
        closing: CancellationToken,
        newcomers: mpsc::Sender<io::Result<Connection>>,
        longest: Duration,
    ) -> Self {
        Self {
            contexts,
            closing,
            newcomers,
            last: Arc::default(),
            longest,
        }
    }

    /// Hands a connection to the server.
    pub(crate) async fn enter(
        &self,
        stream: Stream,
        origin: Origin,
        identity: Arc<Identity>,
        network: Option<Network>,
    ) {
        let disconnect = self.closing.child_token();
        let (admission, channel, unproven) = match network {
            Some(network) => (
                Some(network.admission),
                Some(network.channel),
                network.unproven,
            ),
            None => (None, None, None),
        };
        let caller = Arc::new(Peer::new(
            self.last.fetch_add(1, Ordering::Relaxed) + 1,
            origin,
            identity,
            disconnect.clone(),
            channel,
            unproven,
        ));
        if caller.is_remote() {
            tokio::spawn(limit(caller.clone(), disconnect.clone(), self.longest));
        }
        let connection =
            Connection::new(stream, caller, self.contexts.clone(), disconnect, admission);
        // The receiver is gone when the service stops.
        let _ = self.newcomers.send(Ok(connection)).await;
    }

    /// Resolves when the service stops.
    pub(crate) async fn closed(&self) {
        self.closing.cancelled().await;
    }
}

/// Ends a connection that does not authenticate in time, or lasts too long.
async fn limit(caller: Caller, disconnect: CancellationToken, longest: Duration) {
    let lasts = async {
        tokio::time::sleep(INTRODUCTION).await;
        if caller.identity().privileges != Privileges::NONE {
            tokio::time::sleep(longest.saturating_sub(INTRODUCTION)).await;
        }
    };
    tokio::select! {
        () = lasts => disconnect.cancel(),
        () = disconnect.cancelled() => (),
    }
}

/// The state of a connection over the network.
pub(crate) struct Network {
    /// Its slot in the connection limiter.
    pub(crate) admission: Admission,
    /// The channel binding of its TLS connection.
    pub(crate) channel: Vec<u8>,
    /// Set until the peer has authenticated.
    pub(crate) unproven: Option<Box<dyn Unproven>>,
}
