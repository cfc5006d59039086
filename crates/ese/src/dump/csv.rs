//! A table as CSV: a line with the names of the columns, then one line per row.

use std::io::Write;

use jiff::SignedDuration;
use jiff::civil::Date;

use super::json::Line;
use super::unread::RowValues;
use super::{Dump, DumpError, WITHHELD};
use crate::catalog::{Column, TableEntry, decode_1252};
use crate::database::Database;
use crate::rows::{Stored, Value};

impl Dump<'_> {
    /// Writes the rows of one table as CSV (RFC 4180, UTF-8, lines that end with a line feed).
    ///
    /// Numbers are decimal, binary values hexadecimal, GUIDs in their usual form, times in the form
    /// `2026-11-26 14:05:59.25`; a text field is in one pair of quotation marks. NULL is an empty
    /// field. In columns that may hold several values these are separated by `;`, and `;` and `\`
    /// inside texts are escaped by `\`.
    pub fn write_csv(
        &self,
        database: &Database,
        entry: &TableEntry,
        out: &mut dyn Write,
    ) -> Result<(), DumpError> {
        let Some(table) = database.table(&entry.name)? else {
            return Ok(());
        };
        let mut line = Line::new(out);
        line.begin();
        let order = table.visit_order();
        for (field, position) in order.iter().enumerate() {
            line.raw(if field > 0 { "," } else { "" });
            if let Some(column) = table.columns().get(*position) {
                quoted(&mut line, |line| escape(line, &column.name, false));
            }
        }
        line.end_line()?;
        let withheld = self.withheld_columns(&table);
        let mut decompressed = Vec::new();
        let mut rows = database.rows(&table);
        let mut count = 0;
        let done = loop {
            match rows.next() {
                Ok(Some(row)) => {
                    let values = RowValues::new(&row, &table.name, count, self.notice);
                    let written =
                        write_row(values, &order, &withheld, &mut decompressed, &mut line);
                    if let Err(error) = written {
                        break Err(error);
                    }
                    count += 1;
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error.into()),
            }
        };
        // Lines read before the damage are written too.
        line.finish()?;
        done
    }
}

fn write_row(
    mut values: RowValues<'_, '_>,
    order: &[usize],
    withheld: &[bool],
    decompressed: &mut Vec<u8>,
    line: &mut Line<'_>,
) -> Result<(), DumpError> {
    line.begin();
    let mut field = 0;
    let row = values.row;
    // The end of the current field: a text field has one pair of quotation marks, for any number of
    // values.
    let mut end = "";
    row.visit(|value| {
        while order
            .get(field)
            .is_some_and(|place| *place != value.position)
        {
            line.raw(std::mem::take(&mut end)).raw(",");
            field += 1;
        }
        let column = value.column;
        let several = column.flags.is_multi_valued();
        let is_withheld = withheld[value.position];
        if value.sequence > 1 {
            line.raw(";");
        } else if column.kind.is_text() && !is_withheld {
            line.raw("\"");
            end = "\"";
        }
        if is_withheld {
            line.raw(WITHHELD);
            return Ok(());
        }
        match value.stored {
            Stored::Encrypted(bytes) => {
                line.hex(bytes);
            }
            Stored::Plain(bytes) => whole(line, column, several, bytes),
            Stored::Compressed(bytes) => {
                values.compressed(&value, bytes, decompressed, line, |line, bytes| {
                    whole(line, column, several, bytes);
                });
            }
            Stored::Separated(id) => {
                let mut text = column.kind.is_text().then(|| TextPieces::of(column));
                values.long_value(&value, id, line, |line, chunk| match &mut text {
                    Some(text) => escape(line, &text.next(chunk), several),
                    None => {
                        line.hex(chunk);
                    }
                })?;
                if let Some(text) = text {
                    line.raw(text.end());
                }
            }
        }
        Ok(())
    })?;
    if let Some(error) = values.failed {
        return Err(error);
    }
    line.raw(end);
    while field + 1 < order.len() {
        line.raw(",");
        field += 1;
    }
    line.end_line()?;
    Ok(())
}

/// Writes a value in memory.
fn whole(line: &mut Line<'_>, column: &Column, several: bool, bytes: &[u8]) {
    let Some(value) = Value::new(column, bytes.into()) else {
        line.hex(bytes);
        return;
    };
    match value {
        Value::Null => {}
        Value::Bit(bit) => {
            line.raw(if bit { "1" } else { "0" });
        }
        Value::UnsignedByte(number) => decimal(line, number),
        Value::Short(number) => decimal(line, number),
        Value::Long(number) => decimal(line, number),
        Value::Currency(number) | Value::LongLong(number) => decimal(line, number),
        Value::IeeeSingle(number) => decimal(line, number),
        Value::IeeeDouble(number) => decimal(line, number),
        Value::DateTime(number) => {
            line.raw(&date_time(number));
        }
        Value::UnsignedLong(number) => decimal(line, number),
        Value::UnsignedShort(number) => decimal(line, number),
        Value::UnsignedLongLong(number) => decimal(line, number),
        Value::Binary(bytes) => {
            line.hex(&bytes);
        }
        Value::Guid(bytes) => {
            line.raw(&guid(&bytes));
        }
        Value::Text(text) => escape(line, &text, several),
    }
}

/// A time: the days since 1899-12-30, as in the engine; or the 100 ns since 1601, which some
/// applications keep in such columns, and whose bits are not a number of days in any calendar.
/// Other numbers stay unchanged.
fn date_time(stored: f64) -> String {
    /// 9999-12-31.
    const LAST_DAY: f64 = 2_958_465.0;
    const SECONDS_OF_DAY: i64 = 86_400;
    const TICKS: i64 = 10_000_000;
    /// Days have a precision of a millisecond.
    const MILLISECONDS_OF_DAY: f64 = 86_400_000.0;
    let at = |epoch: Date, seconds: i64, nanoseconds: i64| {
        let span = SignedDuration::new(seconds, nanoseconds as i32);
        epoch.at(0, 0, 0, 0).checked_add(span).ok()
    };
    let bits = stored.to_bits() as i64;
    let is_days = stored == 0.0 || stored.abs() >= 1.0 / MILLISECONDS_OF_DAY;
    let time = if is_days && stored.abs() <= LAST_DAY {
        // The fraction of a day counts forward, also before the first day.
        let milliseconds = (stored.fract().abs() * MILLISECONDS_OF_DAY).round() as i64;
        let seconds = stored.trunc() as i64 * SECONDS_OF_DAY + milliseconds / 1000;
        let first = jiff::civil::date(1899, 12, 30);
        at(first, seconds, milliseconds % 1000 * 1_000_000)
    } else if !is_days && bits > 0 {
        let first = jiff::civil::date(1601, 1, 1);
        at(first, bits / TICKS, bits % TICKS * 100)
    } else {
        None
    };
    match time {
        Some(time) => time.to_string().replace('T', " "),
        None => stored.to_string(),
    }
}

fn decimal(line: &mut Line<'_>, number: impl std::fmt::Display) {
    line.raw(&number.to_string());
}

/// `00112233-4455-6677-8899-aabbccddeeff`: the first three fields are stored little-endian.
fn guid(bytes: &[u8; 16]) -> String {
    let [a, b, c, d, e, f, g, h, rest @ ..] = bytes;
    let hex = |bytes: &[u8]| {
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    let (clock, node) = rest.split_at(2);
    format!(
        "{}-{}-{}-{}-{}",
        hex(&[*d, *c, *b, *a]),
        hex(&[*f, *e]),
        hex(&[*h, *g]),
        hex(clock),
        hex(node)
    )
}

fn quoted(line: &mut Line<'_>, write: impl FnOnce(&mut Line<'_>)) {
    line.raw("\"");
    write(line);
    line.raw("\"");
}

/// Writes text inside quotation marks; escapes `;` and `\` in a column of several values.
fn escape(line: &mut Line<'_>, text: &str, several: bool) {
    let mut rest = text;
    let is_special = |character| character == '"' || several && matches!(character, ';' | '\\');
    while let Some(at) = rest.find(is_special) {
        let (before, special) = rest.split_at(at);
        let mark = if special.starts_with('"') { "\"" } else { "\\" };
        line.raw(before).raw(mark).raw(&special[..1]);
        rest = &special[1..];
    }
    line.raw(rest);
}

/// Text in pieces, which may end within a character.
struct TextPieces {
    is_utf_16: bool,
    carried: Vec<u8>,
}

impl TextPieces {
    fn of(column: &Column) -> Self {
        Self {
            is_utf_16: column.code_page == 1200,
            carried: Vec::new(),
        }
    }

    /// The text up to the last complete character.
    fn next(&mut self, piece: &[u8]) -> String {
        if !self.is_utf_16 {
            return decode_1252(piece);
        }
        self.carried.extend_from_slice(piece);
        let mut units: Vec<u16> = (self.carried.as_chunks().0.iter())
            .map(|unit| u16::from_le_bytes(*unit))
            .collect();
        if matches!(units.last(), Some(0xd800..=0xdbff)) {
            units.pop();
        }
        self.carried.drain(..units.len() * 2);
        String::from_utf16_lossy(&units)
    }

    /// The replacement for an incomplete character at the end.
    fn end(&self) -> &'static str {
        if self.carried.is_empty() {
            ""
        } else {
            "\u{fffd}"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_in_pieces_of_any_size_is_the_text() {
        let text = "a\u{e9}\u{1f600}z\u{20ac}";
        let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for size in 1..=bytes.len() {
            let mut pieces = TextPieces {
                is_utf_16: true,
                carried: Vec::new(),
            };
            let read: String = bytes.chunks(size).map(|piece| pieces.next(piece)).collect();
            assert_eq!(read + pieces.end(), text, "pieces of {size} bytes");
        }
    }

    #[test]
    fn dates_are_readable() {
        for (stored, expected) in [
            (44_927.5, "2023-01-01 12:00:00"),
            (0.0, "1899-12-30 00:00:00"),
            (1.25, "1899-12-31 06:00:00"),
            (-1.25, "1899-12-29 06:00:00"),
            (
                f64::from_bits(133_170_048_001_234_567),
                "2023-01-01 00:00:00.1234567",
            ),
            (1e300, "1e300"),
            (f64::NAN, "NaN"),
        ] {
            let found = date_time(stored);
            let is_same = found == expected || found == stored.to_string() && stored.abs() > 1e10;
            assert!(
                is_same || stored.is_nan() && found == "NaN",
                "{stored}: {found}"
            );
        }
    }

    #[test]
    fn guids_have_their_usual_form() {
        let bytes = std::array::from_fn(|index| index as u8);
        assert_eq!(guid(&bytes), "03020100-0504-0706-0809-0a0b0c0d0e0f");
    }
}
