//! Verifies every page of a database, from a stream or a file.
//!
//! A database file is the header, its shadow copy, then pages 1, 2, 3 ...: page N is at (N + 1)
//! times the page size. The copy of a streaming backup ends with one more page, the patch page.
//!
//! [`PageVerifier`] takes the file in pieces of any size and reports damage with its place;
//! [`verify_database`] reads a whole file this way.

mod file;
mod finding;
mod stream;

pub use file::{verify_database, verify_database_watched};
pub use finding::{Damage, Finding, Place};
pub use stream::{FlushMapUse, PageVerifier, Summary};
