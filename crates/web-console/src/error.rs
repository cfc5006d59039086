//! What keeps the console from starting.

use std::io;
use std::path::{Path, PathBuf};

/// What keeps the console from starting.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or a place to listen on.
    #[error("{doing} {place}: {error}")]
    Io {
        /// What was attempted.
        doing: &'static str,
        /// With what.
        place: String,
        /// The reason.
        error: io::Error,
    },
    /// The table `[console]` is wrong.
    #[error("{}: {reason}", path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// What is asked for is not safe, or contradicts itself.
    #[error("console: {0}")]
    Refused(String),
    /// The jobs' configuration.
    #[error(transparent)]
    Jobs(Box<jobs::Error>),
}

impl From<jobs::Error> for Error {
    fn from(error: jobs::Error) -> Self {
        Self::Jobs(Box::new(error))
    }
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of the system, with what was attempted.
    pub fn io(doing: &'static str, place: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        let place = place.as_ref().display().to_string();
        move |error| Self::Io {
            doing,
            place,
            error,
        }
    }
}
