//! Why a disk, or what is on it, cannot be read.

use std::fmt::Display;
use std::path::{Path, PathBuf};

/// The result of reading.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a disk, or what is on it, cannot be read. Every message names the file and what to do next.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system's error.
    #[error("{file}: cannot read {length} bytes at byte {position}: {source}")]
    Io {
        /// The file.
        file: String,
        /// The first byte that was asked for.
        position: u64,
        /// The number of bytes that were asked for.
        length: u64,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A file cannot be opened.
    #[error("{file}: cannot be opened: {source}")]
    Open {
        /// The file.
        file: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// A structure is not as its format says.
    #[error(
        "{file}: {structure} at byte {position}: expected {expected}, found {actual}; copy the \
         image again, or take another one"
    )]
    Damaged {
        /// The image, and the partition in it.
        file: String,
        /// The structure.
        structure: String,
        /// The position of the structure in the file, the disk or the volume that `file` names.
        position: u64,
        /// What its format says.
        expected: String,
        /// What is there.
        actual: String,
    },
    /// A form that is known, and not read.
    #[error("{file}: {what}; {next}")]
    Refused {
        /// The image, and the partition in it.
        file: String,
        /// What it is.
        what: String,
        /// What to do.
        next: String,
    },
    /// What was looked for is not there.
    #[error("{file}: {what}; {next}")]
    NotFound {
        /// Where it was looked for.
        file: String,
        /// What is not there.
        what: String,
        /// What to do.
        next: String,
    },
    /// A copy of a file cannot be written.
    #[error("{}: cannot be written: {source}", file.display())]
    Write {
        /// The copy.
        file: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

impl Error {
    /// A structure that is not as its format says.
    pub fn damaged(
        file: impl Display,
        structure: impl Display,
        position: u64,
        expected: impl Display,
        actual: impl Display,
    ) -> Self {
        Self::Damaged {
            file: file.to_string(),
            structure: structure.to_string(),
            position,
            expected: expected.to_string(),
            actual: actual.to_string(),
        }
    }

    /// A form that is not read, and what to do.
    pub fn refused(file: impl Display, what: impl Display, next: impl Display) -> Self {
        Self::Refused {
            file: file.to_string(),
            what: what.to_string(),
            next: next.to_string(),
        }
    }

    /// What is not there, and what to do.
    pub fn not_found(file: impl Display, what: impl Display, next: impl Display) -> Self {
        Self::NotFound {
            file: file.to_string(),
            what: what.to_string(),
            next: next.to_string(),
        }
    }

    /// For `map_err` on opening a file.
    pub fn open(file: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let file = file.display().to_string();
        move |source| Self::Open { file, source }
    }

    /// For `map_err` on writing a file.
    pub fn write(file: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let file = file.to_path_buf();
        move |source| Self::Write { file, source }
    }
}
