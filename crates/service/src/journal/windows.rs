//! The systemd journal, which Windows does not have.

use std::convert::Infallible;
use std::io;

/// Whether standard error goes to the journal: never.
pub fn has_standard_error() -> bool {
    false
}

/// A sender of entries: there is none.
pub struct Journal(Infallible);

impl Journal {
    /// The system's journal.
    ///
    /// # Errors
    /// Always: there is none.
    pub fn of_the_system() -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Sends an entry.
    ///
    /// # Errors
    /// None.
    pub fn send(&self, _: &[(&str, &str)]) -> io::Result<()> {
        match self.0 {}
    }
}
