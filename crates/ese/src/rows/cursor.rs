//! A cursor over the rows of a table.

use std::cell::RefCell;
use std::sync::Arc;

use super::{KeyRange, Row};
use crate::Result;
use crate::catalog::Table;
use crate::database::Database;
use crate::long_value::LongValues;
use crate::page::Fault;
use crate::record::Record;
use crate::tree::TreeCursor;

/// The rows of a table in the order of its primary index, or of their insertion if it has none.
pub struct Rows<'db> {
    cursor: TreeCursor<'db>,
    table: Arc<Table>,
    long_values: Option<RefCell<LongValues<'db>>>,
    include_deleted: bool,
    range: KeyRange,
}

impl Database {
    /// The rows of `table`, from the first on.
    pub fn rows(&self, table: &Arc<Table>) -> Rows<'_> {
        Rows {
            cursor: self.nodes(table.tree),
            long_values: (table.long_values)
                .map(|tree| RefCell::new(LongValues::new(self.pages(), tree, table.chunk_len))),
            table: Arc::clone(table),
            include_deleted: false,
            range: KeyRange::all(),
        }
    }
}

impl<'db> Rows<'db> {
    /// Includes rows that the engine deleted but has not cleaned up yet.
    pub fn include_deleted(mut self) -> Self {
        self.include_deleted = true;
        self
    }

    /// Limits the cursor to the rows whose keys are in `range`.
    pub fn within(mut self, range: KeyRange) -> Self {
        self.range = range;
        self.cursor.reset();
        self
    }

    /// The table.
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    /// Moves to the next row: the first, on a new cursor. `None` at the end.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Row<'_>>> {
        while self.range.advance(&mut self.cursor)? {
            if self.is_visible()? {
                return self.here();
            }
        }
        Ok(None)
    }

    /// Moves to the previous row: the last, on a new cursor. `None` at the start.
    pub fn previous(&mut self) -> Result<Option<Row<'_>>> {
        while self.range.retreat(&mut self.cursor)? {
            if self.is_visible()? {
                return self.here();
            }
        }
        Ok(None)
    }

    /// Moves to the first row whose key is not less than `key`. `None` if there is none.
    pub fn seek(&mut self, key: &[u8]) -> Result<Option<Row<'_>>> {
        let mut found = self.range.seek(&mut self.cursor, key)?;
        while found && !self.is_visible()? {
            found = self.range.advance(&mut self.cursor)?;
        }
        if found { self.here() } else { Ok(None) }
    }

    /// Moves to the row with exactly the key `bookmark`. `None` if there is none.
    pub fn find(&mut self, bookmark: &[u8]) -> Result<Option<Row<'_>>> {
        if self.cursor.seek(bookmark, &[])? && self.is_visible()? {
            return self.row();
        }
        Ok(None)
    }

    /// The row at the cursor.
    pub fn row(&self) -> Result<Option<Row<'_>>> {
        if self.range.holds_cursor(&self.cursor)? {
            self.here()
        } else {
            Ok(None)
        }
    }

    fn here(&self) -> Result<Option<Row<'_>>> {
        let (Some(page), Some(node)) = (self.cursor.page(), self.cursor.node()?) else {
            return Ok(None);
        };
        let tag =
            self.cursor.index().unwrap_or_default() + usize::from(page.header().reserved_tags);
        let record = Record::new(node.data, page.size(), page.flags().has_new_record_format())
            .map_err(|malformed| {
                let fault = Fault::new(
                    page.number(),
                    "record",
                    malformed.expected,
                    malformed.to_string(),
                );
                self.cursor.pages().fault(fault.at_tag(tag))
            })?;
        Ok(Some(Row {
            pages: self.cursor.pages(),
            table: &self.table,
            long_values: self.long_values.as_ref().map(|reader| reader as _),
            page: page.number(),
            tag,
            node,
            record,
        }))
    }

    fn is_visible(&self) -> Result<bool> {
        let node = self.cursor.node()?;
        Ok(node.is_some_and(|node| self.include_deleted || !node.flags.is_deleted()))
    }
}
