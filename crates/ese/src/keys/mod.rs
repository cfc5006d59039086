//! Makes keys from values, to seek in an index.
//!
//! A key is the normalised forms of its columns' values one after the other, so that keys are in
//! byte order. Every type can be normalised except Unicode text, whose order depends on the version
//! of Windows and its locales: a key can hold such a column only as NULL or as empty text. A key of
//! the first columns alone leads to all entries that begin with it.
//!
//! ```
//! # let folder = testkit::find("sample-forest/clean").unwrap().unpack();
//! # let path = folder.path().join("ntds.dit");
//! use ese::rows::{KeyRange, Value};
//!
//! let database = ese::Database::open(&path)?;
//! let table = database.table("datatable")?.expect("a directory has a datatable");
//! // The children of the object with the number 2, whatever their names are.
//! let index = table.index("PDNT_index").expect("children by their parent");
//! let parent = table.key(index).with(&Value::Long(2))?.finish();
//! let mut children = database.entries(index).within(KeyRange::beginning_with(&parent));
//! let mut count = 0;
//! while let Some(entry) = children.next()? {
//!     assert!(entry.key.starts_with(&parent));
//!     count += 1;
//! }
//! assert!(count > 0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod segment;

use crate::catalog::{Column, ColumnType, Index, KeyColumn, Table};
use crate::rows::Value;

/// The reason why a key cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The index has no further column.
    #[error("the index {index} has only {columns} columns")]
    NoColumn {
        /// The index.
        index: String,
        /// The number of its columns.
        columns: usize,
    },
    /// The value is not of the column's type.
    #[error("column {column}: expected a value of the type {expected:?}, found {found}")]
    WrongType {
        /// The column.
        column: String,
        /// Its type.
        expected: ColumnType,
        /// The type of the given value.
        found: String,
    },
    /// The column is Unicode text, whose order only Windows knows.
    #[error("column {column}: keys of Unicode text cannot be computed")]
    UnicodeText {
        /// The column.
        column: String,
    },
    /// The index refuses keys of that length.
    #[error("the index {index} does not cut keys to its limit of {most} bytes")]
    TooLong {
        /// The index.
        index: String,
        /// The greatest length of its keys.
        most: u16,
    },
}

/// A key under construction: one value for each column of the index, or for the first few.
#[derive(Debug, Clone)]
pub struct KeyBuilder<'t> {
    table: &'t Table,
    index: &'t Index,
    key: Vec<u8>,
    progress: Progress,
}

/// The progress of a key.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Progress {
    columns: usize,
    /// Nothing follows a cut part.
    is_cut: bool,
}

impl Progress {
    /// Appends the part of the next column, `column`, to `key`, a key of `index`.
    #[inline]
    pub fn push(
        &mut self,
        key: &mut Vec<u8>,
        index: &Index,
        column: &Column,
        descending: bool,
        value: Option<&[u8]>,
    ) -> Result<(), KeyError> {
        let start = key.len();
        let room = usize::from(index.key_most).saturating_sub(start);
        let cut = if room == 0 {
            true
        } else if self.is_cut {
            // Nothing follows a cut part, even if it left room.
            false
        } else {
            segment::append(key, column, index, value, room, self.columns == 0)?
        };
        self.columns += 1;
        if cut && index.flags.forbids_truncation() {
            return Err(KeyError::TooLong {
                index: index.name.clone(),
                most: index.key_most,
            });
        }
        self.is_cut |= cut;
        if descending {
            for byte in &mut key[start..] {
                *byte = !*byte;
            }
        }
        Ok(())
    }
}

impl Table {
    /// A new key for `index`, which must be an index of this table.
    pub fn key<'t>(&'t self, index: &'t Index) -> KeyBuilder<'t> {
        KeyBuilder {
            table: self,
            index,
            key: Vec::new(),
            progress: Progress::default(),
        }
    }
}

impl<'t> KeyBuilder<'t> {
    /// Appends `value` for the next column.
    pub fn with(mut self, value: &Value<'_>) -> Result<Self, KeyError> {
        self.push(value)?;
        Ok(self)
    }

    /// Appends `value` for the next column.
    pub fn push(&mut self, value: &Value<'_>) -> Result<(), KeyError> {
        let (_, column) = self.next_column()?;
        let wrong = || KeyError::WrongType {
            column: column.name.clone(),
            expected: column.kind,
            found: value.type_name().into(),
        };
        if column.is_unicode() {
            let (Value::Null | Value::Text(_)) = value else {
                return Err(wrong());
            };
        }
        let bytes = value.to_bytes(column).ok_or_else(wrong)?;
        self.push_stored(bytes.as_deref())
    }

    /// Appends the stored `bytes` of a row's value, or NULL, for the next column.
    pub fn push_stored(&mut self, bytes: Option<&[u8]>) -> Result<(), KeyError> {
        let (part, column) = self.next_column()?;
        let Self {
            key,
            progress,
            index,
            ..
        } = self;
        progress.push(key, index, column, part.descending, bytes)
    }

    /// The key so far.
    pub fn bytes(&self) -> &[u8] {
        &self.key
    }

    /// The key.
    pub fn finish(self) -> Vec<u8> {
        self.key
    }

    /// Whether the index's limit of length cut the key, so that different values may share it.
    pub fn is_cut(&self) -> bool {
        self.progress.is_cut
    }

    /// Clears the key, for the next key of the same index.
    pub fn clear(&mut self) {
        self.key.clear();
        self.progress = Progress::default();
    }

    fn next_column(&self) -> Result<(KeyColumn, &'t Column), KeyError> {
        let part = self.index.key.get(self.progress.columns).copied();
        part.and_then(|part| Some((part, self.table.column_by_id(part.column)?)))
            .ok_or_else(|| KeyError::NoColumn {
                index: self.index.name.clone(),
                columns: self.index.key.len(),
            })
    }
}
