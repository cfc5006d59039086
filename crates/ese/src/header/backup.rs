//! What headers tell about backups.

use super::{Lgpos, LogTime};
use std::fmt;
use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// One backup: where in the logs it was marked, and the logs that belong to it (`BKINFO`).
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    FromBytes,
    IntoBytes,
    KnownLayout,
    Immutable,
    Unaligned,
)]
#[repr(C)]
pub struct BackupInfo {
    /// The log position that names the backup.
    pub mark: Lgpos,
    /// When it was marked.
    pub mark_time: LogTime,
    /// The first log of the set.
    pub low: U32,
    /// The last log of the set; 0 while the backup is running.
    pub high: U32,
}

/// How a backup was made.
#[derive(
    Clone, Copy, Default, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct BackupKind(U32);

impl BackupKind {
    /// Read through the engine's backup functions.
    pub const STREAMING: BackupKind = BackupKind(U32::new(0));
    /// Copied from a snapshot of the volume (shadow copy).
    pub const OS_SNAPSHOT: BackupKind = BackupKind(U32::new(1));
    /// The engine's own snapshot, never shipped.
    pub const SNAPSHOT: BackupKind = BackupKind(U32::new(2));

    /// The number in the file.
    pub fn number(self) -> u32 {
        self.0.get()
    }
}

impl fmt::Debug for BackupKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            BackupKind::STREAMING => f.write_str("Streaming"),
            BackupKind::OS_SNAPSHOT => f.write_str("OSSnapshot"),
            BackupKind::SNAPSHOT => f.write_str("Snapshot"),
            BackupKind(other) => write!(f, "Unknown({other})"),
        }
    }
}
