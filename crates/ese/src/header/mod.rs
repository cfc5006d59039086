//! The headers of databases, logs, checkpoints and flush maps, and the last page of a streaming
//! backup.
//!
//! Each header is declared once, in its form in the file: a structure of little-endian fields
//! without padding ([`zerocopy`]), so that the declaration is the format. Numbers are read with
//! `.get()`. Every `parse` takes untrusted bytes, verifies the checksum, and never panics. Source:
//! the engine's `daedef.hxx`, `log.hxx`, `cpage.hxx`, and libesedb's format description.

mod attachment;
mod backup;
mod checkpoint;
mod database;
mod flush_map;
mod kind;
mod listing;
mod log_file;
mod patch;
mod values;
mod write;

pub use attachment::{Attachment, EngineParameters};
pub use backup::{BackupInfo, BackupKind};
pub use checkpoint::Checkpoint;
pub use database::{
    DatabaseHeader, DatabaseHeaders, DatabaseState, HeaderCopies, NEWEST_UPDATE_MAJOR,
};
pub use flush_map::{FLUSH_MAP_PAGE, FlushMapHeader};
pub use kind::FileKind;
pub use listing::Field;
pub use log_file::LogHeader;
pub use patch::PatchHeader;
pub use values::{DbTime, Lgpos, LogTime, Signature};

use crate::Error;
use crate::checksum::{header_checksum, stored_header_checksum};
use crate::io;
use std::io::Read;
use std::path::Path;

/// The offset of the file type field; the same in every header.
const FILE_TYPE: usize = 667;

/// The size of the headers of logs and checkpoints.
const FIXED_HEADER: usize = 4096;

/// The reason why bytes are not a usable header. [`Fault::in_file`] adds the file's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The bytes contradict the format.
    #[error("offset {offset:#x}: {structure}: expected {expected}, found {found}")]
    Damaged {
        /// The position in bytes from the start of the slice, which for headers is the start of the
        /// file.
        offset: u64,
        /// The structure.
        structure: &'static str,
        /// The content that the format requires.
        expected: String,
        /// The actual content.
        found: String,
    },
    /// Sound, but of an unsupported format.
    #[error("{what} is not supported")]
    Unsupported {
        /// The unsupported feature, with its value.
        what: String,
    },
}

impl Fault {
    fn damaged(
        structure: &'static str,
        offset: usize,
        expected: impl ToString,
        found: impl ToString,
    ) -> Fault {
        Fault::Damaged {
            offset: offset as u64,
            structure,
            expected: expected.to_string(),
            found: found.to_string(),
        }
    }

    /// The same fault, `distance` bytes further into the file.
    fn shifted(self, distance: usize) -> Fault {
        match self {
            Fault::Damaged {
                offset,
                structure,
                expected,
                found,
            } => Fault::Damaged {
                offset: offset.saturating_add(distance as u64),
                structure,
                expected,
                found,
            },
            other => other,
        }
    }

    /// Converts the fault to the error for users.
    pub fn in_file(self, file: &Path) -> Error {
        let file = file.to_path_buf();
        match self {
            Fault::Damaged {
                offset,
                structure,
                expected,
                found,
            } => Error::Damaged {
                file,
                offset,
                structure: structure.into(),
                expected,
                found,
            },
            Fault::Unsupported { what } => Error::Unsupported { file, what },
        }
    }
}

/// Fails if the first word is not the header checksum of the bytes.
fn check_checksum(structure: &'static str, header: &[u8]) -> Result<(), Fault> {
    let (stored, actual) = (stored_header_checksum(header), header_checksum(header));
    match stored == actual {
        true => Ok(()),
        false => Err(Fault::damaged(
            structure,
            0,
            format!("checksum {stored:#010x}"),
            format!("{actual:#010x}"),
        )),
    }
}

/// Returns the first `length` bytes, or the fault of a file that is too short.
fn first_bytes<'a>(
    structure: &'static str,
    bytes: &'a [u8],
    length: usize,
) -> Result<&'a [u8], Fault> {
    bytes.get(..length).ok_or_else(|| {
        Fault::damaged(
            structure,
            bytes.len(),
            format!("{length} bytes"),
            "the end of the file",
        )
    })
}

/// Reads up to `length` bytes from the start of a file, and no more than its size.
pub(crate) fn read_start(path: &Path, length: u64) -> crate::Result<Vec<u8>> {
    let (file, size) = io::open(path)?;
    let mut start = Vec::new();
    file.take(length.min(size))
        .read_to_end(&mut start)
        .map_err(Error::io(path))?;
    Ok(start)
}
