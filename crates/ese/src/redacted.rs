//! The rule for reports on stored content: only its length is shown.
//!
//! Keys, bookmarks, values and the content of log records may be passwords and keys: the log of a
//! directory repeats every changed secret, and damage can put a secret's bytes in the place of a
//! key. So the crate's listings, findings and errors show places and lengths, but no byte of
//! content and no hash of it, since the hash of a short secret can be guessed. Only
//! [`dump`](crate::dump) writes values, as its purpose requires; its caller names those to leave
//! out.

use std::fmt;

/// The length of stored content, in bytes, shown as `<24 bytes>`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Redacted(pub usize);

impl fmt::Display for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "<{} bytes>", self.0)
    }
}
