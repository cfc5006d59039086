//! The Extensible Storage Engine's files, read and checked outside Windows.
//!
//! ```
//! # let folder = testkit::find("sample-forest/clean").unwrap().unpack();
//! # let path = folder.path().join("ntds.dit");
//! let database = ese::Database::open(&path)?;
//! for entry in database.tables()? {
//!     let Some(table) = database.table(&entry.name)? else { continue };
//!     let (mut rows, mut count) = (database.rows(&table), 0);
//!     while let Some(row) = rows.next()? {
//!         for column in table.columns() {
//!             let _value = row.value(column)?;
//!         }
//!         count += 1;
//!     }
//!     println!("{}: {count} rows", entry.name);
//! }
//! # Ok::<(), ese::Error>(())
//! ```
//!
//! | module | what it knows |
//! | --- | --- |
//! | [`checksum`] | checksums of pages and headers: verify, compute |
//! | [`header`] | database, log, checkpoint and flush map headers, the patch page of a streaming backup; what kind of file is this |
//! | [`verify`] | every page of a database file, as its bytes pass by or from disk |
//! | [`flush_map`] | the map beside a database that tells writes that the disk lost |
//! | [`log_set`] | the logs of a folder by name and generation, and which of them a database needs |
//! | [`log`] | the content of transaction logs |
//! | [`page`] | the inside of a page: header, tags, nodes, keys |
//! | [`page_file`] | the pages of an open file by number, and which of them are kept |
//! | [`tree`] | trees of pages, and cursors over their nodes |
//! | [`catalog`] | tables, columns and indices |
//! | [`record`] | the values of a row in the data of a node |
//! | [`long_value`], [`compression`] | values that lie apart from their row, and how values are compressed |
//! | [`recovery`] | a dirty database and its logs become a clean database |
//! | [`database`], [`rows`] | a database open for reading: rows and index entries by cursor |
//! | [`keys`] | keys from values, for seeking in indices |
//! | [`space`] | how many pages a table owns and has available |
//! | [`structure`] | whether all that a database holds fits together: trees, space, catalog, long values, indices |
//! | [`dump`] | everything that a database holds, as JSON lines |
//!
//! [`Database`] is where reading begins. Damage is an [`Error`] or a finding that names file,
//! offset, structure, what was expected and what was found.
#![deny(unsafe_code)]

pub mod catalog;
pub mod checksum;
pub mod compression;
pub mod database;
pub mod dump;
mod edit;
mod error;
pub mod flush_map;
pub mod header;
mod io;
mod journal;
pub mod keys;
pub mod log;
pub mod log_set;
pub mod long_value;
pub mod page;
pub mod page_file;
mod page_store;
pub mod record;
pub mod recovery;
mod redacted;
pub mod rows;
pub mod space;
pub mod structure;
pub mod tree;
pub mod verify;

pub use database::Database;
pub use error::{Error, Result};
