//! A row and its values.

use std::borrow::Cow;
use std::cell::RefCell;

use super::Value;
use crate::catalog::{Column, Section, Table};
use crate::compression;
use crate::database::Database;
use crate::long_value::{LongValueId, LongValues, ValueState};
use crate::page::{Fault, Key, Node, Pgno};
use crate::record::{
    Malformed, Record, Slot, Tagged, TaggedField, TaggedFields, TaggedIter, ValueForm,
};
use crate::{Error, Result};

/// A row of a table, borrowed from the cursor that stands on it.
#[derive(Clone, Copy)]
pub struct Row<'r> {
    pub(super) database: &'r Database,
    pub(super) table: &'r Table,
    pub(super) long_values: Option<&'r (dyn LongValueReader + 'r)>,
    pub(super) page: Pgno,
    pub(super) tag: usize,
    pub(super) node: Node<'r>,
    pub(super) record: Record<'r>,
}

/// How a value is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored<'r> {
    /// As it is, in the record or as the column's default.
    Plain(&'r [u8]),
    /// Compressed, in the record.
    Compressed(&'r [u8]),
    /// Encrypted, in the record.
    Encrypted(&'r [u8]),
    /// As a long value of the table.
    Separated(LongValueId),
}

/// A value that a row holds.
#[derive(Debug, Clone, Copy)]
pub struct StoredValue<'r> {
    /// The column.
    pub column: &'r Column,
    /// The number of the value among those of the column, from 1.
    pub sequence: u32,
    /// The value.
    pub stored: Stored<'r>,
}

/// The reader of long values that the rows of a cursor share.
pub(super) trait LongValueReader {
    /// Calls `sink` with the value piece by piece; `None` where the reader is already in use.
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

    /// The node that holds the row.
    pub fn node(&self) -> &Node<'r> {
        &self.node
    }

    /// The page that holds the row, and the row's tag in it.
    pub fn place(&self) -> (Pgno, usize) {
        (self.page, self.tag)
    }

    /// Whether the row was deleted and waits for clean-up; such rows are met only on demand.
    pub fn is_deleted(&self) -> bool {
        self.node.flags.is_deleted()
    }

    /// The record.
    pub fn record(&self) -> &Record<'r> {
        &self.record
    }

    /// The first value of `column` in bytes; `None` where it is NULL.
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

    /// The value `sequence` of `column` as it is stored; `None` where it is NULL. The first value has the number 1.
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

    /// Calls `sink` with the long value `id` piece by piece.
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
        // A long value inside the reading of another: a reader of its own serves it.
        match self.table.long_values {
            Some(tree) => {
                LongValues::new(self.database, tree, self.table.chunk_len).visit(id, sink)
            }
            None => Ok(ValueState::Decoded),
        }
    }

    /// Calls `visit` with every value of the row: column by column in the order of [`Table::columns`], values of a
    /// column in the order of their sequence, NULL left out, defaults where the row has no value of its own.
    pub fn visit(&self, mut visit: impl FnMut(StoredValue<'r>) -> Result<()>) -> Result<()> {
        let tagged = self
            .record
            .tagged()
            .map_err(|malformed| self.malformed(malformed))?;
        for section in self.table.sections() {
            for position in &section.fixed {
                self.visit_fixed(*position, &mut visit)?;
            }
            for position in &section.variable {
                self.visit_variable(*position, &mut visit)?;
            }
            self.visit_tagged(section, tagged, &mut visit)?;
        }
        Ok(())
    }

    #[inline]
    fn visit_fixed(
        &self,
        position: usize,
        visit: &mut impl FnMut(StoredValue<'r>) -> Result<()>,
    ) -> Result<()> {
        let Some(column) = self.table.columns().get(position) else {
            return Ok(());
        };
        let slot = self
            .record
            .fixed(column.id.fid(), column.record_offset, column.fixed_len());
        self.visit_slot(column, slot, visit)
    }

    #[inline]
    fn visit_variable(
        &self,
        position: usize,
        visit: &mut impl FnMut(StoredValue<'r>) -> Result<()>,
    ) -> Result<()> {
        let Some(column) = self.table.columns().get(position) else {
            return Ok(());
        };
        self.visit_slot(column, self.record.variable(column.id.fid()), visit)
    }

    #[inline]
    fn visit_slot(
        &self,
        column: &'r Column,
        slot: std::result::Result<Slot<'r>, Malformed>,
        visit: &mut impl FnMut(StoredValue<'r>) -> Result<()>,
    ) -> Result<()> {
        let value = match slot.map_err(|malformed| self.malformed(malformed))? {
            Slot::Value(value) => value,
            Slot::Null => return Ok(()),
            Slot::Missing => match &column.default {
                Some(default) => default,
                None => return Ok(()),
            },
        };
        visit(StoredValue {
            column,
            sequence: 1,
            stored: Stored::Plain(value),
        })
    }

    /// The tagged columns of a section: those that the record holds, and between them the defaults of the others.
    fn visit_tagged(
        &self,
        section: &'r Section,
        tagged: TaggedFields<'r>,
        visit: &mut impl FnMut(StoredValue<'r>) -> Result<()>,
    ) -> Result<()> {
        let columns = self.table.columns();
        let mut defaults = section
            .tagged_defaults
            .iter()
            .map(|position| &columns[*position])
            .peekable();
        let fields: TaggedIter<'r> = tagged.iter();
        for field in fields {
            let field: TaggedField<'r> = field.map_err(|malformed| self.malformed(malformed))?;
            if field.derived != section.derived {
                continue;
            }
            while let Some(column) = defaults.next_if(|column| column.id.fid() <= field.fid) {
                if column.id.fid() < field.fid {
                    self.visit_slot(column, Ok(Slot::Missing), visit)?;
                }
            }
            let column = section
                .tagged(field.fid)
                .and_then(|position| columns.get(position));
            if let Some(column) = column {
                self.visit_field(column, &field, visit)?;
            }
        }
        for column in defaults {
            self.visit_slot(column, Ok(Slot::Missing), visit)?;
        }
        Ok(())
    }

    #[inline]
    fn visit_field(
        &self,
        column: &'r Column,
        field: &TaggedField<'r>,
        visit: &mut impl FnMut(StoredValue<'r>) -> Result<()>,
    ) -> Result<()> {
        let Tagged::Values(values) = field.content else {
            return Ok(());
        };
        for (sequence, value) in (1..).zip(values) {
            let (form, bytes) = value.map_err(|malformed| self.malformed(malformed))?;
            visit(StoredValue {
                column,
                sequence,
                stored: self.stored_as(form, bytes)?,
            })?;
        }
        Ok(())
    }

    #[inline]
    fn stored_as(&self, form: ValueForm, bytes: &'r [u8]) -> Result<Stored<'r>> {
        Ok(match form {
            ValueForm::Plain => Stored::Plain(bytes),
            ValueForm::Compressed => Stored::Compressed(bytes),
            ValueForm::Encrypted => Stored::Encrypted(bytes),
            ValueForm::Separated => match LongValueId::read(bytes) {
                Some(id) => Stored::Separated(id),
                None => {
                    let expected = "an id of four or eight bytes".into();
                    return Err(self.fault(
                        "reference to a long value",
                        expected,
                        format!("{bytes:02x?}"),
                    ));
                }
            },
        })
    }

    /// Calls `visit` with the values of one column.
    fn visit_column(
        &self,
        column: &Column,
        mut visit: impl FnMut(u32, Stored<'r>) -> Result<()>,
    ) -> Result<()> {
        // The column may belong to another copy of the table: its own number is what counts here.
        let Some(column) = self.table.column_by_id(column.id) else {
            return Ok(());
        };
        let fid = column.id.fid();
        let mut visit = |value: StoredValue<'r>| visit(value.sequence, value.stored);
        if column.id.is_fixed() {
            let slot = self
                .record
                .fixed(fid, column.record_offset, column.fixed_len());
            return self.visit_slot(column, slot, &mut visit);
        }
        if column.id.is_variable() {
            return self.visit_slot(column, self.record.variable(fid), &mut visit);
        }
        let derived = self.table.is_marked_derived(column);
        let found = self
            .record
            .tagged()
            .and_then(|tagged| tagged.find(fid, derived));
        match found.map_err(|malformed| self.malformed(malformed))? {
            Some(field) => self.visit_field(column, &field, &mut visit),
            None => self.visit_slot(column, Ok(Slot::Missing), &mut visit),
        }
    }

    #[cold]
    fn malformed(&self, malformed: Malformed) -> Error {
        self.fault("record", malformed.expected.into(), malformed.to_string())
    }

    #[cold]
    fn fault(&self, what: &'static str, expected: String, found: String) -> Error {
        self.database
            .fault(Fault::new(self.page, what, expected, found).at_tag(self.tag))
    }
}
