//! What headers tell about backups, and the page that ends a streaming backup.

use super::{DatabaseHeader, Fault, Lgpos, LogTime, Signature, check_checksum};
use std::fmt;
use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

const STRUCTURE: &str = "patch page of a streaming backup";

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

/// The page after the last page of a database that was read through the engine's backup functions (`PATCHHDR`).
///
/// It says which logs the copy needs, since the copied header was written before the copying ended. It begins like an
/// empty database page, but carries a header's checksum.
#[derive(Debug, Clone, PartialEq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct PatchHeader {
    /// Over the whole page.
    pub checksum: U32,
    /// The rest of an empty page's header.
    pub page_header: [u8; 36],
    /// The backup, with its last log.
    pub backup: BackupInfo,
    /// As in the database header.
    pub database_signature: Signature,
    /// As in the database header.
    pub log_signature: Signature,
    /// First log required when the copying ended; 0 in old formats.
    pub min_required: U32,
    /// Last log required when the copying ended; 0 in old formats.
    pub max_required: U32,
    /// Last log written when the copying ended; 0 in old formats.
    pub max_committed: U32,
    /// Creation time of the log `max_required`.
    pub max_required_time: LogTime,
    /// Creation time of the log `max_committed`.
    pub max_committed_time: LogTime,
}

const _: () = assert!(size_of::<PatchHeader>() == 148);

impl PatchHeader {
    /// Reads the page; the slice is exactly the page.
    pub fn parse(page: &[u8]) -> Result<PatchHeader, Fault> {
        check_checksum(STRUCTURE, page)?;
        let Ok((patch, _)) = PatchHeader::read_from_prefix(page) else {
            return Err(Fault::damaged(STRUCTURE, 0, "148 bytes", page.len()));
        };
        if patch.backup.high == 0 {
            return Err(Fault::damaged(STRUCTURE, 60, "the backup's last log", 0));
        }
        Ok(patch)
    }

    /// Refuses a patch page that was made by another backup, or for another database, than the header.
    pub fn check_belongs_to(&self, header: &DatabaseHeader) -> Result<(), Fault> {
        let differs = |offset, expected: String, found: String| match expected == found {
            true => Ok(()),
            false => Err(Fault::damaged(STRUCTURE, offset, expected, found)),
        };
        let database = |signature: &Signature| format!("database signature {signature}");
        let log = |signature: &Signature| format!("log signature {signature}");
        let mark = |backup: &BackupInfo| format!("backup mark {}", backup.mark);
        differs(
            64,
            database(&header.database_signature),
            database(&self.database_signature),
        )?;
        differs(92, log(&header.log_signature), log(&self.log_signature))?;
        differs(40, mark(&header.current_full_backup), mark(&self.backup))
    }
}
