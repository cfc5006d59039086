//! What can go wrong while a file of the engine is read: every error says where, what was expected
//! and what was found.

use std::path::{Path, PathBuf};

/// The result of reading the engine's files.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a file, page or record could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused to read.
    #[error("{}: {source}", file.display())]
    Io {
        /// The file that was being read.
        file: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The operating system refused to write.
    #[error("{}: {source}", file.display())]
    Write {
        /// The file that was being written.
        file: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// What was named is a pipe, a device or a folder; it was not read.
    #[error("{}: this is {what}, no regular file, and was not read", file.display())]
    NoRegularFile {
        /// What was named.
        file: PathBuf,
        /// What it is, such as `a named pipe`.
        what: &'static str,
    },
    /// The bytes contradict the format: damage, or a file of another kind.
    #[error("{}: offset {offset:#x}: {structure}: expected {expected}, found {found}", file.display())]
    Damaged {
        /// The file that was being read.
        file: PathBuf,
        /// Bytes from the start of the file to the contradiction.
        offset: u64,
        /// The structure that was being read, such as `database header` or `page 17, tag 3`.
        structure: String,
        /// What the format demands there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// The file is sound but asks for something this version of the reader does not know.
    #[error("{}: {what} is not supported", file.display())]
    Unsupported {
        /// The file that was being read.
        file: PathBuf,
        /// What is not known, with its value.
        what: String,
    },
}

impl Error {
    /// Makes errors of what the operating system says when `file` is read.
    pub(crate) fn io(file: &Path) -> impl Fn(std::io::Error) -> Error + '_ {
        |source| Error::Io {
            file: file.to_path_buf(),
            source,
        }
    }

    /// Makes errors of what the operating system says when `file` is written.
    pub(crate) fn write(file: &Path) -> impl Fn(std::io::Error) -> Error + '_ {
        |source| Error::Write {
            file: file.to_path_buf(),
            source,
        }
    }

    /// The file that is concerned.
    pub(crate) fn file(&self) -> &Path {
        match self {
            Error::Io { file, .. }
            | Error::Write { file, .. }
            | Error::NoRegularFile { file, .. }
            | Error::Damaged { file, .. }
            | Error::Unsupported { file, .. } => file,
        }
    }

    /// The same error once more.
    pub(crate) fn again(&self) -> Error {
        match self {
            Error::Io { file, source } => Error::Io {
                file: file.clone(),
                source: std::io::Error::new(source.kind(), source.to_string()),
            },
            Error::Write { file, source } => Error::Write {
                file: file.clone(),
                source: std::io::Error::new(source.kind(), source.to_string()),
            },
            Error::NoRegularFile { file, what } => Error::NoRegularFile {
                file: file.clone(),
                what,
            },
            Error::Damaged {
                file,
                offset,
                structure,
                expected,
                found,
            } => Error::Damaged {
                file: file.clone(),
                offset: *offset,
                structure: structure.clone(),
                expected: expected.clone(),
                found: found.clone(),
            },
            Error::Unsupported { file, what } => Error::Unsupported {
                file: file.clone(),
                what: what.clone(),
            },
        }
    }
}
