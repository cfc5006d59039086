//! Messages that nobody else reads, once an exchange is done.

use crate::library::Context;
use crate::{Error, Result};

impl Context {
    /// Seals a message for the other side.
    pub(crate) fn seal(&mut self, message: &[u8]) -> Result<Vec<u8>> {
        match self.wrap(message, true)? {
            (_, false) => Err(Error("messages to the other side cannot be sealed".into())),
            (bytes, true) => Ok(bytes),
        }
    }

    /// Opens a message of the other side.
    pub(crate) fn open(&mut self, message: &[u8]) -> Result<Vec<u8>> {
        match self.unwrap(message)? {
            (_, false) => Err(Error("a message of the other side is not sealed".into())),
            (bytes, true) => Ok(bytes),
        }
    }
}
