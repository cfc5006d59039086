//! Rows of tables and entries of indices.
//!
//! ```
//! # let folder = testkit::find("sample-forest/clean").unwrap().unpack();
//! # let path = folder.path().join("ntds.dit");
//! use ese::rows::Value;
//!
//! let database = ese::Database::open(&path)?;
//! let table = database.table("datatable")?.expect("a directory has a datatable");
//! let number = table.column("DNT_col").expect("a row has a number");
//! let mut rows = database.rows(&table);
//! let mut last = 0;
//! while let Some(row) = rows.next()? {
//!     let Value::Long(number) = row.typed(number)? else { panic!("a number") };
//!     assert!(number > last, "rows come in the order of the primary index");
//!     last = number;
//! }
//!
//! // Secondary indices lead to rows by their bookmarks.
//! let index = table.index("PDNT_index").expect("children by their parent");
//! let mut entries = database.entries(index);
//! let first = entries.next()?.expect("an entry").bookmark.to_vec();
//! assert!(rows.find(&first)?.is_some());
//! # Ok::<(), ese::Error>(())
//! ```

mod cursor;
mod entries;
mod fields;
mod range;
mod row;
mod split;
mod value;

pub use cursor::Rows;
pub use entries::{Entries, Entry};
pub(crate) use fields::Fields;
pub use fields::{Stored, StoredValue};
pub use range::KeyRange;
pub use row::Row;
pub use value::Value;
