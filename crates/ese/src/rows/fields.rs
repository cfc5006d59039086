//! The values of a record, by the columns of its table.

use crate::catalog::{Column, ColumnId, Section, Table};
use crate::long_value::LongValueId;
use crate::record::{Malformed, Record, Slot, Tagged, TaggedField, TaggedFields, ValueForm};

/// The stored form of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored<'r> {
    /// Plain, in the record or as the column's default.
    Plain(&'r [u8]),
    /// Compressed, in the record.
    Compressed(&'r [u8]),
    /// Encrypted, in the record.
    Encrypted(&'r [u8]),
    /// As a long value of the table.
    Separated(LongValueId),
}

/// A value of a row.
#[derive(Debug, Clone, Copy)]
pub struct StoredValue<'r> {
    /// The column.
    pub column: &'r Column,
    /// The position of the column in [`Table::columns`].
    pub position: usize,
    /// The number of the value among those of the column, from 1.
    pub sequence: u32,
    /// The value.
    pub stored: Stored<'r>,
}

/// A record together with its table.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'r> {
    table: &'r Table,
    record: Record<'r>,
}

impl<'r> Fields<'r> {
    pub fn new(table: &'r Table, record: Record<'r>) -> Self {
        Self { table, record }
    }

    /// Calls `visit` with every value that is not NULL, in the order of the columns; `error`
    /// converts contradictions of the format.
    pub fn visit<E>(
        &self,
        error: impl Fn(Malformed) -> E + Copy,
        mut visit: impl FnMut(StoredValue<'r>) -> Result<(), E>,
    ) -> Result<(), E> {
        let tagged = self.record.tagged().map_err(error)?;
        for section in self.table.sections() {
            for position in &section.fixed {
                if let Some(column) = self.table.columns().get(*position) {
                    let slot = self.record.fixed(
                        column.id.fid(),
                        column.record_offset,
                        column.fixed_len(),
                    );
                    visit_slot(column, *position, slot.map_err(error)?, &mut visit)?;
                }
            }
            for position in &section.variable {
                if let Some(column) = self.table.columns().get(*position) {
                    let slot = self.record.variable(column.id.fid());
                    visit_slot(column, *position, slot.map_err(error)?, &mut visit)?;
                }
            }
            self.visit_tagged(section, tagged, error, &mut visit)?;
        }
        Ok(())
    }

    /// The tagged columns of a section: those in the record, and between them the defaults of the
    /// others.
    fn visit_tagged<E>(
        &self,
        section: &'r Section,
        tagged: TaggedFields<'r>,
        error: impl Fn(Malformed) -> E + Copy,
        visit: &mut impl FnMut(StoredValue<'r>) -> Result<(), E>,
    ) -> Result<(), E> {
        let columns = self.table.columns();
        let mut defaults = (section.tagged_defaults.iter())
            .filter_map(|position| Some((*position, columns.get(*position)?)))
            .peekable();
        for field in tagged.iter() {
            let field = field.map_err(error)?;
            if field.derived != section.derived {
                continue;
            }
            while let Some((position, column)) =
                defaults.next_if(|(_, column)| column.id.fid() <= field.fid)
            {
                if column.id.fid() < field.fid {
                    visit_slot(column, position, Slot::Missing, visit)?;
                }
            }
            let position = section.tagged(field.fid);
            if let Some((position, column)) =
                position.and_then(|position| Some((position, columns.get(position)?)))
            {
                visit_field(column, position, &field, error, visit)?;
            }
        }
        for (position, column) in defaults {
            visit_slot(column, position, Slot::Missing, visit)?;
        }
        Ok(())
    }

    /// Calls `visit` with the values of one column.
    pub fn visit_column<E>(
        &self,
        id: ColumnId,
        error: impl Fn(Malformed) -> E + Copy,
        mut visit: impl FnMut(StoredValue<'r>) -> Result<(), E>,
    ) -> Result<(), E> {
        // The column may be of another copy of the table: only its number counts.
        let Some((position, column)) = self.table.position_of(id) else {
            return Ok(());
        };
        let fid = column.id.fid();
        let slot = if column.id.is_fixed() {
            self.record
                .fixed(fid, column.record_offset, column.fixed_len())
        } else if column.id.is_variable() {
            self.record.variable(fid)
        } else {
            let derived = self.table.is_marked_derived(column);
            let found = self
                .record
                .tagged()
                .and_then(|tagged| tagged.find(fid, derived));
            match found.map_err(error)? {
                Some(field) => return visit_field(column, position, &field, error, &mut visit),
                None => Ok(Slot::Missing),
            }
        };
        visit_slot(column, position, slot.map_err(error)?, &mut visit)
    }
}

#[inline]
fn visit_slot<'r, E>(
    column: &'r Column,
    position: usize,
    slot: Slot<'r>,
    visit: &mut impl FnMut(StoredValue<'r>) -> Result<(), E>,
) -> Result<(), E> {
    let value = match slot {
        Slot::Value(value) => value,
        Slot::Null => return Ok(()),
        Slot::Missing => match &column.default {
            Some(default) => default,
            None => return Ok(()),
        },
    };
    visit(StoredValue {
        column,
        position,
        sequence: 1,
        stored: Stored::Plain(value),
    })
}

#[inline]
fn visit_field<'r, E>(
    column: &'r Column,
    position: usize,
    field: &TaggedField<'r>,
    error: impl Fn(Malformed) -> E,
    visit: &mut impl FnMut(StoredValue<'r>) -> Result<(), E>,
) -> Result<(), E> {
    let Tagged::Values(values) = field.content else {
        return Ok(());
    };
    for (sequence, value) in (1..).zip(values) {
        let (form, bytes) = value.map_err(&error)?;
        let stored = match form {
            ValueForm::Plain => Stored::Plain(bytes),
            ValueForm::Compressed => Stored::Compressed(bytes),
            ValueForm::Encrypted => Stored::Encrypted(bytes),
            ValueForm::Separated => match LongValueId::read(bytes) {
                Some(id) => Stored::Separated(id),
                None => {
                    return Err(error(Malformed {
                        what: "reference to a long value",
                        expected: "an id of four or eight bytes",
                        column: Some(column.id.fid()),
                    }));
                }
            },
        };
        visit(StoredValue {
            column,
            position,
            sequence,
            stored,
        })?;
    }
    Ok(())
}
