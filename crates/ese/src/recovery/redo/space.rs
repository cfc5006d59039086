//! Redo of records that create trees and give them space.

use super::super::error::Result;
use super::pages::Pages;
use crate::edit::{LooseNode, NewSpaceHeader};
use crate::log::record::{Convert, CreateMultipleExtent, CreateSingleExtent, NewPage, PageHead};
use crate::page::{Pgno, SplitBuffers};

const ROOT: u32 = 0x01;
const LEAF: u32 = 0x02;
const SPACE_TREE: u32 = 0x20;

/// The number of pages after its root that a small tree tracks in one number.
const SMALL_SPACE: u32 = 32;

/// A run of pages: first page and count.
type Run = (Pgno, u32);

/// The redo of these records.
pub(super) struct SpaceRedo<'a> {
    pub pages: &'a mut Pages,
}

impl SpaceRedo<'_> {
    pub fn new_page(&mut self, new: &NewPage) -> Result<()> {
        let (page, dbtime) = (new.page.get(), new.dbtime.get());
        if !self.pages.need_new(page, dbtime)? {
            return Ok(());
        }
        self.pages.create(page, dbtime, |page| {
            page.initialise(new.object.get(), dbtime);
            Ok(())
        })
    }

    pub fn create_single_extent(&mut self, create: &CreateSingleExtent) -> Result<()> {
        let (root, dbtime) = (create.page.page.get(), create.page.dbtime.get());
        if !self.pages.need_new(root, dbtime)? {
            return Ok(());
        }
        let pages = create.primary_pages.get();
        let header = NewSpaceHeader {
            primary_pages: pages,
            parent: create.parent_root.get(),
            multiple: false,
            unique: create.page.has(PageHead::FLAG_UNIQUE),
            last: match pages.checked_sub(1) {
                Some(free) if free < SMALL_SPACE => (1 << free) - 1,
                Some(_) => u32::MAX,
                None => 0,
            },
        };
        self.pages.create(root, dbtime, |page| {
            let flags = create.page_flags.get() | ROOT | LEAF;
            page.initialise_with_flags(create.object.get(), dbtime, flags);
            page.set_external_header(&header.to_bytes())
        })
    }

    pub fn create_multiple_extent(&mut self, create: &CreateMultipleExtent) -> Result<()> {
        let (root, dbtime) = (create.page.page.get(), create.page.dbtime.get());
        let (object, flags) = (create.object.get(), create.page_flags.get());
        let pages = create.primary_pages.get();
        if self.pages.need_new(root, dbtime)? {
            let header = NewSpaceHeader {
                primary_pages: pages,
                parent: create.parent_root.get(),
                multiple: true,
                unique: create.page.has(PageHead::FLAG_UNIQUE),
                last: create.owned_root.get(),
            };
            self.pages.create(root, dbtime, |page| {
                page.initialise_with_flags(object, dbtime, flags | ROOT | LEAF);
                page.set_external_header(&header.to_bytes())
            })?;
        }
        let last = root.wrapping_add(pages).wrapping_sub(1);
        let available = pages.saturating_sub(3);
        let space_roots = [
            (create.available_root.get(), available),
            (create.owned_root.get(), pages),
        ];
        for (number, count) in space_roots {
            let extents = match count {
                0 => Vec::new(),
                _ => vec![(last.wrapping_sub(count).wrapping_add(1), count)],
            };
            self.create_space_root(number, object, dbtime, flags, &extents)?;
        }
        Ok(())
    }

    fn create_space_root(
        &mut self,
        number: Pgno,
        object: u32,
        dbtime: u64,
        flags: u32,
        extents: &[Run],
    ) -> Result<()> {
        if !self.pages.need_new(number, dbtime)? {
            return Ok(());
        }
        self.pages.create(number, dbtime, |page| {
            page.initialise_with_flags(object, dbtime, flags | ROOT | LEAF | SPACE_TREE);
            page.set_external_header(&[0; SplitBuffers::LEN])?;
            for (line, (first, count)) in extents.iter().enumerate() {
                // A space tree's key for a run is its last page.
                let key = first.wrapping_add(*count).wrapping_sub(1).to_be_bytes();
                page.insert_node(line, &LooseNode::new(&key, &count.to_le_bytes()))?;
            }
            Ok(())
        })
    }

    pub fn convert(&mut self, convert: &Convert<'_>) -> Result<()> {
        let head = convert.head;
        let Some(tail) = convert.tail else {
            let what = "the older record for a tree that gets space trees, which the engine does \
                        not replay either";
            return Err(self.pages.contradiction(what.into()));
        };
        let (root, dbtime) = (head.page.page.get(), head.page.dbtime.get());
        let redo_root = (self
            .pages
            .need(root, head.page.dbtime_before.get(), dbtime)?)
        .redo();
        let object = head.object.get();
        let secondary = (head.secondary_first.get(), head.secondary_pages.get());

        let mut owned = vec![secondary, (root, head.primary_pages.get())];
        let mut available = primary_extents(root, head.primary_pages.get(), tail.available.get());
        if let Some(pages @ 1..) = secondary.1.checked_sub(2) {
            // The first two pages become the roots of the space trees.
            available.push((secondary.0.wrapping_add(2), pages));
        }
        owned.sort_unstable();
        available.sort_unstable();

        let flags = tail.page_flags.get();
        self.create_space_root(head.owned_root.get(), object, dbtime, flags, &owned)?;
        self.create_space_root(head.available_root.get(), object, dbtime, flags, &available)?;
        if redo_root {
            let header = NewSpaceHeader {
                primary_pages: head.primary_pages.get(),
                parent: head.parent_root.get(),
                multiple: true,
                unique: head.page.has(PageHead::FLAG_UNIQUE),
                last: secondary.0,
            };
            self.pages.change(root, dbtime, |page| {
                page.set_space_header(&header.to_bytes())
            })?;
        }
        Ok(())
    }
}

/// The available pages of a tree with one extent, as runs.
fn primary_extents(root: Pgno, pages: u32, available: u32) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut first = None;
    let is_available = |page: u32| available >> page & 1 == 1;
    for page in 0..=SMALL_SPACE {
        let set = page < SMALL_SPACE && is_available(page);
        match (set, first) {
            (true, None) => first = Some(page),
            (false, Some(start)) => {
                runs.push((root.wrapping_add(1 + start), page - start));
                first = None;
            }
            _ => {}
        }
    }
    // Pages beyond that number's range are available.
    if let Some(beyond @ 1..) = pages.checked_sub(SMALL_SPACE + 1) {
        let start = root.wrapping_add(1 + SMALL_SPACE);
        match runs.last_mut() {
            Some((first, count)) if first.wrapping_add(*count) == start => *count += beyond,
            _ => runs.push((start, beyond)),
        }
    }
    runs
}
