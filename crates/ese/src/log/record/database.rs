//! Records about a whole database: creation, attachment, size, scan, backup.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::common::StoredName;
use super::encode::{Writer, size16};
use super::parse::Cursor;
use crate::header::{Lgpos, LogTime, Signature};

/// A create record has the format version.
const CREATE_HAS_VERSION: u8 = 0x04;
/// The path in a create or attach record is UTF-16.
const UNICODE_NAME: u8 = 0x08;
/// The file is sparse.
const SPARSE: u8 = 0x10;
/// The path in a detach record is UTF-16.
const DETACH_UNICODE_NAME: u8 = 0x10;

/// The fixed part of a create record.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct CreateDatabaseHead {
    /// The session (PROCID).
    pub session: U16,
    /// The database's number in later records (DBID).
    pub database: u8,
    /// Options of the create call (JET_bit).
    pub options: U32,
    /// The size limit in pages; 0 for none.
    pub size_limit: U32,
    /// The database's signature.
    pub signature: Signature,
    name_size: U16,
    flags: u8,
}

/// A database is created (LRCREATEDB).
#[derive(Debug, Clone, Copy)]
pub struct CreateDatabase<'a> {
    /// The fixed part.
    pub head: &'a CreateDatabaseHead,
    /// Format version and update, if the record has them.
    pub version: Option<(u16, u16)>,
    /// The path.
    pub name: StoredName<'a>,
    /// Whether the file is sparse.
    pub sparse: bool,
}

/// A database's creation is complete (LRCREATEDBFINISH).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct CreateDatabaseFinish {
    /// The session (PROCID).
    pub session: U16,
    /// The database (DBID).
    pub database: u8,
}

/// The fixed part of an attach record.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct AttachDatabaseHead {
    /// The session (PROCID).
    pub session: U16,
    /// The database's number in later records (DBID).
    pub database: u8,
    /// The size limit in pages; 0 for none.
    pub size_limit: U32,
    /// The position at which the database was last consistent.
    pub consistent: Lgpos,
    /// The database's signature.
    pub signature: Signature,
    /// The signature of the logs it was last attached to.
    pub log_signature: Signature,
    name_size: U16,
    flags: u8,
}

/// A database is attached (LRATTACHDB).
#[derive(Debug, Clone, Copy)]
pub struct AttachDatabase<'a> {
    /// The fixed part.
    pub head: &'a AttachDatabaseHead,
    /// The path.
    pub name: StoredName<'a>,
    /// Whether the file is sparse.
    pub sparse: bool,
}

/// The fixed part of a detach record.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct DetachDatabaseHead {
    /// The session (PROCID).
    pub session: U16,
    /// The database (DBID).
    pub database: u8,
    name_size: U16,
    /// Flags as stored.
    pub flags: u8,
}

/// A database is detached, clean (LRDETACHDB).
#[derive(Debug, Clone, Copy)]
pub struct DetachDatabase<'a> {
    /// The fixed part.
    pub head: &'a DetachDatabaseHead,
    /// The path.
    pub name: StoredName<'a>,
}

/// A database that recovery kept attached remains in use (LRREATTACHDB).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct ReattachDatabase {
    /// The database (DBID).
    pub database: u8,
    /// The position of its attachment.
    pub attach: Lgpos,
    /// The position at which it was last consistent.
    pub consistent: Lgpos,
    /// The database's signature.
    pub signature: Signature,
}

/// The announcement that a database recovered by a passive copy will be attached
/// (LRSIGNALATTACHDB).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct SignalAttachDatabase {
    /// The database (DBID).
    pub database: u8,
}

/// A new, higher format version of the database (LRSETDBVERSION).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct SetDatabaseVersion {
    /// The database (DBID).
    pub database: u8,
    /// Major version, such as 0x620.
    pub major: U32,
    /// Update major.
    pub update_major: U32,
    /// Update minor.
    pub update_minor: U32,
}

/// The file grows (LREXTENDDB).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct ExtendDatabase {
    /// The database (DBID).
    pub database: u8,
    /// The last page afterwards.
    pub last_page: U32,
}

/// The fixed part of a shrink record.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct ShrinkDatabaseHead {
    /// The database (DBID).
    pub database: u8,
    /// The last page afterwards.
    pub last_page: U32,
    /// The number of removed pages.
    pub pages: U32,
}

/// The file shrinks (LRSHRINKDB, LRSHRINKDB3).
#[derive(Debug, Clone, Copy)]
pub struct ShrinkDatabase<'a> {
    /// The fixed part.
    pub head: &'a ShrinkDatabaseHead,
    /// DBTIME of the change, in the newest records.
    pub dbtime: Option<u64>,
}

/// Pages become a hole in a sparse file (LRTRIMDB).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct TrimDatabase {
    /// The database (DBID).
    pub database: u8,
    /// The first page.
    pub first_page: U32,
    /// The number of pages.
    pub pages: U32,
}

/// A page read by the database scan (LRSCANCHECK).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct ScanCheck {
    /// The database (DBID).
    pub database: u8,
    /// The page.
    pub page: U32,
    unused: [U64; 2],
    /// The page's DBTIME.
    pub dbtime_page: U64,
    /// The database's DBTIME at the time.
    pub dbtime_current: U64,
    /// A checksum of the page's content, folded to 16 bits.
    pub checksum: U16,
}

/// A page read by the database scan (LRSCANCHECK2).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct ScanCheck2 {
    /// The database (DBID).
    pub database: u8,
    /// The page.
    pub page: U32,
    /// 0x80: the OBJID is unused; 0x40: the page is empty; 0x20: the tree is deleted; low bits: the
    /// source of the scan.
    pub flags: u8,
    /// The page's DBTIME.
    pub dbtime_page: U64,
    /// The database's DBTIME at the time.
    pub dbtime_current: U64,
    /// A checksum of the page's content.
    pub checksum: U32,
}

/// A request for a damaged page from another copy of the database (LRPAGEPATCHREQUEST).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct PagePatchRequest {
    /// The database (DBID).
    pub database: u8,
    /// The page.
    pub page: U32,
    /// The database's DBTIME at the time.
    pub dbtime: U64,
    reserved: [u8; 32],
}

/// The fixed part of a backup mark.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct BackupHead {
    /// 1 begin, 2 prepare logs, 3 truncate, 4 header updated, 5 abort, 6 stop.
    pub phase: u8,
    /// 0 backup functions, 1 volume shadow copy, 3 on behalf of another copy.
    pub kind: U32,
    /// 1 full, 2 incremental, 5 copy, 6 differential.
    pub scope: u8,
    /// The database (DBID); 0 if none.
    pub database: u8,
    /// The start position of the backup.
    pub mark: Lgpos,
    /// The start time of the backup.
    pub time: LogTime,
    /// The first generation of the set, or of those truncated.
    pub low: U32,
    /// The last generation of the set, or the first not truncated.
    pub high: U32,
    reserved: u8,
    text_size: U16,
}

/// A phase of a backup (LRLOGBACKUP).
#[derive(Debug, Clone, Copy)]
pub struct Backup<'a> {
    /// The fixed part.
    pub head: &'a BackupHead,
    /// A note.
    pub text: &'a [u8],
}

/// A backup mark of older engines (LRLOGRESTORE, LRLOGBACKUP_OBSOLETE).
#[derive(Debug, Clone, Copy)]
pub struct OldBackup<'a> {
    /// The kind of backup: 0 full, 1 incremental, 2 and 3 snapshot start and stop, 4 logs
    /// truncated, 5 and 6 shadow copy.
    pub kind: Option<u8>,
    /// A path.
    pub text: &'a [u8],
}

pub(super) fn create<'a>(cursor: &mut Cursor<'a>) -> Option<CreateDatabase<'a>> {
    let head: &CreateDatabaseHead = cursor.head()?;
    let version = match head.flags & CREATE_HAS_VERSION {
        0 => None,
        _ => Some((cursor.head::<U16>()?.get(), cursor.head::<U16>()?.get())),
    };
    Some(CreateDatabase {
        head,
        version,
        name: StoredName {
            bytes: cursor.take16(head.name_size)?,
            unicode: head.flags & UNICODE_NAME != 0,
        },
        sparse: head.flags & SPARSE != 0,
    })
}

pub(super) fn attach<'a>(cursor: &mut Cursor<'a>) -> Option<AttachDatabase<'a>> {
    let head: &AttachDatabaseHead = cursor.head()?;
    Some(AttachDatabase {
        head,
        name: StoredName {
            bytes: cursor.take16(head.name_size)?,
            unicode: head.flags & UNICODE_NAME != 0,
        },
        sparse: head.flags & SPARSE != 0,
    })
}

pub(super) fn detach<'a>(cursor: &mut Cursor<'a>) -> Option<DetachDatabase<'a>> {
    let head: &DetachDatabaseHead = cursor.head()?;
    Some(DetachDatabase {
        head,
        name: StoredName {
            bytes: cursor.take16(head.name_size)?,
            unicode: head.flags & DETACH_UNICODE_NAME != 0,
        },
    })
}

pub(super) fn shrink<'a>(cursor: &mut Cursor<'a>, with_dbtime: bool) -> Option<ShrinkDatabase<'a>> {
    Some(ShrinkDatabase {
        head: cursor.head()?,
        dbtime: match with_dbtime {
            true => Some(cursor.head::<U64>()?.get()),
            false => None,
        },
    })
}

pub(super) fn backup<'a>(cursor: &mut Cursor<'a>) -> Option<Backup<'a>> {
    let head: &BackupHead = cursor.head()?;
    Some(Backup {
        head,
        text: cursor.take16(head.text_size)?,
    })
}

pub(super) fn old_backup<'a>(cursor: &mut Cursor<'a>, with_kind: bool) -> Option<OldBackup<'a>> {
    let kind = match with_kind {
        true => Some(cursor.head::<[u8; 2]>()?[0]),
        false => None,
    };
    let size: &U16 = cursor.head()?;
    Some(OldBackup {
        kind,
        text: cursor.take16(*size)?,
    })
}

impl CreateDatabase<'_> {
    pub(super) fn write(&self, writer: &mut Writer) -> Option<()> {
        let mut head = *self.head;
        head.name_size = size16(self.name.bytes)?;
        set_flag(&mut head.flags, CREATE_HAS_VERSION, self.version.is_some());
        set_flag(&mut head.flags, UNICODE_NAME, self.name.unicode);
        set_flag(&mut head.flags, SPARSE, self.sparse);
        writer.head(&head)?;
        if let Some((version, update)) = self.version {
            writer.head(&[U16::new(version), U16::new(update)])?;
        }
        writer.bytes(self.name.bytes)
    }
}

impl AttachDatabase<'_> {
    pub(super) fn write(&self, writer: &mut Writer) -> Option<()> {
        let mut head = *self.head;
        head.name_size = size16(self.name.bytes)?;
        set_flag(&mut head.flags, UNICODE_NAME, self.name.unicode);
        set_flag(&mut head.flags, SPARSE, self.sparse);
        writer.head(&head)?;
        writer.bytes(self.name.bytes)
    }
}

impl DetachDatabase<'_> {
    pub(super) fn write(&self, writer: &mut Writer) -> Option<()> {
        let mut head = *self.head;
        head.name_size = size16(self.name.bytes)?;
        set_flag(&mut head.flags, DETACH_UNICODE_NAME, self.name.unicode);
        writer.head(&head)?;
        writer.bytes(self.name.bytes)
    }
}

fn set_flag(flags: &mut u8, flag: u8, on: bool) {
    *flags = *flags & !flag | if on { flag } else { 0 };
}

impl ShrinkDatabase<'_> {
    pub(super) fn write(&self, writer: &mut Writer, with_dbtime: bool) -> Option<()> {
        writer.head(self.head)?;
        match (self.dbtime, with_dbtime) {
            (Some(dbtime), true) => writer.head(&U64::new(dbtime)),
            (None, false) => Some(()),
            _ => None,
        }
    }
}

impl Backup<'_> {
    pub(super) fn write(&self, writer: &mut Writer) -> Option<()> {
        let mut head = *self.head;
        head.text_size = size16(self.text)?;
        writer.head(&head)?;
        writer.bytes(self.text)
    }
}

impl OldBackup<'_> {
    pub(super) fn write(&self, writer: &mut Writer, with_kind: bool) -> Option<()> {
        match (self.kind, with_kind) {
            (Some(kind), true) => writer.head(&[kind, 0]),
            (None, false) => Some(()),
            _ => None,
        }?;
        writer.head(&size16(self.text)?)?;
        writer.bytes(self.text)
    }
}
