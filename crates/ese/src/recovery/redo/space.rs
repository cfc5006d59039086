//! Redo of records that create trees and give them space.

use super::super::error::Result;
use super::Redo;
use crate::edit::EditPage;
use crate::edit::LooseNode;
use crate::log::record::{Convert, CreateMultipleExtent, CreateSingleExtent, NewPage, PageHead};
use crate::page::{Fault, Pgno, SplitBuffers};

const ROOT: u32 = 0x01;
const LEAF: u32 = 0x02;
const SPACE_TREE: u32 = 0x20;

/// How many pages after its root a small tree can keep account of in one number.
const SMALL_SPACE: u32 = 32;

/// The external header of a tree's root (`SPACE_HEADER`).
struct SpaceHeader {
    primary_pages: u32,
    parent: Pgno,
    multiple: bool,
    unique: bool,
    /// The available pages as bits, or the root of the owned extents.
    last: u32,
}

impl SpaceHeader {
    fn to_bytes(&self) -> [u8; 16] {
        const MULTIPLE: u8 = 1;
        const NON_UNIQUE: u8 = 2;
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&self.primary_pages.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.parent.to_le_bytes());
        bytes[8] |= if self.multiple { MULTIPLE } else { 0 };
        bytes[8] |= if self.unique { 0 } else { NON_UNIQUE };
        bytes[12..].copy_from_slice(&self.last.to_le_bytes());
        bytes
    }
}

/// A run of pages: first page and count.
type Run = (Pgno, u32);

impl Redo {
    pub(super) fn new_page(&mut self, new: &NewPage) -> Result<()> {
        let (page, dbtime) = (new.page.get(), new.dbtime.get());
        if !self.need_new(page, dbtime)? {
            return Ok(());
        }
        self.create(page, dbtime, |page| {
            page.initialise(new.object.get(), dbtime);
            Ok(())
        })
    }

    /// Makes a page anew; the database grows if the page is beyond its end.
    pub(super) fn create(
        &mut self,
        number: Pgno,
        dbtime: u64,
        fill: impl FnOnce(&mut EditPage) -> Result<(), Fault>,
    ) -> Result<()> {
        self.change(number, dbtime, fill)?;
        self.store.grow(number);
        Ok(())
    }

    pub(super) fn create_single_extent(&mut self, create: &CreateSingleExtent) -> Result<()> {
        let (root, dbtime) = (create.page.page.get(), create.page.dbtime.get());
        if !self.need_new(root, dbtime)? {
            return Ok(());
        }
        let pages = create.primary_pages.get();
        let header = SpaceHeader {
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
        self.create(root, dbtime, |page| {
            let flags = create.page_flags.get() | ROOT | LEAF;
            page.initialise_with_flags(create.object.get(), dbtime, flags);
            page.set_external_header(&header.to_bytes())
        })
    }

    pub(super) fn create_multiple_extent(&mut self, create: &CreateMultipleExtent) -> Result<()> {
        let (root, dbtime) = (create.page.page.get(), create.page.dbtime.get());
        let (object, flags) = (create.object.get(), create.page_flags.get());
        let pages = create.primary_pages.get();
        if self.need_new(root, dbtime)? {
            let header = SpaceHeader {
                primary_pages: pages,
                parent: create.parent_root.get(),
                multiple: true,
                unique: create.page.has(PageHead::FLAG_UNIQUE),
                last: create.owned_root.get(),
            };
            self.create(root, dbtime, |page| {
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
        if !self.need_new(number, dbtime)? {
            return Ok(());
        }
        self.create(number, dbtime, |page| {
            page.initialise_with_flags(object, dbtime, flags | ROOT | LEAF | SPACE_TREE);
            page.set_external_header(&[0; SplitBuffers::LEN])?;
            for (line, (first, count)) in extents.iter().enumerate() {
                // A space tree names a run by its last page.
                let key = first.wrapping_add(*count).wrapping_sub(1).to_be_bytes();
                page.insert_node(line, &LooseNode::new(&key, &count.to_le_bytes()))?;
            }
            Ok(())
        })
    }

    pub(super) fn convert(&mut self, convert: &Convert<'_>) -> Result<()> {
        let head = convert.head;
        let Some(tail) = convert.tail else {
            let what = "the older record for a tree that gets space trees, which the engine does not replay either";
            return Err(self.contradiction(what.into()));
        };
        let (root, dbtime) = (head.page.page.get(), head.page.dbtime.get());
        let redo_root = (self.need(root, head.page.dbtime_before.get(), dbtime)?).redo();
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
            let header = SpaceHeader {
                primary_pages: head.primary_pages.get(),
                parent: head.parent_root.get(),
                multiple: true,
                unique: head.page.has(PageHead::FLAG_UNIQUE),
                last: secondary.0,
            };
            self.change(root, dbtime, |page| {
                set_space_header(page, &header.to_bytes())
            })?;
        }
        Ok(())
    }
}

/// Replaces the space header inside a root's external header, which may hold other fields after it.
pub(super) fn set_space_header(page: &mut EditPage, header: &[u8]) -> Result<(), Fault> {
    let start = match page.line(0)?.len() {
        16 => 0,
        // A byte that says which fields follow.
        17.. => 1,
        len => {
            let found = format!("{len} bytes");
            return Err(page.fault("external header", "a space header of 16 bytes", found));
        }
    };
    match page.line_mut(0)?.get_mut(start..start + header.len()) {
        Some(place) => {
            place.copy_from_slice(header);
            Ok(())
        }
        None => Err(page.fault("external header", "room for a space header", "less")),
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
    // Pages beyond those that the number covers are available.
    if let Some(beyond @ 1..) = pages.checked_sub(SMALL_SPACE + 1) {
        let start = root.wrapping_add(1 + SMALL_SPACE);
        match runs.last_mut() {
            Some((first, count)) if first.wrapping_add(*count) == start => *count += beyond,
            _ => runs.push((start, beyond)),
        }
    }
    runs
}
