//! The canonical dump: the contents of a database as JSON lines, equal for databases with equal
//! contents.
//!
//! Tables by name; for each table its columns by number, its indices by name, its rows in the order
//! of the primary index with all values in hexadecimal, the number of rows, and on demand the
//! entries of the secondary indices.
//!
//! One table can also be dumped as CSV, for people and spreadsheets.

mod csv;
mod json;
mod unread;

use std::io::{self, Write};

use crate::Error;
use crate::catalog::{Column, Index, Table, TableEntry};
use crate::database::Database;
use crate::rows::Stored;
use json::Line;
use unread::RowValues;
pub use unread::{MISSING, Notice, UNDECODED, Unread};

/// The options of a dump.
#[derive(Clone, Copy, Default)]
pub struct Dump<'w> {
    indexes: bool,
    withheld: Option<&'w Withheld<'w>>,
    notice: Option<&'w Notice<'w>>,
}

/// Whether to withhold the values of this column of the table with this name.
pub type Withheld<'w> = dyn Fn(&str, &Column) -> bool + 'w;

/// Written in place of a withheld value. It is not a hexadecimal number.
pub const WITHHELD: &str = "(withheld)";

/// The reason why a dump ended early.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// The database could not be read.
    #[error(transparent)]
    Read(#[from] Error),
    /// The dump could not be written.
    #[error("write the dump: {0}")]
    Write(#[from] io::Error),
}

/// The size of the buffer in bytes; longer values are written in pieces of this size.
const BUFFER: usize = 256 << 10;

impl<'w> Dump<'w> {
    /// A dump of tables, columns, index definitions and rows.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether to dump the entries of the secondary indices.
    pub fn with_indexes(mut self, indexes: bool) -> Self {
        self.indexes = indexes;
        self
    }

    /// Writes [`WITHHELD`] in place of every value, and of every key with a value, of the columns
    /// for which `withheld` is true.
    pub fn withholding(mut self, withheld: &'w Withheld<'w>) -> Self {
        self.withheld = Some(withheld);
        self
    }

    /// Continues after a long value that cannot be read: writes [`MISSING`] in its place, and calls
    /// `notice` for it. Also calls `notice` for values that cannot be decompressed.
    pub fn noting(mut self, notice: &'w Notice<'w>) -> Self {
        self.notice = Some(notice);
        self
    }

    /// The table's withheld columns, by position.
    fn withheld_columns(&self, table: &Table) -> Vec<bool> {
        let is_withheld =
            |column| (self.withheld).is_some_and(|withheld| withheld(&table.name, column));
        table.columns().iter().map(is_withheld).collect()
    }

    /// Writes the dump of all of `database` to `out`.
    ///
    /// ```
    /// # let folder = testkit::find("sample-forest/clean").unwrap().unpack();
    /// # let path = folder.path().join("ntds.dit");
    /// let database = ese::Database::open(&path)?;
    /// let mut lines = Vec::new();
    /// ese::dump::Dump::new().with_indexes(true).write(&database, &mut lines)?;
    /// assert!(lines.starts_with(br#"{"t":"systable","name":"MSysLocales"}"#));
    /// # Ok::<(), ese::dump::DumpError>(())
    /// ```
    pub fn write(&self, database: &Database, out: &mut dyn Write) -> Result<(), DumpError> {
        let mut line = Line::new(out);
        let tables = database.tables()?;
        let done = (tables.iter()).try_for_each(|entry| self.table(database, entry, &mut line));
        // Lines read before the damage are written too.
        line.finish()?;
        done
    }

    /// Writes the dump of one table.
    pub fn write_table(
        &self,
        database: &Database,
        entry: &TableEntry,
        out: &mut dyn Write,
    ) -> Result<(), DumpError> {
        let mut line = Line::new(out);
        let done = self.table(database, entry, &mut line);
        line.finish()?;
        done
    }

    fn table(
        &self,
        database: &Database,
        entry: &TableEntry,
        line: &mut Line<'_>,
    ) -> Result<(), DumpError> {
        if entry.flags.is_system() {
            line.start("systable")
                .text_field("name", &entry.name)
                .end()?;
            return Ok(());
        }
        let Some(table) = database.table(&entry.name)? else {
            return Ok(());
        };
        line.start("table")
            .text_field("name", &table.name)
            .number("flags", table.flags.0)
            .end()?;
        columns(&table, line)?;
        let withheld = self.withheld_columns(&table);
        let is_withheld = |index: &Index| {
            let mut positions =
                (index.key.iter()).filter_map(|part| table.position_of(part.column));
            positions.any(|(position, _)| withheld[position])
        };
        let bookmark_withheld = table.primary_index().is_some_and(is_withheld);
        for index in table.indexes() {
            index_definition(&table, index, line)?;
        }
        let mut count = 0u64;
        let mut rows = database.rows(&table);
        let mut decompressed = Vec::new();
        while let Some(row) = rows.next()? {
            line.start("row").text_field("table", &table.name);
            let bookmark = row.bookmark();
            key_field(
                line,
                "bm",
                &[bookmark.prefix, bookmark.suffix],
                bookmark_withheld,
            );
            let values = RowValues::new(&row, &table.name, count, self.notice);
            write_values(values, &withheld, &mut decompressed, line)?;
            count += 1;
        }
        line.start("rowcount")
            .text_field("table", &table.name)
            .number("n", count)
            .end()?;
        if self.indexes {
            for index in table
                .indexes()
                .iter()
                .filter(|index| !index.flags.is_primary())
            {
                let key_withheld = is_withheld(index);
                let mut entries = database.entries(index);
                while let Some(entry) = entries.next()? {
                    line.start("ix")
                        .text_field("table", &table.name)
                        .text_field("index", &index.name);
                    key_field(
                        line,
                        "key",
                        &[entry.key.prefix, entry.key.suffix],
                        key_withheld,
                    );
                    key_field(line, "bm", &[entry.bookmark], bookmark_withheld);
                    line.end()?;
                }
            }
        }
        Ok(())
    }
}

fn columns(table: &Table, line: &mut Line<'_>) -> Result<(), DumpError> {
    for column in table.columns() {
        line.start("column")
            .text_field("table", &table.name)
            .text_field("name", &column.name)
            .number("id", column.id.0)
            .number("coltyp", column.kind.number())
            .number("cp", column.code_page)
            .number("grbit", column.grbit())
            .number("cbmax", column.max_len)
            .hex_field("default", &[column.default.as_deref().unwrap_or_default()])
            .end()?;
    }
    Ok(())
}

fn index_definition(table: &Table, index: &Index, line: &mut Line<'_>) -> Result<(), DumpError> {
    const UNICODE: u32 = 0x800;
    const TUPLE_LIMITS: u32 = 0x2000;
    /// The engine's interface reports no lower limit of the key's length.
    const SHORTEST_KEY_MOST: u16 = 255;
    let name = |id| table.column_by_id(id).map_or("?", |column| &column.name);
    let is_derived = table.flags.is_derived();
    let tuples = index.tuples.filter(|_| !is_derived);
    let grbit = match (is_derived, tuples) {
        (true, _) => index.grbit(),
        (_, None) => index.grbit() | UNICODE,
        (_, Some(_)) => index.grbit() | UNICODE | TUPLE_LIMITS,
    };
    line.start("index")
        .text_field("table", &table.name)
        .text_field("name", &index.name)
        .number("grbit", grbit);
    line.array("key", &index.key, |line, part| {
        let direction = if part.descending { "-" } else { "+" };
        line.text(&[direction, name(part.column)]);
    });
    if is_derived {
        line.number("mapflags", index.map_flags)
            .number("derived", 1u32)
            .end()?;
        return Ok(());
    }
    line.text_field("locale", &index.locale)
        .number("mapflags", index.map_flags)
        .number(
            "varsegmac",
            if tuples.is_some() {
                0
            } else {
                index.segment_most
            },
        )
        .number("keymost", index.key_most.max(SHORTEST_KEY_MOST));
    line.array("cond", &index.conditions, |line, condition| {
        let grbit = if condition.must_be_null { ",1]" } else { ",2]" };
        line.raw("[").text(&[name(condition.column)]).raw(grbit);
    });
    match tuples {
        None => line.field("tuple").raw("null"),
        Some(limits) => {
            let limits = [
                limits.shortest,
                limits.longest,
                limits.indexed,
                limits.step,
                limits.first,
            ];
            line.array("tuple", &limits, |line, limit| {
                line.raw(&limit.to_string());
            })
        }
    };
    line.end()?;
    Ok(())
}

fn key_field(line: &mut Line<'_>, name: &str, pieces: &[&[u8]], withheld: bool) {
    match withheld {
        true => line.text_field(name, WITHHELD),
        false => line.hex_field(name, pieces),
    };
}

/// Writes the values of a row, to the end of its line.
fn write_values(
    mut values: RowValues<'_, '_>,
    withheld: &[bool],
    decompressed: &mut Vec<u8>,
    line: &mut Line<'_>,
) -> Result<(), DumpError> {
    line.field("c").raw("{");
    let mut first = true;
    let row = values.row;
    row.visit(|value| {
        if values.failed.is_some() {
            return Ok(());
        }
        if value.sequence > 1 {
            line.raw(",\"");
        } else {
            line.raw(match first {
                true => "",
                false => "],",
            });
            line.text(&[&value.column.name]).raw(":[\"");
        }
        first = false;
        if withheld[value.position] {
            line.raw(WITHHELD).raw("\"");
            return Ok(());
        }
        match value.stored {
            Stored::Plain(bytes) | Stored::Encrypted(bytes) => {
                line.hex(bytes);
            }
            Stored::Compressed(bytes) => {
                values.compressed(&value, bytes, decompressed, line, |line, bytes| {
                    line.hex(bytes);
                });
            }
            Stored::Separated(id) => values.long_value(&value, id, line, |line, chunk| {
                line.hex(chunk);
            })?,
        }
        line.raw("\"");
        Ok(())
    })?;
    if let Some(error) = values.failed {
        return Err(error);
    }
    line.raw(if first { "}" } else { "]}" }).end()?;
    Ok(())
}
