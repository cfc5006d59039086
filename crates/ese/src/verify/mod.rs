//! Checks every page of a database file, as its bytes pass by or from the file.
//!
//! A database file is the header, its shadow copy, then pages 1, 2, 3 ...: page N lies at (N + 1)
//! times the page size. A copy made by a streaming backup ends with one page more, the patch page.
//!
//! [`PageVerifier`] is fed the file in pieces of any size and reports damage with its place;
//! [`verify_database`] reads a whole file that way.

mod file;
mod finding;
mod stream;

pub use file::verify_database;
pub use finding::{Damage, Finding, Place};
pub use stream::{FlushMapUse, PageVerifier, Summary};
