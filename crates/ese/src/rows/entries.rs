//! Moving through the entries of a secondary index.

use crate::Result;
use crate::catalog::Index;
use crate::database::Database;
use crate::page::Key;
use crate::tree::TreeCursor;

/// The entries of a secondary index in the order of their keys.
pub struct Entries<'db> {
    cursor: TreeCursor<'db>,
    include_deleted: bool,
}

/// An entry of a secondary index.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'e> {
    /// The normalised key.
    pub key: Key<'e>,
    /// The key of the row in the table's tree.
    pub bookmark: &'e [u8],
    /// Whether the entry was deleted and waits for clean-up; such entries are met only on demand.
    pub is_deleted: bool,
}

impl Database {
    /// The entries of the secondary index `index`, from the first on. A primary index has no entries: its rows are the
    /// table's.
    pub fn entries(&self, index: &Index) -> Entries<'_> {
        Entries {
            cursor: TreeCursor::new(self, index.tree),
            include_deleted: false,
        }
    }
}

impl Entries<'_> {
    /// Also meet entries that the engine deleted but did not clean up yet.
    pub fn include_deleted(mut self) -> Self {
        self.include_deleted = true;
        self
    }

    /// Moves to the next entry: the first, on a new cursor. `None` at the end.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Option<Entry<'_>>> {
        while self.cursor.advance()? {
            if self.is_visible()? {
                return self.entry();
            }
        }
        Ok(None)
    }

    /// Moves to the entry before: the last, on a new cursor. `None` at the start.
    pub fn previous(&mut self) -> Result<Option<Entry<'_>>> {
        while self.cursor.retreat()? {
            if self.is_visible()? {
                return self.entry();
            }
        }
        Ok(None)
    }

    /// Moves to the first entry whose key is not less than `key`. `None` where there is none.
    ///
    /// With keys that begin with the wanted values, the entries of a range follow from here by [`Self::next`].
    pub fn seek(&mut self, key: &[u8]) -> Result<Option<Entry<'_>>> {
        self.cursor.seek(key, &[])?;
        while self.cursor.node()?.is_some() {
            if self.is_visible()? {
                return self.entry();
            }
            self.cursor.advance()?;
        }
        Ok(None)
    }

    /// The entry that the cursor stands on.
    pub fn entry(&self) -> Result<Option<Entry<'_>>> {
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
