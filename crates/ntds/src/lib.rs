//! Active Directory's database (`ntds.dit`): what its tables say about the directory.
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
//! | module | what it knows |
//! | --- | --- |
//! | [`Directory`] | a directory's database, open for reading |
//! | [`Facts`] | who the directory is, how far it got, and how much it holds |
//! | [`attribute`] | attributes by number, and the columns that hold them |
//! | [`secrets`] | which columns hold passwords and keys |
//! | [`Guid`], [`Sid`] | identities as administrators write them |
//!
//! The storage engine's tables are those of [`ese`]. Every object is a row of `datatable` and has a number, its DNT; the
//! column `PDNT_col` names its parent, `NCDNT_col` the head of its naming context. Values that refer to other objects
//! hold a DNT. `link_table` holds the links between objects, `hiddentable` what the server notes of itself.
//! Sources: [MS-ADTS], [MS-DRSR], [MS-ADA1] to [MS-ADA3] for attributes and their meaning.
#![forbid(unsafe_code)]

pub mod attribute;
mod census;
mod directory;
mod error;
mod facts;
mod name;
pub mod secrets;

pub use census::{Counts, DeletedObjects, Links};
pub use directory::{Directory, Dnt, as_number, invocation_id, is_directory, key_of};
pub use error::{Error, Result};
pub use facts::{Domain, Facts, NamingContext, TombstoneLifetime};
pub use ids::{Guid, Sid};
pub use name::escape;
