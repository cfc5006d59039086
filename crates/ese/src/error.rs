//! The errors of reading the engine's files, with the place, the expected and the actual content.

use std::path::{Path, PathBuf};

/// The result of reading the engine's files.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The reason why a file, page or record could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused to read.
    #[error("{}: {source}", file.display())]
    Io {
        /// The file to read.
        file: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The operating system refused to write.
    #[error("{}: {source}", file.display())]
    Write {
        /// The file to write.
        file: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The path is that of a pipe, a device or a folder; it was not read.
    #[error("{}: this is {what}, no regular file, and was not read", file.display())]
    NoRegularFile {
        /// The path.
        file: PathBuf,
        /// The kind of file, such as `a named pipe`.
        what: &'static str,
    },
    /// The bytes contradict the format: damage, or a file of another kind.
    #[error(
        "{}: offset {offset:#x}: {structure}: expected {expected}, found {found}",
        file.display()
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// The position of the contradiction, in bytes from the start of the file.
        offset: u64,
        /// The structure, such as `database header` or `page 17, tag 3`.
        structure: String,
        /// The content that the format requires.
        expected: String,
        /// The actual content.
        found: String,
    },
    /// The file is sound but uses a feature that this version does not support.
    #[error("{}: {what} is not supported", file.display())]
    Unsupported {
        /// The file.
        file: PathBuf,
        /// The unsupported feature, with its value.
        what: String,
    },
}

impl Error {
    /// Converts the system's errors on reading `file`.
    pub(crate) fn io(file: &Path) -> impl Fn(std::io::Error) -> Error + '_ {
        |source| Error::Io {
            file: file.to_path_buf(),
            source,
        }
    }

    /// Converts the system's errors on writing `file`.
    pub(crate) fn write(file: &Path) -> impl Fn(std::io::Error) -> Error + '_ {
        |source| Error::Write {
            file: file.to_path_buf(),
            source,
        }
    }

    /// The file of the error.
    pub fn file(&self) -> &Path {
        match self {
            Error::Io { file, .. }
            | Error::Write { file, .. }
            | Error::NoRegularFile { file, .. }
            | Error::Damaged { file, .. }
            | Error::Unsupported { file, .. } => file,
        }
    }

    /// A copy of the error.
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
