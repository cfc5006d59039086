//! Detection of file kinds.

use super::database::PAGE_SIZES;
use super::{DatabaseHeaders, FILE_TYPE, FIXED_HEADER, read_start};
use std::fmt;
use std::path::Path;

/// The kinds of files that the engine writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FileKind {
    /// A database, such as `ntds.dit`.
    Database,
    /// A transaction log, such as `edb.log`.
    Log,
    /// A checkpoint, such as `edb.chk`.
    Checkpoint,
    /// A flush map, which detects lost writes, such as `ntds.jfm`.
    FlushMap,
    /// Reserved space for a full disk, without content: `edbres00001.jrs`; in old engines
    /// `res1.log`.
    ReservedLog,
    /// The next log in preparation, without content: `edbtmp.log`.
    TemporaryLog,
    /// The patch file of old engines, beside the database of a streaming backup: `ntds.pat`.
    PatchFile,
    /// An unknown file.
    Unknown,
}

impl FileKind {
    /// Determines the kind by the start of a file and by its name: reserved and temporary logs may
    /// hold anything.
    pub fn of_file(path: &Path) -> crate::Result<FileKind> {
        let start = read_start(path, DatabaseHeaders::START as u64)?;
        let name = path.file_name().and_then(|name| name.to_str());
        Ok(name
            .and_then(FileKind::of_name)
            .unwrap_or_else(|| FileKind::of(&start)))
    }

    /// The kinds that only the name shows.
    fn of_name(name: &str) -> Option<FileKind> {
        let name = name.to_ascii_lowercase();
        let (stem, extension) = name.rsplit_once('.')?;
        match extension {
            "jrs" => Some(FileKind::ReservedLog),
            "log" if matches!(stem, "res1" | "res2") => Some(FileKind::ReservedLog),
            "log" | "jtx" if stem.ends_with("tmp") => Some(FileKind::TemporaryLog),
            "pat" => Some(FileKind::PatchFile),
            _ => None,
        }
    }

    /// Determines the kind by the marks in the header, even if its checksum is wrong: a damaged log
    /// is still a log. `start` holds the first 64 KiB, or the whole of a shorter file.
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
            FileKind::ReservedLog => "reserved log",
            FileKind::TemporaryLog => "temporary log",
            FileKind::PatchFile => "patch file",
            FileKind::Unknown => "unknown file",
        })
    }
}
