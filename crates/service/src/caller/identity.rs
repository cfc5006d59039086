//! Identities, their privileges, and the origin of a connection.

use std::fmt;
use std::net::SocketAddr;

/// The privileges of a caller.
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

    /// Whether they include what the call requires.
    pub(crate) fn suffice(self, wanted: Wanted) -> bool {
        match wanted {
            Wanted::Backup => self.backup,
            Wanted::Restore => self.restore,
            Wanted::Either => self.backup || self.restore,
        }
    }
}

/// The privilege that a call requires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// SE_BACKUP_NAME.
    Backup,
    /// SE_RESTORE_NAME.
    Restore,
    /// One of the two.
    Either,
}

/// An identity, as far as it is proven.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    /// The caller's name, as administrators know it.
    pub(crate) name: String,
    pub(crate) privileges: Privileges,
}

/// Where a connection comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A process on this computer.
    Local { uid: Option<u32>, pid: Option<i32> },
    /// Another computer, or this one over TCP.
    Network(SocketAddr),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local { uid, pid } => {
                let uid = uid.map(|uid| format!("uid {uid}"));
                let pid = pid.map(|pid| format!("process {pid}"));
                let known: Vec<String> = [uid, pid].into_iter().flatten().collect();
                f.write_str(&known.join(", "))
            }
            Self::Network(address) => address.fmt(f),
        }
    }
}
