//! What kind of file is this?

use super::database::PAGE_SIZES;
use super::{FILE_TYPE, FIXED_HEADER};
use std::fmt;

/// The kinds of files that the engine writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// A database, such as `ntds.dit`.
    Database,
    /// A transaction log, such as `edb.log`.
    Log,
    /// A checkpoint, such as `edb.chk`.
    Checkpoint,
    /// A flush map, which tells lost writes, such as `ntds.jfm`.
    FlushMap,
    /// Nothing known.
    Unknown,
}

impl FileKind {
    /// Goes by the marks in the header, even where its checksum is wrong: a damaged log is still a log.
    /// Give it the first 64 KiB, or the whole of a shorter file.
    pub fn of(start: &[u8]) -> FileKind {
        let word = |offset: usize| {
            let bytes = start.get(offset..)?.first_chunk()?;
            Some(u32::from_le_bytes(*bytes))
        };
        let is_database = |offset| word(offset + 4) == Some(0x89ab_cdef);
        let file_type = |offset| word(offset + FILE_TYPE);
        if is_database(0) || PAGE_SIZES.into_iter().any(is_database) {
            return FileKind::Database;
        }
        match file_type(0) {
            Some(3) if matches!(word(32), Some(7 | 8)) => FileKind::Log,
            Some(4) => FileKind::Checkpoint,
            Some(7) => FileKind::FlushMap,
            _ if file_type(FIXED_HEADER) == Some(4) => FileKind::Checkpoint,
            _ => FileKind::Unknown,
        }
    }
}

impl fmt::Display for FileKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FileKind::Database => "database",
            FileKind::Log => "transaction log",
            FileKind::Checkpoint => "checkpoint",
            FileKind::FlushMap => "flush map",
            FileKind::Unknown => "unknown file",
        })
    }
}
