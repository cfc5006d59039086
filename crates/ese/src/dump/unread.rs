//! Values that a dump cannot write as they are: missing long values, and values that cannot be
//! decompressed.

use std::collections::HashMap;

use super::DumpError;
use super::json::Line;
use crate::long_value::{LongValueId, ValueState};
use crate::rows::{Row, Stored, StoredValue};
use crate::{Error, Result, compression};

/// Written in place of a long value that cannot be read. It is not a hexadecimal number.
pub const MISSING: &str = "(missing)";

/// Written after the stored bytes of a value that could not be decompressed.
pub const UNDECODED: &str = "(undecoded)";

/// A value that a dump could not write as it is.
#[derive(Debug)]
pub struct Unread<'a> {
    /// The table's name.
    pub table: &'a str,
    /// The number of the table's rows before its row in the dump.
    pub row: u64,
    /// The column's name.
    pub column: &'a str,
    /// The number of the value among the column's, from 1.
    pub sequence: u32,
    /// The reason why the value is [`MISSING`] or [`UNDECODED`].
    pub reason: String,
}

/// Called for values that cannot be written as they are. Without it the first missing value ends a
/// dump.
pub type Notice<'w> = dyn Fn(&Unread<'_>) + 'w;

/// The values of one row, to be written to its line.
///
/// A part of a line may be written only if the rest is certain to follow: so if a row fills the
/// buffer, all its long values are first read to their end.
pub(super) struct RowValues<'r, 'w> {
    pub(super) row: &'r Row<'r>,
    pub(super) table: &'r str,
    /// The number of rows before it.
    pub(super) number: u64,
    pub(super) notice: Option<&'w Notice<'w>>,
    /// The long values that cannot be read, once they are known.
    unreadable: Option<HashMap<LongValueId, Error>>,
    /// The error that ended the writing.
    pub(super) failed: Option<DumpError>,
}

impl<'r, 'w> RowValues<'r, 'w> {
    pub(super) fn new(
        row: &'r Row<'r>,
        table: &'r str,
        number: u64,
        notice: Option<&'w Notice<'w>>,
    ) -> Self {
        Self {
            row,
            table,
            number,
            notice,
            unreadable: None,
            failed: None,
        }
    }

    fn note(&self, value: &StoredValue<'_>, reason: String) {
        if let Some(notice) = self.notice {
            notice(&Unread {
                table: self.table,
                row: self.number,
                column: &value.column.name,
                sequence: value.sequence,
                reason,
            });
        }
    }

    /// Writes the pieces of a long value by `write`, or [`MISSING`] if it cannot be read.
    pub(super) fn long_value(
        &mut self,
        value: &StoredValue<'_>,
        id: LongValueId,
        line: &mut Line<'_>,
        mut write: impl FnMut(&mut Line<'_>, &[u8]),
    ) -> Result<()> {
        let mark = line.mark();
        let row = self.row;
        let read = row.visit_long_value(id, |chunk| {
            if self.failed.is_none() {
                write(line, chunk);
                self.flush(id, line)?;
            }
            Ok(())
        });
        match read {
            Ok(ValueState::Undecoded(reason)) => {
                line.raw(UNDECODED);
                self.note(value, format!("{reason}"));
            }
            Err(error @ Error::Damaged { .. }) if self.notice.is_some() => {
                line.rewind(mark);
                line.raw(MISSING);
                self.note(value, error.to_string());
            }
            read => drop(read?),
        }
        Ok(())
    }

    /// Writes a compressed value by `write`, or its stored bytes and [`UNDECODED`].
    pub(super) fn compressed(
        &mut self,
        value: &StoredValue<'_>,
        bytes: &[u8],
        decompressed: &mut Vec<u8>,
        line: &mut Line<'_>,
        write: impl FnOnce(&mut Line<'_>, &[u8]),
    ) {
        decompressed.clear();
        match compression::decompress(bytes, decompressed) {
            Ok(()) => write(line, decompressed),
            Err(reason) => {
                line.hex(bytes).raw(UNDECODED);
                self.note(value, format!("{reason}"));
            }
        }
    }

    /// Writes the buffered part of the row's line, if long enough, within the long value `id`.
    fn flush(&mut self, id: LongValueId, line: &mut Line<'_>) -> Result<()> {
        if !line.is_long() {
            return Ok(());
        }
        if self.unreadable.is_none() {
            self.unreadable = Some(self.find_unreadable()?);
        }
        if let Some(error) = self.unreadable.as_ref().and_then(|all| all.get(&id)) {
            return Err(error.again());
        }
        self.failed = line.flush().err().map(DumpError::from);
        Ok(())
    }

    /// The row's long values that cannot be read.
    fn find_unreadable(&self) -> Result<HashMap<LongValueId, Error>> {
        let mut unreadable = HashMap::new();
        self.row.visit(|value| {
            if let Stored::Separated(id) = value.stored {
                match self.row.visit_long_value(id, |_| Ok(())) {
                    Err(error @ Error::Damaged { .. }) if self.notice.is_some() => {
                        unreadable.insert(id, error);
                    }
                    read => drop(read?),
                }
            }
            Ok(())
        })?;
        Ok(unreadable)
    }
}
