//! Backups as recorded in headers.

use super::{Lgpos, LogTime};
use std::fmt;
use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// A backup: the position of its mark in the logs, and its logs (`BKINFO`).
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
    /// The log position that identifies the backup.
    pub mark: Lgpos,
    /// The time of the mark.
    pub mark_time: LogTime,
    /// The first log of the set.
    pub low: U32,
    /// The last log of the set; 0 while the backup is running.
    pub high: U32,
}

/// The method of a backup.
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
