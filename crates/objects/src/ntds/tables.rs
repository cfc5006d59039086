//! The tables of a directory, and the keys of their rows.

use std::sync::Arc;

use ese::Database;
use ese::catalog::{Column, Index, Table};
use ese::rows::{KeyRange, Row};
use ntds::attribute::{Attribute, AttributeColumns};
use ntds::{Directory, Dnt, as_number, key_of};

use crate::{Error, Result};

/// The root of all names.
pub const ROOT: Dnt = 2;

/// The tables of a directory.
pub struct Tables {
    pub database: Database,
    pub data: Arc<Table>,
    pub links: Arc<Table>,
    /// None before Windows Server 2003, when rows held the descriptors themselves.
    pub descriptors: Option<Arc<Table>>,
    pub attributes: AttributeColumns,
    /// The server's NTDS Settings.
    pub server: Dnt,
    /// The head of the schema.
    pub schema: Dnt,
}

impl Tables {
    pub fn over(database: Database) -> Result<Self> {
        // This reports a file that is no clean directory.
        let directory = Directory::of(&database)?;
        let (server, schema) = (directory.server_object()?, directory.schema()?);
        let table = |name: &str| -> Result<Arc<Table>> {
            let table = database.table(name)?;
            table.ok_or_else(|| inconsistent(&database, "tables", name, "none"))
        };
        let data = table("datatable")?;
        Ok(Self {
            attributes: AttributeColumns::of(&data),
            links: table("link_table")?,
            descriptors: database.table("sd_table")?,
            data,
            server,
            schema,
            database,
        })
    }

    /// The column of an attribute.
    pub fn column(&self, attribute: Attribute) -> Option<&Column> {
        self.attributes.find(&self.data, attribute)
    }

    /// The first value of a row's column, as a number.
    pub fn number(&self, row: &Row<'_>, column: Option<&Column>) -> Result<Option<i64>> {
        match column {
            Some(column) => Ok(as_number(&row.typed(column)?)),
            None => Ok(None),
        }
    }

    /// The first value of a row's column, as a DNT.
    pub fn dnt(&self, row: &Row<'_>, column: Option<&Column>) -> Result<Option<Dnt>> {
        let number = self.number(row, column)?;
        Ok(number.and_then(|number| Dnt::try_from(number).ok()))
    }

    /// The index of the children of each object.
    pub fn children(&self) -> Result<&Index> {
        let index = self.data.index("PDNT_index");
        index.ok_or_else(|| self.inconsistent("datatable", "the index PDNT_index", "none"))
    }

    #[cold]
    pub fn inconsistent(&self, object: &str, expected: &str, found: &str) -> Error {
        inconsistent(&self.database, object, expected, found)
    }
}

#[cold]
fn inconsistent(database: &Database, object: &str, expected: &str, found: &str) -> Error {
    Error::Inconsistent {
        file: database.file().to_path_buf(),
        object: object.into(),
        expected: expected.into(),
        found: found.into(),
    }
}

/// A signed little-endian number of up to eight bytes. `None` for other values.
pub fn whole_number(bytes: &[u8]) -> Option<i64> {
    Some(match *bytes {
        [a] => a.into(),
        [a, b] => i16::from_le_bytes([a, b]).into(),
        [a, b, c, d] => i32::from_le_bytes([a, b, c, d]).into(),
        [a, b, c, d, e, f, g, h] => i64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => return None,
    })
}

/// The keys that begin with a DNT.
pub fn range_of(dnt: Dnt) -> KeyRange {
    KeyRange::beginning_with(&key_of(dnt))
}

/// The position of a column in its table.
pub fn position(table: &Table, name: &str) -> Option<usize> {
    table
        .columns()
        .iter()
        .position(|column| column.name == name)
}
