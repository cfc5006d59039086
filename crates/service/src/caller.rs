//! Who calls, and with which privileges: decided when a connection comes in, asked at every call.

use std::fmt;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use contract::{Error, ResultCode};
use tokio_util::sync::CancellationToken;

use crate::connection::ConnectionId;
use crate::remote::Unproven;

/// What somebody may do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Privileges {
    /// SE_BACKUP_NAME.
    pub(crate) backup: bool,
    /// SE_RESTORE_NAME.
    pub(crate) restore: bool,
}

impl Privileges {
    pub(crate) const ALL: Self = Self {
        backup: true,
        restore: true,
    };

    pub(crate) const NONE: Self = Self {
        backup: false,
        restore: false,
    };

    /// Whether one of them is what a call wants.
    pub(crate) fn suffice(self, wanted: Wanted) -> bool {
        match wanted {
            Wanted::Backup => self.backup,
            Wanted::Restore => self.restore,
            Wanted::Either => self.backup || self.restore,
        }
    }
}

/// The privilege that a call wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// SE_BACKUP_NAME.
    Backup,
    /// SE_RESTORE_NAME.
    Restore,
    /// One of the two.
    Either,
}

/// Who somebody is, as far as that is proven.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The name by which administrators know the caller.
    pub(crate) name: String,
    pub(crate) privileges: Privileges,
}

/// Where a connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A process on this computer.
    Local { uid: u32, pid: Option<i32> },
    /// Another computer, or this one over TCP.
    Network(SocketAddr),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local { uid, pid } => {
                write!(f, "uid {uid}")?;
                pid.map_or(Ok(()), |pid| write!(f, ", process {pid}"))
            }
            Self::Network(address) => address.fmt(f),
        }
    }
}

/// Denied calls after which a connection over the network is closed.
const MOST_DENIED: u32 = 32;

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
    unproven: Mutex<Option<Unproven>>,
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
        unproven: Option<Unproven>,
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
    pub(crate) fn take_unproven(&self) -> Option<Unproven> {
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

/// The refusal that reveals nothing but itself.
pub(crate) fn denied() -> Error {
    Error::new(
        ResultCode::ACCESS_DENIED,
        "the caller does not hold the privilege that this call wants (SE_BACKUP_NAME, SE_RESTORE_NAME)",
    )
}
