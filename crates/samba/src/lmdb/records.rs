//! The records of a state of a database.

use std::path::Path;
use std::sync::Arc;

use super::format::{self, NO_PAGE, PAGE_HEADER, Page};
use super::pages::StatePages;
use super::snapshot::Snapshot;
use crate::error::Result;

/// A state of a database, open for reading its records.
pub struct Records(State);

enum State {
    /// The last one of a database without writers.
    Last(StatePages),
    Pinned(Arc<Snapshot>),
}

/// The position of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    page: u64,
    index: u32,
}

impl Records {
    /// Opens the last state of the database at `path`.
    ///
    /// # Errors
    /// [`Error::Damaged`](crate::Error::Damaged) if no meta page describes a state;
    /// [`Error::Io`](crate::Error::Io).
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self(State::Last(StatePages::newest(path)?)))
    }

    /// The records of a pinned state, which stays pinned.
    pub fn pinned(snapshot: Arc<Snapshot>) -> Self {
        Self(State::Pinned(snapshot))
    }

    fn pages(&self) -> &StatePages {
        match &self.0 {
            State::Last(pages) => pages,
            State::Pinned(snapshot) => &snapshot.pages,
        }
    }

    /// Calls `visit` with the key, value and position of every record, in the order of the keys.
    ///
    /// # Errors
    /// [`Error::Damaged`](crate::Error::Damaged) with the page; [`Error::Io`](crate::Error::Io);
    /// errors of `visit`.
    pub fn visit<E: From<crate::Error>>(
        &self,
        mut visit: impl FnMut(&[u8], &[u8], Place) -> Result<(), E>,
    ) -> Result<(), E> {
        let tree = self.pages().meta.data;
        if tree.root == NO_PAGE {
            return Ok(());
        }
        let mut left = self.pages().meta.last_page.saturating_add(1);
        let mut waiting = vec![(tree.root, tree.depth)];
        let mut bytes = vec![0; self.pages().meta.page_size as usize];
        while let Some((number, levels)) = waiting.pop() {
            // A sound tree refers to each page once.
            left = left
                .checked_sub(1)
                .ok_or_else(|| self.pages().damaged(number, "it is used twice"))?;
            self.pages().read_pages(number, &mut bytes)?;
            let page = Page::new(&bytes);
            let nodes = self.nodes(page, number)?;
            let flags = page.flags().unwrap_or(0);
            let beyond = || self.pages().damaged(number, "a node is beyond its end");
            if flags & format::BRANCH != 0 && levels > 1 {
                for index in (0..nodes).rev() {
                    waiting.push((page.child(index).ok_or_else(beyond)?, levels - 1));
                }
                continue;
            }
            if flags & format::LEAF == 0 || flags & format::LEAF_OF_KEYS != 0 || levels != 1 {
                let reason = format!("flags {flags:#x} do not fit {levels} levels above values");
                return Err(self.pages().damaged(number, &reason).into());
            }
            for index in 0..nodes {
                let leaf = page.leaf(index).ok_or_else(beyond)?;
                let place = Place {
                    page: number,
                    index: index as u32,
                };
                match leaf.flags & (format::BIG | format::TREE) {
                    0 => visit(leaf.key, leaf.value, place)?,
                    format::BIG => visit(leaf.key, &self.overflow(leaf)?, place)?,
                    // Trees within trees: ldb has none.
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// The value at a position.
    ///
    /// # Errors
    /// Same as [`Self::visit`].
    pub fn read(&self, place: Place) -> Result<Vec<u8>> {
        let mut bytes = vec![0; self.pages().meta.page_size as usize];
        self.pages().read_pages(place.page, &mut bytes)?;
        let page = Page::new(&bytes);
        let leaf = self
            .nodes(page, place.page)
            .ok()
            .filter(|nodes| (place.index as usize) < *nodes)
            .and_then(|_| page.leaf(place.index as usize))
            .ok_or_else(|| self.pages().damaged(place.page, "a node is beyond its end"))?;
        match leaf.flags & format::BIG {
            0 => Ok(leaf.value.to_vec()),
            _ => self.overflow(leaf),
        }
    }

    fn nodes(&self, page: Page<'_>, number: u64) -> Result<usize> {
        if page.number() != Some(number) {
            return Err(self
                .pages()
                .damaged(number, "it carries another page's number"));
        }
        let beyond = || {
            self.pages()
                .damaged(number, "its pointers are beyond its end")
        };
        page.nodes().ok_or_else(beyond)
    }

    /// A value in overflow pages.
    fn overflow(&self, leaf: format::Leaf<'_>) -> Result<Vec<u8>> {
        let first = format::u64_at(leaf.value, 0).unwrap_or(NO_PAGE);
        let mut header = [0; PAGE_HEADER];
        self.pages().read_pages(first, &mut header)?;
        let page = Page::new(&header);
        let capacity = u64::from(page.run().unwrap_or(0)) * u64::from(self.pages().meta.page_size);
        let fits = page.number() == Some(first)
            && page.flags().unwrap_or(0) & format::OVERFLOW != 0
            && PAGE_HEADER as u64 + u64::from(leaf.value_size) <= capacity
            && capacity <= self.pages().size();
        if !fits {
            let reason = format!("it does not begin a value of {} bytes", leaf.value_size);
            return Err(self.pages().damaged(first, &reason));
        }
        let mut value = vec![0; PAGE_HEADER + leaf.value_size as usize];
        self.pages().read_pages(first, &mut value)?;
        Ok(value.split_off(PAGE_HEADER))
    }
}
