//! The last page of a streaming backup.

use super::{BackupInfo, DatabaseHeader, Fault, LogTime, Signature, check_checksum};
use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

const STRUCTURE: &str = "patch page of a streaming backup";

/// The page after the last page of a database that was read through the engine's backup functions
/// (`PATCHHDR`).
///
/// It records the logs that the copy needs, since the copied header was written before the end of
/// the copy. It begins like an empty database page, but has a header's checksum.
#[derive(Debug, Clone, PartialEq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct PatchHeader {
    /// The checksum over the whole page.
    pub checksum: U32,
    /// The rest of an empty page's header.
    pub page_header: [u8; 36],
    /// The backup, with its last log.
    pub backup: BackupInfo,
    /// The same as in the database header.
    pub database_signature: Signature,
    /// The same as in the database header.
    pub log_signature: Signature,
    /// The first log required at the end of the copy; 0 in old formats.
    pub min_required: U32,
    /// The last log required at the end of the copy; 0 in old formats.
    pub max_required: U32,
    /// The last log written at the end of the copy; 0 in old formats.
    pub max_committed: U32,
    /// The creation time of the log `max_required`.
    pub max_required_time: LogTime,
    /// The creation time of the log `max_committed`.
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

    /// Fails if the patch page is that of another backup or another database.
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

impl DatabaseHeader {
    /// Applies the logs needed at the end of a streaming backup to the header, as the engine does
    /// before recovery. Fails if the patch page is that of another backup.
    pub fn apply_patch(&mut self, patch: &PatchHeader) -> Result<(), Fault> {
        patch.check_belongs_to(self)?;
        let end = patch.backup.high;
        let or_end = |generation: U32| if generation == 0 { end } else { generation };
        let (max_required, max_committed) =
            (or_end(patch.max_required), or_end(patch.max_committed));
        self.current_full_backup.high = end;
        if patch.min_required != 0 && patch.min_required.get() < self.min_required.get() {
            self.min_required = patch.min_required;
        }
        if max_required.get() >= self.max_required.get() {
            self.max_required = max_required;
            self.max_required_time = patch.max_required_time;
        }
        if max_committed.get() >= self.max_committed.get() {
            self.max_committed = max_committed;
            self.max_committed_time = patch.max_committed_time;
        }
        self.min_consistent = self.min_required;
        self.min_consistent_before_redo = U32::ZERO;
        self.min_required_before_redo = U32::ZERO;
        Ok(())
    }
}
