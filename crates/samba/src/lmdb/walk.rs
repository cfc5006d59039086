//! The walk through all trees of a state: verifies them, and collects the pages of the state.

use super::format::{self, NO_PAGE, PAGE_HEADER, Page, Tree};
use super::pages::StatePages;
use crate::error::Result;

/// The pages of a state.
///
/// # Errors
/// [`Error::Damaged`](crate::Error::Damaged) with the first inconsistent page;
/// [`Error::Io`](crate::Error::Io).
pub(super) fn pages_of(pages: &StatePages) -> Result<PageSet> {
    let mut walk = Walk {
        pages,
        used: PageSet::empty(pages.meta.last_page + 1),
        trees: vec![pages.meta.data],
        free: Vec::new(),
    };
    walk.claim(0, 2)?;
    walk.tree(&pages.meta.free, true)?;
    while let Some(tree) = walk.trees.pop() {
        walk.tree(&tree, false)?;
    }
    match walk.free.iter().find(|page| walk.used.has(**page)) {
        None => Ok(walk.used),
        Some(page) => Err(pages.damaged(*page, "it is in use and on the free list")),
    }
}

struct Walk<'a> {
    pages: &'a StatePages,
    used: PageSet,
    /// Trees still to be walked: the data's, and those inside it.
    trees: Vec<Tree>,
    /// The pages of the free list.
    free: Vec<u64>,
}

/// One tree's part of the walk.
struct TreeWalk {
    /// Whether this is the free list, whose values are page numbers.
    is_free_list: bool,
    /// Pages to visit, each with the number of levels down to the leaves, its own included.
    waiting: Vec<(u64, u16)>,
    /// Counts for comparison with those in the root.
    branch_pages: u64,
    leaf_pages: u64,
    overflow_pages: u64,
    entries: u64,
}

impl Walk<'_> {
    /// Claims pages for the current tree or value. Each page may be claimed once.
    fn claim(&mut self, first: u64, count: u64) -> Result<()> {
        let end = first
            .checked_add(count)
            .filter(|end| *end <= self.used.pages());
        let end = end.ok_or_else(|| {
            self.pages
                .damaged(first, "it is beyond the last page in use")
        })?;
        match (first..end).find(|page| !self.used.add(*page)) {
            None => Ok(()),
            Some(page) => Err(self.pages.damaged(page, "it is used twice")),
        }
    }

    fn tree(&mut self, tree: &Tree, is_free_list: bool) -> Result<()> {
        if tree.root == NO_PAGE {
            return Ok(());
        }
        let mut walk = TreeWalk {
            is_free_list,
            waiting: vec![(tree.root, tree.depth)],
            branch_pages: 0,
            leaf_pages: 0,
            overflow_pages: 0,
            entries: 0,
        };
        let mut bytes = vec![0; self.pages.meta.page_size as usize];
        while let Some((number, levels)) = walk.waiting.pop() {
            self.claim(number, 1)?;
            self.pages.read_pages(number, &mut bytes)?;
            self.page(number, levels, &bytes, &mut walk)?;
        }
        if tree.flags & format::DUPLICATES_ALLOWED != 0 {
            // The root counts each duplicate, in whichever tree it is.
            walk.entries = tree.entries;
        }
        for (what, found, expected) in [
            ("branch pages", walk.branch_pages, tree.branch_pages),
            ("leaf pages", walk.leaf_pages, tree.leaf_pages),
            ("overflow pages", walk.overflow_pages, tree.overflow_pages),
            ("entries", walk.entries, tree.entries),
        ] {
            if found != expected {
                let reason =
                    format!("the tree below it has {found} {what}; its root records {expected}");
                return Err(self.pages.damaged(tree.root, &reason));
            }
        }
        Ok(())
    }

    fn page(&mut self, number: u64, levels: u16, bytes: &[u8], walk: &mut TreeWalk) -> Result<()> {
        let page = Page::new(bytes);
        let pages = self.pages;
        let damaged = |reason: &str| pages.damaged(number, reason);
        let beyond = || damaged("a node is beyond its end");
        if page.number() != Some(number) {
            return Err(damaged("it carries another page's number"));
        }
        let flags = page.flags().unwrap_or(0);
        let nodes = page
            .nodes()
            .ok_or_else(|| damaged("its pointers are beyond its end"))?;
        if flags & format::BRANCH != 0 && levels > 1 {
            walk.branch_pages += 1;
            for index in 0..nodes {
                walk.waiting
                    .push((page.child(index).ok_or_else(beyond)?, levels - 1));
            }
            return Ok(());
        }
        if flags & format::LEAF == 0 || levels != 1 {
            return Err(damaged(&format!(
                "flags {flags:#x} do not fit {levels} levels above the values"
            )));
        }
        walk.leaf_pages += 1;
        walk.entries += nodes as u64;
        if flags & format::LEAF_OF_KEYS != 0 {
            return Ok(());
        }
        for index in 0..nodes {
            let leaf = page.leaf(index).ok_or_else(beyond)?;
            let big;
            let value = if leaf.flags & format::BIG != 0 {
                let first = format::u64_at(leaf.value, 0).unwrap_or(NO_PAGE);
                big = self.overflow(first, leaf.value_size, walk)?;
                &big[..]
            } else {
                leaf.value
            };
            if walk.is_free_list {
                self.free_pages(value)
                    .ok_or_else(|| damaged("a record of the free list is truncated"))?;
            } else if leaf.flags & format::TREE != 0 {
                let tree = Tree::parse(value)
                    .ok_or_else(|| damaged("the root of an inner tree is truncated"))?;
                self.trees.push(tree);
            }
        }
        Ok(())
    }

    /// Claims a run of overflow pages, and reads its value if required.
    fn overflow(&mut self, first: u64, size: u32, walk: &mut TreeWalk) -> Result<Vec<u8>> {
        let mut header = [0; PAGE_HEADER];
        self.pages.read_pages(first, &mut header)?;
        let page = Page::new(&header);
        let run = u64::from(page.run().unwrap_or(0));
        let capacity = run * u64::from(self.pages.meta.page_size);
        let fits = page.number() == Some(first)
            && page.flags().unwrap_or(0) & format::OVERFLOW != 0
            && PAGE_HEADER as u64 + u64::from(size) <= capacity;
        if !fits {
            return Err(self
                .pages
                .damaged(first, &format!("it does not begin a value of {size} bytes")));
        }
        self.claim(first, run)?;
        walk.overflow_pages += run;
        if !walk.is_free_list {
            return Ok(Vec::new());
        }
        let mut value = vec![0; PAGE_HEADER + size as usize];
        self.pages.read_pages(first, &mut value)?;
        Ok(value.split_off(PAGE_HEADER))
    }

    /// Parses a record of the free list: a count, then as many page numbers.
    fn free_pages(&mut self, value: &[u8]) -> Option<()> {
        let count = usize::try_from(format::u64_at(value, 0)?).ok()?;
        let numbers = value
            .get(8..)?
            .get(..count.checked_mul(8)?)?
            .chunks_exact(8);
        self.free
            .extend(numbers.filter_map(|bytes| format::u64_at(bytes, 0)));
        Some(())
    }
}

/// A set of pages of a file.
pub(super) struct PageSet {
    /// One bit per page.
    bits: Vec<u64>,
    pages: u64,
}

impl PageSet {
    /// The empty set, for a file of `pages` pages.
    pub(super) fn empty(pages: u64) -> Self {
        Self {
            bits: vec![0; pages.div_ceil(64) as usize],
            pages,
        }
    }

    /// The full set, for a file of `pages` pages.
    pub(super) fn all(pages: u64) -> Self {
        let mut set = Self::empty(pages);
        set.bits.fill(u64::MAX);
        set
    }

    /// The number of pages in the file.
    pub(super) fn pages(&self) -> u64 {
        self.pages
    }

    pub(super) fn has(&self, page: u64) -> bool {
        let word = self.bits.get((page / 64) as usize).copied().unwrap_or(0);
        word >> (page % 64) & 1 != 0
    }

    /// Adds a page. False if it was there already.
    fn add(&mut self, page: u64) -> bool {
        let mask = 1 << (page % 64);
        match self.bits.get_mut((page / 64) as usize) {
            Some(word) if *word & mask == 0 => {
                *word |= mask;
                true
            }
            _ => false,
        }
    }

    /// The number of pages in the set.
    pub(super) fn count(&self) -> u64 {
        self.bits
            .iter()
            .map(|word| u64::from(word.count_ones()))
            .sum()
    }
}
