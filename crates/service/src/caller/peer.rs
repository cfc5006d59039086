//! The other end of a connection: who it is, as far as it has proven that.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio_util::sync::CancellationToken;

use super::identity::{Identity, Origin};

/// Denied calls after which a connection over the network is closed.
const MOST_DENIED: u32 = 32;

/// Tells connections apart for as long as the service runs.
pub(crate) type ConnectionId = u64;

/// What is to be noted, once, of a connection whose other end has not proven who it is.
pub(crate) trait Unproven: Send {
    /// A call was denied.
    fn denied(self: Box<Self>, call: &'static str);

    /// Something else says what became of it.
    fn settle(self: Box<Self>);
}

/// Who calls, and over which connection.
pub(crate) type Caller = Arc<Peer>;

/// The other end of a connection.
pub(crate) struct Peer {
    pub(crate) connection: ConnectionId,
    pub(crate) origin: Origin,
    identity: RwLock<Arc<Identity>>,
    denied: AtomicU32,
    disconnect: CancellationToken,
    /// The name of its TLS channel; none on this computer.
    channel: Option<Vec<u8>>,
    /// Set until something is noted of a connection whose other end has not proven who it is.
    unproven: Mutex<Option<Box<dyn Unproven>>>,
    /// An exchange of tokens under way.
    pub(crate) exchange: Mutex<Option<kerberos::Accepting>>,
}

impl Peer {
    /// The connection breaks when `disconnect` is cancelled.
    pub(crate) fn new(
        connection: ConnectionId,
        origin: Origin,
        identity: Arc<Identity>,
        disconnect: CancellationToken,
        channel: Option<Vec<u8>>,
        unproven: Option<Box<dyn Unproven>>,
    ) -> Self {
        Self {
            connection,
            origin,
            identity: RwLock::new(identity),
            denied: AtomicU32::new(0),
            disconnect,
            channel,
            unproven: Mutex::new(unproven),
            exchange: Mutex::new(None),
        }
    }

    /// The name of its TLS channel; none on this computer.
    pub(crate) fn channel(&self) -> Option<&[u8]> {
        self.channel.as_deref()
    }

    /// What is to be noted of it, once, because it has not proven who it is.
    pub(crate) fn take_unproven(&self) -> Option<Box<dyn Unproven>> {
        self.unproven
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Somebody else notes what became of its proof.
    pub(crate) fn settle(&self) {
        if let Some(unproven) = self.take_unproven() {
            unproven.settle();
        }
    }

    /// Notes who it has proven to be.
    pub(crate) fn identify(&self, identity: Identity) {
        *self
            .identity
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(identity);
    }

    /// Who it is, as far as that is proven by now.
    pub(crate) fn identity(&self) -> Arc<Identity> {
        self.identity
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether it came over the network.
    pub(crate) fn is_remote(&self) -> bool {
        matches!(self.origin, Origin::Network(_))
    }

    /// Notes a call that was denied. Who goes on asking over the network loses the connection.
    pub(crate) fn note_denied(&self) {
        let denied = self.denied.fetch_add(1, Ordering::Relaxed);
        if self.is_remote() && denied >= MOST_DENIED {
            self.disconnect.cancel();
        }
    }
}
