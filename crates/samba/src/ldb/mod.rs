//! Samba's databases of objects: records of names and values in TDB or LMDB files.
//!
//! | module | content |
//! | --- | --- |
//! | [`File`] | one file: its records by key, in either format |
//! | [`Record`] | the packed form of an object |
//! | [`ExtendedDn`] | names with GUID, SID and the replication metadata of a link |
//!
//! Values are stored as LDAP text. A key is `GUID=` and 16 bytes; in databases from before Samba
//! 4.8 it is `DN=` and the name in upper case. Names that begin with `@` are ldb's own.
#![forbid(unsafe_code)]

mod extended_dn;
mod file;
mod record;

pub use extended_dn::{ExtendedDn, LinkStamp};
pub use file::{File, Place};
pub use record::{Element, Malformed, Record};
