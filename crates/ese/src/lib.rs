//! Reads and checks the files of the Extensible Storage Engine outside Windows.
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
//! | module | contents |
//! | --- | --- |
//! | [`checksum`] | checksums of pages and headers: verify, compute |
//! | [`header`] | headers of databases, logs, checkpoints, flush maps; patch pages; file kinds |
//! | [`verify`] | verification of every page of a database, from a stream or a file |
//! | [`flush_map`] | flush maps, which detect lost writes |
//! | [`log_set`] | the logs of a folder, and those that a database needs |
//! | [`log`] | the content of transaction logs |
//! | [`page`] | the contents of a page: header, tags, nodes, keys |
//! | [`page_file`] | the pages of an open file by number, and the cache that holds them |
//! | [`tree`] | trees of pages, and cursors over their nodes |
//! | [`catalog`] | tables, columns and indices |
//! | [`record`] | the values of a row in the data of a node |
//! | [`long_value`], [`compression`] | values stored outside their row; compressed values |
//! | [`recovery`] | recovery of a dirty database with its logs |
//! | [`database`], [`rows`] | a database open for reading: rows and index entries by cursor |
//! | [`keys`] | keys from values, for seeking in indices |
//! | [`space`] | owned and available pages of a table |
//! | [`structure`] | consistency of a database: trees, space, catalog, long values, indices |
//! | [`dump`] | the contents of a database as JSON lines |
//!
//! Start with [`Database`]. Damage is reported as an [`Error`] or a finding with the file, the
//! offset, the structure, and the expected and actual content.
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
