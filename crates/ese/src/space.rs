//! The owned and available pages of a tree.

use crate::database::Database;
use crate::page::{ExtentNode, Extents, Fault, Pgno};
use crate::tree::TreeId;
use crate::{Error, Result};

/// The tree at the root of all space: its owned pages are those of the whole database.
pub const DATABASE_ROOT: TreeId = TreeId { root: 1, objid: 1 };

/// The space of a tree, in pages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TreeSpace {
    /// Pages that the tree owns. A table's include those of its indices and long values.
    pub owned: u64,
    /// Unused pages among them.
    pub available: u64,
}

impl Database {
    /// The space of `tree`, from its root page and its space trees.
    ///
    /// ```
    /// # let folder = testkit::find("sample-forest/clean").unwrap().unpack();
    /// # let path = folder.path().join("ntds.dit");
    /// let database = ese::Database::open(&path)?;
    /// let all = database.space(ese::space::DATABASE_ROOT)?;
    /// let table = database.table("datatable")?.expect("a directory has a datatable");
    /// let part = database.space(table.tree)?;
    /// assert!(part.available < part.owned && part.owned < all.owned);
    /// # Ok::<(), ese::Error>(())
    /// ```
    pub fn space(&self, tree: TreeId) -> Result<TreeSpace> {
        let page = self.page(tree.root)?;
        let header = page
            .view()
            .root_header()
            .map_err(|fault| self.fault(fault))?
            .space;
        match header.extents {
            // One bit for each page after the root.
            Extents::Single(available) => Ok(TreeSpace {
                owned: header.primary_pages.into(),
                available: available.count_ones().into(),
            }),
            Extents::Trees(owned) => Ok(TreeSpace {
                owned: self.pages_in(tree, owned, false)?,
                available: self.pages_in(tree, owned.saturating_add(1), true)?,
            }),
        }
    }

    /// The pages in the runs of the space tree with the root `root`.
    fn pages_in(&self, tree: TreeId, root: Pgno, available: bool) -> Result<u64> {
        let space_tree = TreeId {
            root,
            objid: tree.objid,
        };
        let mut cursor = self.nodes(space_tree);
        let mut pages = 0u64;
        while cursor.advance()? {
            let (Some(page), Some(node)) = (cursor.page(), cursor.node()?) else {
                break;
            };
            if node.flags.is_deleted() {
                continue;
            }
            let extent = ExtentNode::read(&node.key, node.data, available).map_err(|expected| {
                let found = format!("{} bytes of data", node.data.len());
                self.bad_extent(page.number(), expected, found)
            })?;
            let beyond_file =
                extent.pool == ExtentNode::SHELVED && extent.extent.last > self.page_count();
            if !beyond_file {
                pages = pages.saturating_add(extent.extent.count.into());
            }
        }
        Ok(pages)
    }

    #[cold]
    fn bad_extent(&self, page: Pgno, expected: &'static str, found: String) -> Error {
        self.fault(Fault::new(page, "extent", expected, found))
    }
}
