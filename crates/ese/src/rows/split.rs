//! Divides a table among threads.

use std::ops::Bound;
use std::sync::Arc;

use super::KeyRange;
use crate::Result;
use crate::catalog::Table;
use crate::database::Database;
use crate::page::Pgno;

/// The most branch pages to read: a level of a sane tree has far fewer before there are enough
/// separators.
const BRANCH_PAGES: usize = 4096;

impl Database {
    /// Ranges of keys that together hold every row of `table` once, in order, for parallel reads.
    /// About `parts` of them, of similar size; fewer if the table is small.
    ///
    /// ```
    /// # let folder = testkit::find("sample-forest/clean").unwrap().unpack();
    /// # let path = folder.path().join("ntds.dit");
    /// let database = ese::Database::open(&path)?;
    /// let table = database.table("datatable")?.expect("a directory has a datatable");
    /// let mut count = 0;
    /// for range in database.row_ranges(&table, 4)? {
    ///     let mut rows = database.rows(&table).within(range);
    ///     while rows.next()?.is_some() {
    ///         count += 1;
    ///     }
    /// }
    /// # let mut rows = database.rows(&table);
    /// # while rows.next()?.is_some() { count -= 1 }
    /// # assert_eq!(count, 0);
    /// # Ok::<(), ese::Error>(())
    /// ```
    ///
    /// # Errors
    /// If pages cannot be read or are not branch pages of the table.
    pub fn row_ranges(&self, table: &Arc<Table>, parts: usize) -> Result<Vec<KeyRange>> {
        let mut level = vec![table.tree.root];
        let mut separators: Vec<Vec<u8>> = Vec::new();
        // From the root down, until a level has enough separators.
        while separators.len() + 1 < parts {
            let mut children = Vec::new();
            let mut found = Vec::new();
            for (at, &number) in level.iter().enumerate() {
                let page = self.page(number)?;
                let view = page.view();
                if view.flags().is_leaf() || children.len() >= BRANCH_PAGES {
                    children.clear();
                    break;
                }
                let count = view.node_count();
                for index in 0..count {
                    let child: Pgno = view.child(index).map_err(|fault| self.fault(fault))?;
                    children.push(child);
                    // The last node of a branch page has no key; the level above has the separator.
                    if index + 1 < count {
                        let node = view.node(index).map_err(|fault| self.fault(fault))?;
                        found.push(node.key.to_vec());
                    } else if let Some(above) = separators.get(at) {
                        found.push(above.clone());
                    }
                }
            }
            if children.is_empty() {
                break;
            }
            (level, separators) = (children, found);
        }
        separators.sort_unstable();
        separators.dedup();
        let wanted = parts.max(1).min(separators.len() + 1);
        let mut ranges = Vec::with_capacity(wanted);
        let mut from = Bound::Unbounded;
        for part in 1..wanted {
            let place = part * (separators.len() + 1) / wanted;
            let Some(separator) = place.checked_sub(1).and_then(|at| separators.get(at)) else {
                continue;
            };
            ranges.push(KeyRange::new(from, Bound::Excluded(separator)));
            from = Bound::Included(separator);
        }
        ranges.push(KeyRange::new(from, Bound::Unbounded));
        Ok(ranges)
    }
}
