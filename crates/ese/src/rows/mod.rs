//! Rows of tables and entries of indices.
//!
//! ```no_run
//! let database = ese::Database::open("ntds.dit")?;
//! let table = database.table("datatable")?.expect("a directory has a datatable");
//! let name = table.column("ATTm589825").expect("a column");
//! let mut rows = database.rows(&table);
//! while let Some(row) = rows.next()? {
//!     println!("{:?}", row.typed(name)?);
//! }
//! # Ok::<(), ese::Error>(())
//! ```

mod cursor;
mod entries;
mod row;
mod value;

pub use cursor::Rows;
pub use entries::{Entries, Entry};
pub use row::{Row, Stored, StoredValue};
pub use value::Value;
