//! Samba's databases of objects: records of names and values, in TDB or LMDB files.
//!
//! | module | what it knows |
//! | --- | --- |
//! | [`File`] | one file: its records by key, whichever kind of file it is |
//! | [`Record`] | the packed form of an object |
//! | [`ExtendedDn`] | names with GUID, SID and the stamps of a link |
//!
//! Values are kept as LDAP text. Keys begin with `GUID=` and 16 bytes, in databases of before Samba
//! 4.8 with `DN=` and the name in upper case; names that begin with `@` are ldb's own.
#![forbid(unsafe_code)]

mod extended_dn;
mod file;
mod record;

pub use extended_dn::{ExtendedDn, LinkStamp};
pub use file::{File, Place};
pub use record::{Element, Malformed, Record};
