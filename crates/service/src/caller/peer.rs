//! The other end of a connection, and its identity as far as it is proven.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio_util::sync::CancellationToken;

use super::identity::{Identity, Origin};

/// Denied calls after which a connection over the network is closed.
const MOST_DENIED: u32 = 32;

/// A number that is unique while the service runs.
pub(crate) type ConnectionId = u64;

/// The one record to make of a connection whose peer has not authenticated.
pub(crate) trait Unproven: Send {
    /// A call was denied.
    fn denied(self: Box<Self>, call: &'static str);

    /// Another record says how the authentication ended.
    fn settle(self: Box<Self>);
}

/// The caller of a call, and its connection.
pub(crate) type Caller = Arc<Peer>;

/// The other end of a connection.
pub(crate) struct Peer {
    pub(crate) connection: ConnectionId,
    pub(crate) origin: Origin,
    identity: RwLock<Arc<Identity>>,
    denied: AtomicU32,
    disconnect: CancellationToken,
    /// The channel binding of its TLS connection; `None` for a local one.
    channel: Option<Vec<u8>>,
    /// Set until the missing authentication of the peer is recorded.
    unproven: Mutex<Option<Box<dyn Unproven>>>,
    /// An exchange of tokens under way.
    pub(crate) exchange: Mutex<Option<kerberos::Accepting>>,
}

impl Peer {
    /// Cancelling `disconnect` breaks the connection.
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

    /// The channel binding of its TLS connection; `None` for a local one.
    pub(crate) fn channel(&self) -> Option<&[u8]> {
        self.channel.as_deref()
    }

    /// Takes the pending record of its missing authentication.
    pub(crate) fn take_unproven(&self) -> Option<Box<dyn Unproven>> {
        self.unproven
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// Drops the pending record: another one says how the authentication ended.
    pub(crate) fn settle(&self) {
        if let Some(unproven) = self.take_unproven() {
            unproven.settle();
        }
    }

    /// Sets its proven identity.
    pub(crate) fn identify(&self, identity: Identity) {
        *self
            .identity
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(identity);
    }

    /// Its identity, as far as it is proven by now.
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

    /// Counts a denied call. Too many of them end a network connection.
    pub(crate) fn note_denied(&self) {
        let denied = self.denied.fetch_add(1, Ordering::Relaxed);
        if self.is_remote() && denied >= MOST_DENIED {
            self.disconnect.cancel();
        }
    }
}
