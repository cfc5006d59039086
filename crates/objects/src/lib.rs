//! The objects of a directory as LDAP clients see them, in any engine.
//!
//! ```
//! # let folder = testkit::find("sample-forest/clean").unwrap().unpack();
//! # let path = folder.path().join("ntds.dit");
//! use objects::{Lookup, Source, Wanted};
//!
//! let directory = objects::ntds::Ntds::open(&path)?;
//! let wanted = Wanted::everything();
//! for id in directory.find(&Lookup::Account("administrator"))? {
//!     let entry = directory.entry(id, &wanted)?.expect("found just now");
//!     println!("{}", entry.dn);
//!     for attribute in &entry.attributes {
//!         println!("{}: {} values", attribute.schema.name, attribute.values.len());
//!     }
//! }
//! # Ok::<(), objects::Error>(())
//! ```
//!
//! | module | content |
//! | --- | --- |
//! | [`Source`] | a source of objects: found one by one, or in a scan |
//! | [`Entry`] | an object: attributes, links, replication metadata, state |
//! | [`Value`] | a value, and its form in LDAP |
//! | [`schema`] | attributes and classes by name, identifier and number |
//! | [`dn`] | distinguished names (RFC 4514) |
//! | [`descriptor`] | security descriptors, and their text (SDDL) |
//! | [`filter`] | search filters (RFC 4515) |
//! | [`membership`] | members of groups in groups, and groups of groups |
//! | [`metadata`] | the last change of each attribute: server, time, USN |
//! | [`servers`] | names of the servers that made changes |
//! | [`ldap`] | values and schema as LDAP writes them |
//! | [`ntds`] | the reader of `ntds.dit` |
//! | [`samba`] | the reader of Samba's databases |
//! | [`Stored`] | a directory in files, of either engine |
//! | [`words`] | values for people |
//!
//! ```text
//! ntds.dit           ─▶ ntds::Ntds   ─┐
//!                                     ├─▶ Source: find, scan ─▶ Entry ─▶ filter, compare, print
//! sam.ldb, sam.ldb.d ─▶ samba::Samba ─┘
//! ```
//!
//! Attribute names and forms of values are LDAP's. Passwords and keys are never decoded:
//! [`Value::Withheld`] replaces them.
#![forbid(unsafe_code)]

pub mod descriptor;
pub mod dn;
mod entry;
mod error;
pub mod filter;
mod id;
pub mod ldap;
pub mod membership;
pub mod metadata;
pub mod ntds;
mod part;
pub mod prefix;
pub mod samba;
pub mod schema;
pub mod servers;
mod source;
mod stored;
mod time;
mod value;
pub mod words;

pub use entry::{
    AttributeValues, Entry, Link, LinkDirection, LinkMetadata, LinkState, Marks, State,
};
pub use error::{Error, Result};
pub use id::ObjectId;
pub use ids::{Guid, Sid};
pub use part::is_within;
pub use source::{Entries, Facts, Ids, Lookup, NamingContext, Reader, Scope, Source, Wanted};
pub use stored::Stored;
pub use time::Time;
pub use value::{Reference, Value};
