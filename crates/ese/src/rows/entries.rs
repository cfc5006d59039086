//! A cursor over the entries of a secondary index.

use super::KeyRange;
use crate::Result;
use crate::catalog::Index;
use crate::database::Database;
use crate::page::Key;
use crate::tree::TreeCursor;

/// The entries of a secondary index in key order.
pub struct Entries<'db> {
    cursor: TreeCursor<'db>,
    include_deleted: bool,
    range: KeyRange,
}

/// An entry of a secondary index.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'e> {
    /// The normalised key.
    pub key: Key<'e>,
    /// The key of the row in the table's tree.
    pub bookmark: &'e [u8],
    /// Whether the entry was deleted and awaits clean-up; such entries are included only on demand.
    pub is_deleted: bool,
}

impl Database {
    /// The entries of the secondary index `index`, from the first on. A primary index has no
    /// entries: its rows are the table's.
    pub fn entries(&self, index: &Index) -> Entries<'_> {
        Entries {
            cursor: self.nodes(index.tree),
            include_deleted: false,
            range: KeyRange::all(),
        }
    }
}

impl Entries<'_> {
    /// Includes entries that the engine deleted but has not cleaned up yet.
    pub fn include_deleted(mut self) -> Self {
        self.include_deleted = true;
        self
    }

    /// Limits the cursor to the entries whose keys are in `range`.
    pub fn within(mut self, range: KeyRange) -> Self {
        self.range = range;
        self.cursor.reset();
        self
    }

    /// Moves to the next entry: the first, on a new cursor. `None` at the end.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Entry<'_>>> {
        while self.range.advance(&mut self.cursor)? {
            if self.is_visible()? {
                return self.here();
            }
        }
        Ok(None)
    }

    /// Moves to the previous entry: the last, on a new cursor. `None` at the start.
    pub fn previous(&mut self) -> Result<Option<Entry<'_>>> {
        while self.range.retreat(&mut self.cursor)? {
            if self.is_visible()? {
                return self.here();
            }
        }
        Ok(None)
    }

    /// Moves to the first entry whose key is not less than `key`. `None` if there is none.
    pub fn seek(&mut self, key: &[u8]) -> Result<Option<Entry<'_>>> {
        let mut found = self.range.seek(&mut self.cursor, key)?;
        while found && !self.is_visible()? {
            found = self.range.advance(&mut self.cursor)?;
        }
        if found { self.here() } else { Ok(None) }
    }

    /// The entry at the cursor.
    pub fn entry(&self) -> Result<Option<Entry<'_>>> {
        if self.range.holds_cursor(&self.cursor)? {
            self.here()
        } else {
            Ok(None)
        }
    }

    fn here(&self) -> Result<Option<Entry<'_>>> {
        Ok(self.cursor.node()?.map(|node| Entry {
            key: node.key,
            bookmark: node.data,
            is_deleted: node.flags.is_deleted(),
        }))
    }

    fn is_visible(&self) -> Result<bool> {
        let node = self.cursor.node()?;
        Ok(node.is_some_and(|node| self.include_deleted || !node.flags.is_deleted()))
    }
}
