//! The engine's settings and the attached databases in logs and checkpoints.

use super::values::text;
use super::{DbTime, Lgpos, Signature};
use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The size of the attachment area of a log or checkpoint, in bytes.
pub(super) const ATTACHMENT_AREA: usize = 2048;

/// The engine's settings when the log or checkpoint was written (`DBMS_PARAM`); informative, not
/// used by recovery.
#[derive(Clone, PartialEq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
#[allow(missing_docs)] // named as in `esentutl /ml`
pub struct EngineParameters {
    system_path: [u8; 261],
    log_path: [u8; 261],
    /// Bit 0: circular logging.
    pub flags: u8,
    pub sessions: U32,
    pub open_tables: U32,
    pub version_pages: U32,
    pub cursors: U32,
    pub log_buffers: U32,
    /// The size of a log file, in sectors.
    pub log_sectors: U32,
    pub cache_size: U32,
    reserved: [u8; 16],
}

const _: () = assert!(size_of::<EngineParameters>() == 567);

impl EngineParameters {
    /// The folder of the checkpoint.
    pub fn system_path(&self) -> String {
        text(&self.system_path)
    }

    /// The folder of the logs.
    pub fn log_path(&self) -> String {
        text(&self.log_path)
    }

    /// Whether the engine overwrites logs that recovery no longer needs.
    pub fn is_circular(&self) -> bool {
        self.flags & 1 == 1
    }
}

impl std::fmt::Debug for EngineParameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineParameters")
            .field("system_path", &self.system_path())
            .field("log_path", &self.log_path())
            .field("circular", &self.is_circular())
            .finish_non_exhaustive()
    }
}

/// A database that was attached when the log or checkpoint was written (`ATTACHINFO`).
#[derive(Debug, Clone, PartialEq)]
pub struct Attachment {
    /// The database's number in log records.
    pub database_id: u8,
    /// The database's DBTIME at that time.
    pub dbtime: DbTime,
    /// The highest OBJID in use.
    pub last_object_id: u32,
    /// The size limit in pages; 0: none.
    pub size_limit: u32,
    /// The position of the attachment.
    pub attach: Lgpos,
    /// The position at which the database was last consistent.
    pub consistent: Lgpos,
    /// The signature of the database.
    pub database_signature: Signature,
    /// The path of the database on the server.
    pub path: String,
}

#[derive(FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Fixed {
    database_id: u8,
    flags: u8,
    name_length: U16,
    dbtime: DbTime,
    last_object_id: U32,
    size_limit: U32,
    attach: Lgpos,
    consistent: Lgpos,
    database_signature: Signature,
}

const UNICODE_NAMES: u8 = 0x20;

/// Reads the attachments of a log or checkpoint. The list ends at a zero byte, or at an entry that
/// does not fit.
pub(super) fn attachments(mut area: &[u8]) -> Vec<Attachment> {
    let mut list = Vec::new();
    while area.first().is_some_and(|database_id| *database_id != 0) {
        let Ok((fixed, rest)) = Fixed::ref_from_prefix(area) else {
            break;
        };
        let Some((name, rest)) = rest.split_at_checked(fixed.name_length.get().into()) else {
            break;
        };
        list.push(Attachment {
            database_id: fixed.database_id,
            dbtime: fixed.dbtime,
            last_object_id: fixed.last_object_id.get(),
            size_limit: fixed.size_limit.get(),
            attach: fixed.attach,
            consistent: fixed.consistent,
            database_signature: fixed.database_signature,
            path: match fixed.flags & UNICODE_NAMES {
                0 => text(name),
                _ => wide_text(name),
            },
        });
        area = rest;
    }
    list
}

fn wide_text(bytes: &[u8]) -> String {
    let (units, _) = bytes.as_chunks::<2>();
    let units = units.iter().map(|unit| u16::from_le_bytes(*unit));
    char::decode_utf16(units.take_while(|unit| *unit != 0))
        .map(|character| character.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect()
}
