//! The one rule of what is said about stored content: its length, and nothing more.
//!
//! Keys, bookmarks, values and what log records carry may be passwords and keys: the log of a
//! directory repeats every secret that was changed, and damage can put the bytes of one where a key
//! should be. So whatever this crate lists, finds or refuses names places and lengths, and no byte
//! of content, nor a hash of it, which for a short secret is as good. [`dump`](crate::dump) alone
//! writes values, since that is what it is for; its caller names those that it must not.

use std::fmt;

/// Stored content of this many bytes, shown as `<24 bytes>`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Redacted(pub usize);

impl fmt::Display for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "<{} bytes>", self.0)
    }
}
