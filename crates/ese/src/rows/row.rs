//! A row and its values.

use std::borrow::Cow;
use std::cell::RefCell;

use super::Value;
use super::fields::{Fields, Stored, StoredValue};
use crate::catalog::{Column, Table};
use crate::compression;
use crate::long_value::{LongValueId, LongValues, ValueState};
use crate::page::{Fault, Key, Node, Pgno};
use crate::page_file::PageFile;
use crate::record::{Malformed, Record};
use crate::{Error, Result};

/// A row of a table, borrowed from its cursor.
#[derive(Clone, Copy)]
pub struct Row<'r> {
    pub(super) pages: &'r PageFile,
    pub(super) table: &'r Table,
    pub(super) long_values: Option<&'r (dyn LongValueReader + 'r)>,
    pub(super) page: Pgno,
    pub(super) tag: usize,
    pub(super) node: Node<'r>,
    pub(super) record: Record<'r>,
}

/// The reader of long values that the rows of a cursor share.
pub(super) trait LongValueReader {
    /// Calls `sink` with the pieces of the value; `None` if the reader is already in use.
    fn visit(
        &self,
        id: LongValueId,
        sink: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Option<Result<ValueState>>;
}

impl LongValueReader for RefCell<LongValues<'_>> {
    fn visit(
        &self,
        id: LongValueId,
        sink: &mut dyn FnMut(&[u8]) -> Result<()>,
    ) -> Option<Result<ValueState>> {
        Some(self.try_borrow_mut().ok()?.visit(id, sink))
    }
}

impl<'r> Row<'r> {
    /// The key of the row in the table's tree: its bookmark.
    pub fn bookmark(&self) -> Key<'r> {
        self.node.key
    }

    /// The node of the row.
    pub fn node(&self) -> &Node<'r> {
        &self.node
    }

    /// The page of the row, and the row's tag in it.
    pub fn place(&self) -> (Pgno, usize) {
        (self.page, self.tag)
    }

    /// Whether the row was deleted and awaits clean-up; such rows are included only on demand.
    pub fn is_deleted(&self) -> bool {
        self.node.flags.is_deleted()
    }

    /// The record.
    pub fn record(&self) -> &Record<'r> {
        &self.record
    }

    /// The first value of `column` in bytes; `None` if it is NULL.
    pub fn value(&self, column: &Column) -> Result<Option<Cow<'r, [u8]>>> {
        let stored = self.stored(column, 1)?;
        stored.map(|stored| Ok(self.decode(stored)?.0)).transpose()
    }

    /// All values of `column` in bytes.
    pub fn values(&self, column: &Column) -> Result<Vec<Cow<'r, [u8]>>> {
        let mut values = Vec::new();
        self.visit_column(column, |_, stored| {
            values.push(self.decode(stored)?.0);
            Ok(())
        })?;
        Ok(values)
    }

    /// The first value of `column` by its type.
    pub fn typed(&self, column: &Column) -> Result<Value<'r>> {
        match self.value(column)? {
            None => Ok(Value::Null),
            Some(bytes) => {
                let len = bytes.len();
                Value::new(column, bytes).ok_or_else(|| {
                    let expected = format!("a value of the type {:?}", column.kind);
                    self.fault("value", expected, format!("{len} bytes"))
                })
            }
        }
    }

    /// The stored form of the value `sequence` of `column`; `None` if it is NULL. The first value
    /// has the number 1.
    pub fn stored(&self, column: &Column, sequence: u32) -> Result<Option<Stored<'r>>> {
        let mut found = None;
        self.visit_column(column, |number, stored| {
            if number == sequence {
                found = Some(stored);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// The bytes of a stored value, and whether they are the value itself.
    pub fn decode(&self, stored: Stored<'r>) -> Result<(Cow<'r, [u8]>, ValueState)> {
        match stored {
            Stored::Plain(bytes) => Ok((Cow::Borrowed(bytes), ValueState::Decoded)),
            Stored::Encrypted(bytes) => Ok((Cow::Borrowed(bytes), ValueState::Encrypted)),
            Stored::Compressed(bytes) => {
                let mut value = Vec::new();
                Ok(match compression::decompress(bytes, &mut value) {
                    Ok(()) => (Cow::Owned(value), ValueState::Decoded),
                    Err(undecoded) => (Cow::Borrowed(bytes), ValueState::Undecoded(undecoded)),
                })
            }
            Stored::Separated(id) => {
                let mut value = Vec::new();
                let state = self.visit_long_value(id, |chunk| {
                    value.extend_from_slice(chunk);
                    Ok(())
                })?;
                Ok((Cow::Owned(value), state))
            }
        }
    }

    /// Calls `sink` with the pieces of the long value `id`.
    pub fn visit_long_value(
        &self,
        id: LongValueId,
        sink: impl FnMut(&[u8]) -> Result<()>,
    ) -> Result<ValueState> {
        let Some(long_values) = self.long_values else {
            let expected = format!("long value {id} of the table {}", self.table.name);
            return Err(self.fault("long value", expected, "a table without long values".into()));
        };
        let mut sink = sink;
        if let Some(read) = long_values.visit(id, &mut sink) {
            return read;
        }
        // During the read of another long value: use a separate reader.
        match self.table.long_values {
            Some(tree) => LongValues::new(self.pages, tree, self.table.chunk_len).visit(id, sink),
            None => Ok(ValueState::Decoded),
        }
    }

    /// Calls `visit` for every value of the row: column by column in the order of
    /// [`Table::columns`], the values of a column in the order of their sequence, without NULL,
    /// with defaults if the row has no value of its own.
    pub fn visit(&self, visit: impl FnMut(StoredValue<'r>) -> Result<()>) -> Result<()> {
        self.fields()
            .visit(|malformed| self.malformed(malformed), visit)
    }

    fn fields(&self) -> Fields<'r> {
        Fields::new(self.table, self.record)
    }

    /// Calls `visit` with the values of one column.
    fn visit_column(
        &self,
        column: &Column,
        mut visit: impl FnMut(u32, Stored<'r>) -> Result<()>,
    ) -> Result<()> {
        let visit = |value: StoredValue<'r>| visit(value.sequence, value.stored);
        self.fields()
            .visit_column(column.id, |malformed| self.malformed(malformed), visit)
    }

    #[cold]
    fn malformed(&self, malformed: Malformed) -> Error {
        self.fault("record", malformed.expected.into(), malformed.to_string())
    }

    #[cold]
    fn fault(&self, what: &'static str, expected: String, found: String) -> Error {
        self.pages
            .fault(Fault::new(self.page, what, expected, found).at_tag(self.tag))
    }
}
