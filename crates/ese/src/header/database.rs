//! The database header: page -1 of the file, with a shadow copy as page 0.

use super::{
    BackupInfo, BackupKind, DbTime, FILE_TYPE, Fault, Lgpos, LogTime, Signature, check_checksum,
    first_bytes, read_start,
};
use crate::checksum::header_checksum;
use crate::page::PageSize;
use std::fmt;
use std::path::Path;
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The page sizes of databases, in bytes. 2 KiB was dropped after Windows 8.1.
pub(super) const PAGE_SIZES: [usize; 5] = [2 << 10, 4 << 10, 8 << 10, 16 << 10, 32 << 10];

/// The newest incompatible format update known here (engine format version 9600).
pub const NEWEST_UPDATE_MAJOR: u32 = 290;

const STRUCTURE: &str = "database header";
const MAGIC: u32 = 0x89ab_cdef;
const VERSION: u32 = 0x620;
/// The file types of a database; engines before Windows Server 2003 wrote zero.
const FILE_TYPE_DATABASE: [u32; 2] = [1, 0];

/// The database header, in its form in the file (`DBFILEHDR`, 748 bytes; zeros follow up to the
/// page's end).
///
/// Generations are numbers of logs; 0 means none. Fields have the names that administrators know
/// from `esentutl /mh` (see [`DatabaseHeader::listing`]).
#[derive(Debug, Clone, PartialEq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(missing_docs)] // what needs words has them
pub struct DatabaseHeader {
    /// The checksum over the whole page.
    pub checksum: U32,
    /// `0x89abcdef`.
    pub magic: U32,
    /// `0x620`.
    pub version: U32,
    /// 0: a database.
    pub attributes: U32,
    pub dbtime: DbTime,
    pub database_signature: Signature,
    /// See [`DatabaseHeader::state`].
    pub state: U32,
    /// The log position of the last clean shutdown; none while the database is attached.
    pub last_consistent: Lgpos,
    pub last_consistent_time: LogTime,
    pub last_attach_time: LogTime,
    pub last_attach: Lgpos,
    pub last_detach_time: LogTime,
    pub last_detach: Lgpos,
    /// The database's number in log records.
    pub database_id: U32,
    /// The sequence of the database's logs.
    pub log_signature: Signature,
    pub previous_full_backup: BackupInfo,
    pub previous_incremental_backup: BackupInfo,
    /// Set in the copy of a streaming backup, and so the mark of a restored database.
    pub current_full_backup: BackupInfo,
    /// Bit 0: there is no shadow header. See [`DatabaseHeader::is_shadowed`].
    pub flags: U32,
    pub last_object_id: U32,
    pub os_major: U32,
    pub os_minor: U32,
    pub os_build: U32,
    pub os_service_pack: U32,
    /// The incompatible part of the format revision: 0x620,20 is Windows Server 2016.
    pub update_major: U32,
    /// In bytes; 0 means 4096. See [`DatabaseHeader::page_size`].
    pub page_size_field: U32,
    pub repair_count: U32,
    pub repair_time: LogTime,
    /// Formerly the signature of a streaming file.
    pub reserved_signature: [u8; 28],
    pub scrub_dbtime: DbTime,
    pub scrub_time: LogTime,
    pub min_required: U32,
    pub max_required: U32,
    pub upgrade_55_format: U32,
    pub upgrade_free_pages: U32,
    pub upgrade_space_map_pages: U32,
    pub current_shadow_copy: BackupInfo,
    pub created_version: U32,
    pub created_update: U32,
    /// The creation time of the log `max_committed`.
    pub max_committed_time: LogTime,
    pub previous_full_backup_kind: BackupKind,
    pub previous_incremental_backup_kind: BackupKind,
    pub old_repair_count: U32,
    pub ecc_fix_success_count: U32,
    pub ecc_fix_success_time: LogTime,
    pub old_ecc_fix_success_count: U32,
    pub ecc_fix_error_count: U32,
    pub ecc_fix_error_time: LogTime,
    pub old_ecc_fix_error_count: U32,
    pub bad_checksum_count: U32,
    pub bad_checksum_time: LogTime,
    pub old_bad_checksum_count: U32,
    /// The last log with changes of this database. Without it committed changes are lost.
    pub max_committed: U32,
    pub previous_copy_backup: BackupInfo,
    pub previous_differential_backup: BackupInfo,
    pub previous_copy_backup_kind: BackupKind,
    pub previous_differential_backup_kind: BackupKind,
    pub reseed_count: U32,
    pub reseed_time: LogTime,
    pub old_reseed_count: U32,
    pub page_patch_count: U32,
    pub page_patch_time: LogTime,
    pub old_page_patch_count: U32,
    pub sort_version: U64,
    pub maintenance_finish_time: LogTime,
    pub maintenance_start_time: LogTime,
    pub highest_continuous_maintenance_page: U32,
    /// The log in replay when a recovery was interrupted.
    pub recovering: U32,
    pub extend_count: U32,
    pub extend_time: LogTime,
    pub shrink_count: U32,
    pub shrink_time: LogTime,
    pub last_reattach_time: LogTime,
    pub last_reattach: Lgpos,
    pub trim_count: U32,
    pub header_flush_signature: Signature,
    pub flush_map_flush_signature: Signature,
    /// The first log needed to make the database consistent; `min_required` may be lower, for the
    /// flush map.
    pub min_consistent: U32,
    /// The compatible part of the format revision.
    pub update_minor: U32,
    /// The newest engine format version that attached the database; informative only.
    pub newest_engine_format: U32,
    pub highest_maintenance_page: U32,
    pub last_resize: Lgpos,
    pub reserved: [u8; 3],
    pub file_type: U32,
    pub reserved_2: u8,
    pub max_required_time: LogTime,
    /// The value of `min_consistent` before recovery lowered it; 0 if unchanged.
    pub min_consistent_before_redo: U32,
    /// The value of `min_required` before recovery lowered it; 0 if unchanged.
    pub min_required_before_redo: U32,
    pub revert_snapshot_flush_signature: Signature,
    pub revert_count: U32,
    pub revert_from_time: LogTime,
    pub revert_to_time: LogTime,
    pub revert_page_count: U32,
    pub commit_before_revert: Lgpos,
}

const _: () = assert!(size_of::<DatabaseHeader>() == 748);
const _: () = assert!(std::mem::offset_of!(DatabaseHeader, file_type) == FILE_TYPE);

/// The state of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)] // the engine's names
pub enum DatabaseState {
    JustCreated,
    /// Attached, or left without a shutdown: needs recovery with the required logs.
    DirtyShutdown,
    /// Consistent without any log.
    CleanShutdown,
    BeingConverted,
    ForceDetach,
    IncrementalReseedInProgress,
    DirtyAndPatchedShutdown,
    RevertInProgress,
    /// A state that the engine does not know.
    Illegal(u32),
}

impl fmt::Display for DatabaseState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DatabaseState::JustCreated => "Just Created",
            DatabaseState::DirtyShutdown => "Dirty Shutdown",
            DatabaseState::CleanShutdown => "Clean Shutdown",
            DatabaseState::BeingConverted => "Being Converted",
            DatabaseState::ForceDetach => "Force Detach Replay Error",
            DatabaseState::IncrementalReseedInProgress => "Incremental Reseed In Progress",
            DatabaseState::DirtyAndPatchedShutdown => "Dirty and Patched Shutdown",
            DatabaseState::RevertInProgress => "Database Revert in Progress",
            DatabaseState::Illegal(_) => "Illegal",
        })
    }
}

/// The sound copies of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderCopies {
    /// Both, with the same content.
    Identical,
    /// Both, with different content: the engine stopped between the two writes, or a backup changed
    /// the first.
    Differ,
    /// Only the primary.
    ShadowBad,
    /// Only the shadow: the write of the primary was torn.
    PrimaryBad,
}

/// The valid header, and the state of its two copies.
#[derive(Debug, Clone, PartialEq)]
pub struct DatabaseHeaders {
    /// The primary, or the shadow if the primary is damaged.
    pub header: DatabaseHeader,
    /// The sound copies.
    pub copies: HeaderCopies,
    /// The fault of the damaged copy, if any.
    pub fault: Option<Fault>,
}

impl DatabaseHeaders {
    /// Reads both copies from the start of a database file: 64 KiB, or the whole of a shorter file.
    ///
    /// Like the engine, uses the primary if it is sound, else the shadow, which is searched for at
    /// every page size.
    pub fn parse(start: &[u8]) -> Result<DatabaseHeaders, Fault> {
        let primary_fault = match DatabaseHeader::parse(start) {
            Ok(header) => return Ok(DatabaseHeaders::with_primary(header, start)),
            Err(fault @ Fault::Unsupported { .. }) => return Err(fault),
            Err(fault) => fault,
        };
        let shadow = PAGE_SIZES.iter().find_map(|page_size| {
            let header = DatabaseHeader::parse(start.get(*page_size..)?).ok()?;
            (header.page_size().bytes() == *page_size).then_some(header)
        });
        match shadow {
            Some(header) => Ok(DatabaseHeaders {
                header,
                copies: HeaderCopies::PrimaryBad,
                fault: Some(primary_fault),
            }),
            None => Err(primary_fault),
        }
    }

    /// Reads both copies from a file.
    pub fn read(path: &Path) -> crate::Result<DatabaseHeaders> {
        let start = read_start(path, DatabaseHeaders::START as u64)?;
        DatabaseHeaders::parse(&start).map_err(|fault| fault.in_file(path))
    }

    /// The number of bytes from the start of the file that hold both copies at any page size.
    pub const START: usize = 64 << 10;

    fn with_primary(header: DatabaseHeader, start: &[u8]) -> DatabaseHeaders {
        let page_size = header.page_size().bytes();
        let (primary, rest) = start.split_at_checked(page_size).unwrap_or((start, &[]));
        let (copies, fault) = match DatabaseHeader::parse(rest) {
            Ok(_) if rest.get(..page_size) == Some(primary) => (HeaderCopies::Identical, None),
            Ok(_) => (HeaderCopies::Differ, None),
            Err(fault) => (HeaderCopies::ShadowBad, Some(fault.shifted(page_size))),
        };
        DatabaseHeaders {
            header,
            copies,
            fault,
        }
    }
}

impl DatabaseHeader {
    /// Reads one copy of the header; `page` starts with it and holds at least the whole page.
    pub fn parse(page: &[u8]) -> Result<DatabaseHeader, Fault> {
        first_bytes(STRUCTURE, page, PAGE_SIZES[0])?;
        let Ok((header, _)) = DatabaseHeader::read_from_prefix(page) else {
            return Err(Fault::damaged(STRUCTURE, 0, "748 bytes", page.len()));
        };
        if header.magic != MAGIC {
            let expected = format!("magic number {MAGIC:#010x}");
            return Err(Fault::damaged(
                STRUCTURE,
                4,
                expected,
                format!("{:#010x}", header.magic),
            ));
        }
        let Some(page_size) = header.valid_page_size() else {
            let expected = "page size 2048, 4096, 8192, 16384 or 32768";
            return Err(Fault::damaged(
                STRUCTURE,
                236,
                expected,
                header.page_size_field,
            ));
        };
        check_checksum(STRUCTURE, first_bytes(STRUCTURE, page, page_size.bytes())?)?;
        if header.attributes != 0 || !FILE_TYPE_DATABASE.contains(&header.file_type.get()) {
            let found = format!("{},{}", header.attributes, header.file_type);
            return Err(Fault::damaged(
                STRUCTURE,
                FILE_TYPE,
                "file type 0,1 (database)",
                found,
            ));
        }
        if header.version != VERSION {
            let what = format!(
                "database format {:#x},{}",
                header.version, header.update_major
            );
            return Err(Fault::Unsupported { what });
        }
        Ok(header)
    }

    /// The page to write: the fields, zeros, and the checksum.
    pub fn to_page(&self) -> Vec<u8> {
        let mut page = self.as_bytes().to_vec();
        page.resize(self.page_size().bytes(), 0);
        let checksum = header_checksum(&page).to_le_bytes();
        page[..4].copy_from_slice(&checksum);
        page
    }

    /// The size of the database's pages.
    pub fn page_size(&self) -> PageSize {
        self.valid_page_size().unwrap_or(PageSize::DEFAULT)
    }

    /// `None` for an invalid page size, which means that the header is damaged.
    fn valid_page_size(&self) -> Option<PageSize> {
        match self.page_size_field.get() {
            0 => Some(PageSize::DEFAULT),
            size => PageSize::new(size),
        }
    }

    /// The state of the database.
    pub fn state(&self) -> DatabaseState {
        match self.state.get() {
            1 => DatabaseState::JustCreated,
            2 => DatabaseState::DirtyShutdown,
            3 => DatabaseState::CleanShutdown,
            4 => DatabaseState::BeingConverted,
            5 => DatabaseState::ForceDetach,
            6 => DatabaseState::IncrementalReseedInProgress,
            7 => DatabaseState::DirtyAndPatchedShutdown,
            8 => DatabaseState::RevertInProgress,
            other => DatabaseState::Illegal(other),
        }
    }

    /// Whether this is the engine's temporary database: it belongs to no logs, its pages have no
    /// checksums, and the engine deletes it when it starts.
    pub fn is_temporary(&self) -> bool {
        self.state() == DatabaseState::JustCreated && !self.log_signature.is_set()
    }

    /// The reason why the engine would neither open nor recover the database, by its state; `None`
    /// for ordinary states. The engine's integrity check reports such a database as corrupted.
    pub fn bad_state(&self) -> Option<String> {
        let state = self.state();
        let why = match state {
            DatabaseState::CleanShutdown
            | DatabaseState::DirtyShutdown
            | DatabaseState::DirtyAndPatchedShutdown
            | DatabaseState::IncrementalReseedInProgress
            | DatabaseState::RevertInProgress => return None,
            DatabaseState::JustCreated => "its creation was not finished".into(),
            DatabaseState::BeingConverted => "a conversion of its format was not finished".into(),
            DatabaseState::ForceDetach => "it was detached by force".into(),
            DatabaseState::Illegal(number) => format!("{number} is no state of the engine"),
        };
        Some(format!("{state}: {why}"))
    }

    /// A description of the format if it is newer than the newest known here; its new features are
    /// not supported.
    pub fn newer_format(&self) -> Option<String> {
        let update = self.update_major.get();
        (update > NEWEST_UPDATE_MAJOR).then(|| {
            format!(
                "format {:#x},{update}, newer than the newest known here \
                 ({VERSION:#x},{NEWEST_UPDATE_MAJOR})",
                self.version
            )
        })
    }

    /// Whether the database is consistent without its logs.
    pub fn is_clean(&self) -> bool {
        self.state() == DatabaseState::CleanShutdown
    }

    /// Whether page 0 of the file is a copy of this header.
    pub fn is_shadowed(&self) -> bool {
        self.flags.get() & 1 == 0
    }

    /// Whether this is the copy of a streaming backup whose last page (the
    /// [`PatchHeader`](super::PatchHeader)) is not yet applied to this header.
    pub fn awaits_patch(&self) -> bool {
        self.current_full_backup.low != 0 && self.current_full_backup.high == 0
    }
}
