//! Active Directory's database (`ntds.dit`): the directory in its tables.
//!
//! ```
//! # let folder = testkit::find("sample-forest/clean").unwrap().unpack();
//! # let path = folder.path().join("ntds.dit");
//! let database = ese::Database::open(&path)?;
//! let facts = ntds::Directory::of(&database)?.facts()?;
//! println!("{} holds {} objects", facts.server, facts.counts.objects);
//! assert_eq!(facts.forest.as_deref(), Some("corp.example"));
//! # Ok::<(), ntds::Error>(())
//! ```
//!
//! | module | content |
//! | --- | --- |
//! | [`Directory`] | a directory's database, open for reading |
//! | [`Facts`] | identity, last changes and size of a directory |
//! | [`attribute`] | attributes by number, and their columns |
//! | [`secrets`] | the columns of passwords and keys |
//! | [`Guid`], [`Sid`] | identities, as administrators write them |
//!
//! [`ese`] reads the storage engine's tables. Every object is a row of `datatable` with a number,
//! its DNT. The column `PDNT_col` holds the DNT of its parent, `NCDNT_col` that of the head of its
//! naming context, and references to other objects are DNTs. `link_table` holds the links between
//! objects, `hiddentable` the server's own row. Sources: [MS-ADTS], [MS-DRSR], [MS-ADA1] to
//! [MS-ADA3] for attributes and their meaning.
#![forbid(unsafe_code)]

pub mod attribute;
mod census;
mod directory;
mod error;
mod facts;
mod name;
pub mod secrets;

pub use census::{Counts, DeletedObjects, Links};
pub use directory::{Directory, Dnt, as_number, dnt_of_key, invocation_id, is_directory, key_of};
pub use error::{Error, Result};
pub use facts::{Domain, Facts, NamingContext, TombstoneLifetime};
pub use ids::{Guid, Sid};
pub use name::escape;
