//! A cursor over the nodes of a tree.

use crate::page::{Fault, Node, PageView, Pgno};
use crate::page_file::{Page, PageFile};
use crate::{Error, Result};

/// A tree: its root page and the object of all its pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TreeId {
    /// The root page (FDP).
    pub root: Pgno,
    /// The object id of every page of the tree.
    pub objid: u32,
}

/// A position in a tree.
///
/// The cursor also visits nodes that are deleted but not yet cleaned up; readers of rows and
/// indices skip them.
pub struct TreeCursor<'db> {
    pages: &'db PageFile,
    tree: TreeId,
    /// The leaf and the index of the node; [`BEFORE_FIRST`] is before the leaf's first node.
    position: Option<(Page<'db>, usize)>,
    /// The number of leaves that may still be visited, so that a cycle of pages ends.
    leaves_left: u32,
}

/// The greatest depth: every branch page has at least two children, and page numbers have 31 bits.
const MAX_DEPTH: u32 = 32;

const BEFORE_FIRST: usize = usize::MAX;

impl<'db> TreeCursor<'db> {
    /// A cursor before the first node of `tree`.
    pub fn new(pages: &'db PageFile, tree: TreeId) -> Self {
        Self {
            pages,
            tree,
            position: None,
            leaves_left: pages.page_count(),
        }
    }

    /// The file with the tree's pages.
    pub fn pages(&self) -> &'db PageFile {
        self.pages
    }

    /// The tree.
    pub fn tree(&self) -> TreeId {
        self.tree
    }

    /// The current leaf page; `None` if the cursor has no position.
    #[inline]
    pub fn page(&self) -> Option<PageView<'_>> {
        self.position.as_ref().map(|(page, _)| page.view())
    }

    /// The index of the current node in its page.
    #[inline]
    pub fn index(&self) -> Option<usize> {
        self.position
            .as_ref()
            .map(|(_, index)| *index)
            .filter(|index| *index != BEFORE_FIRST)
    }

    /// The current node; `None` before the first and after the last.
    #[inline]
    pub fn node(&self) -> Result<Option<Node<'_>>> {
        match &self.position {
            Some((page, index)) if *index < page.layout().node_count() => page
                .view()
                .node(*index)
                .map(Some)
                .map_err(|fault| self.pages.fault(fault)),
            _ => Ok(None),
        }
    }

    /// Moves to the next node; to the first if the cursor has no position yet. `false` at the end.
    #[inline]
    pub fn advance(&mut self) -> Result<bool> {
        if let Some((page, index)) = &mut self.position {
            let next = index.wrapping_add(1);
            if next < page.layout().node_count() {
                *index = next;
                return Ok(true);
            }
        }
        self.advance_page()
    }

    #[cold]
    fn advance_page(&mut self) -> Result<bool> {
        let (mut number, mut previous) = match &mut self.position {
            None => {
                let leaf = self.descend(|_| Ok(0))?;
                let found = leaf.layout().node_count() > 0;
                let next = (leaf.layout().header().next, leaf.layout().number());
                self.position = Some((leaf, 0));
                if found {
                    return Ok(true);
                }
                next
            }
            Some((page, index)) => {
                *index = page.layout().node_count();
                (page.layout().header().next, page.layout().number())
            }
        };
        while number != 0 {
            let page = self.leaf(number)?;
            let header = page.layout().header();
            if header.previous != previous {
                let expected = format!("page {previous}");
                let found = format!("page {}", header.previous);
                return Err(self.fault(number, "link to the previous page", expected, found));
            }
            (previous, number) = (number, header.next);
            let found = page.layout().node_count() > 0;
            self.position = Some((page, 0));
            if found {
                return Ok(true);
            }
        }
        if let Some((page, index)) = &mut self.position {
            *index = page.layout().node_count();
        }
        Ok(false)
    }

    /// Moves to the previous node; to the last if the cursor has no position yet. `false` at the
    /// start.
    pub fn retreat(&mut self) -> Result<bool> {
        if let Some((_, index)) = &mut self.position
            && *index != BEFORE_FIRST
            && *index > 0
        {
            *index -= 1;
            return Ok(true);
        }
        let (mut number, mut next) = match &mut self.position {
            None => {
                let leaf = self.descend(|page| Ok(page.node_count().saturating_sub(1)))?;
                let count = leaf.layout().node_count();
                let before = (leaf.layout().header().previous, leaf.layout().number());
                self.position = Some((leaf, count.wrapping_sub(1)));
                if count > 0 {
                    return Ok(true);
                }
                before
            }
            Some((page, index)) => {
                *index = BEFORE_FIRST;
                (page.layout().header().previous, page.layout().number())
            }
        };
        while number != 0 {
            let page = self.leaf(number)?;
            let header = page.layout().header();
            if header.next != next {
                let found = format!("page {}", header.next);
                return Err(self.fault(
                    number,
                    "link to the next page",
                    format!("page {next}"),
                    found,
                ));
            }
            (next, number) = (number, header.previous);
            let count = page.layout().node_count();
            self.position = Some((page, count.wrapping_sub(1)));
            if count > 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Moves to the first node that is not less than `key`; if keys repeat, not less than `key`
    /// with `data`.
    ///
    /// Returns whether that node is equal. If there is no such node, [`Self::node`] is `None`.
    pub fn seek(&mut self, key: &[u8], data: &[u8]) -> Result<bool> {
        self.leaves_left = self.pages.page_count();
        // Rows that are read one after the other are often in one leaf.
        if self.seek_in_leaf(key, data)? {
            return Ok(true);
        }
        self.position = None;
        let leaf = self.descend(|page| page.seek_branch(key, data))?;
        let view = leaf.view();
        let (index, equal) = view
            .seek(key, data)
            .map_err(|fault| self.pages.fault(fault))?;
        let inside = index < view.node_count();
        // If all nodes of this leaf are less, the first of the next leaf is meant.
        self.position = Some((leaf, if inside { index } else { index.wrapping_sub(1) }));
        if !inside {
            self.advance()?;
        }
        Ok(equal)
    }

    /// Moves to the node that equals `key` and `data` if the current leaf has it after its first
    /// node; the nodes of earlier leaves are less then. `false` tells nothing.
    fn seek_in_leaf(&mut self, key: &[u8], data: &[u8]) -> Result<bool> {
        let Some((leaf, place)) = &mut self.position else {
            return Ok(false);
        };
        let (index, equal) =
            (leaf.view().seek(key, data)).map_err(|fault| self.pages.fault(fault))?;
        let found = equal && index > 0;
        if found {
            *place = index;
        }
        Ok(found)
    }

    /// Clears the position: [`Self::advance`] then moves to the first node, [`Self::retreat`] to
    /// the last.
    pub fn reset(&mut self) {
        self.position = None;
        self.leaves_left = self.pages.page_count();
    }

    /// Descends from the root to a leaf, by the child that `choose` gives for each branch page.
    fn descend(
        &mut self,
        choose: impl Fn(PageView<'_>) -> std::result::Result<usize, Fault>,
    ) -> Result<Page<'db>> {
        let mut number = self.tree.root;
        for depth in 0..MAX_DEPTH {
            let page = self.tree_page(number)?;
            let view = page.view();
            let flags = view.flags();
            // A page further down may have the flag too: repair leaves it on a root that became a
            // leaf.
            if depth == 0 && !flags.is_root() {
                let found = format!("{flags:?}");
                return Err(self.fault(number, "page flags", "the root of a tree", found));
            }
            if flags.is_leaf() {
                return Ok(page);
            }
            if view.node_count() == 0 {
                return Err(self.fault(number, "branch page", "at least one child", "none"));
            }
            let choice = choose(view).and_then(|index| view.child(index));
            number = choice.map_err(|fault| self.pages.fault(fault))?;
        }
        let expected = format!("a tree of at most {MAX_DEPTH} levels");
        Err(self.fault(self.tree.root, "tree", expected, "one more"))
    }

    /// The leaf `number`, linked from its neighbour.
    fn leaf(&mut self, number: Pgno) -> Result<Page<'db>> {
        self.leaves_left = match self.leaves_left.checked_sub(1) {
            Some(left) => left,
            None => return Err(self.fault(number, "links between leaves", "an end", "a cycle")),
        };
        let page = self.tree_page(number)?;
        if !page.layout().header().flags.is_leaf() {
            let found = format!("{:?}", page.layout().header().flags);
            return Err(self.fault(number, "page flags", "a leaf", found));
        }
        Ok(page)
    }

    fn tree_page(&self, number: Pgno) -> Result<Page<'db>> {
        let page = self.pages.page(number)?;
        let objid = page.layout().header().objid;
        if objid != self.tree.objid {
            let expected = format!("object {} as in the rest of the tree", self.tree.objid);
            return Err(self.fault(
                number,
                "object of the page",
                expected,
                format!("object {objid}"),
            ));
        }
        Ok(page)
    }

    #[cold]
    fn fault(
        &self,
        page: Pgno,
        what: &'static str,
        expected: impl Into<std::borrow::Cow<'static, str>>,
        found: impl Into<std::borrow::Cow<'static, str>>,
    ) -> Error {
        self.pages.fault(Fault::new(page, what, expected, found))
    }
}

impl std::fmt::Debug for TreeCursor<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = self
            .position
            .as_ref()
            .map(|(page, index)| (page.layout().number(), *index));
        f.debug_struct("TreeCursor")
            .field("tree", &self.tree)
            .field("position", &place)
            .finish_non_exhaustive()
    }
}
