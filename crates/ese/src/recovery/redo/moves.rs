//! Redo of page moves: a page, or the root of a tree with its space trees, moves to another place
//! in the file.

use super::super::error::Result;
use super::pages::Pages;
use crate::edit::EditPage;
use crate::log::record::{PageMove, Record, RootPageMove};
use crate::page::Pgno;

/// The flags for the root that a move concerns.
const ROOT: u32 = 1;
const OWNED_ROOT: u32 = 2;

/// The records of a root move's macro.
pub(super) struct RootMoveMacro<'a> {
    root: &'a RootPageMove,
    rest: &'a [Record<'a>],
}

impl<'a> RootMoveMacro<'a> {
    pub fn of(root: &'a RootPageMove, rest: &'a [Record<'a>]) -> Self {
        RootMoveMacro { root, rest }
    }

    /// The moves of the root and of the roots of its space trees.
    fn moves(&self) -> impl Iterator<Item = &'a PageMove<'a>> {
        self.rest.iter().filter_map(|record| match record {
            Record::PageMove(record) => Some(record),
            _ => None,
        })
    }

    /// The former page numbers of the moved roots.
    pub fn moved_roots(&self) -> impl Iterator<Item = Pgno> {
        let roots = self.moves().map(|record| record.head);
        let roots = roots.filter(|head| head.root_flags.get() & ROOT != 0);
        roots.map(|head| head.page.page.get())
    }
}

/// The redo of moves.
pub(super) struct MoveRedo<'a> {
    pub pages: &'a mut Pages,
}

impl MoveRedo<'_> {
    pub fn move_page(&mut self, record: &PageMove<'_>) -> Result<()> {
        let head = record.head;
        let dbtime = head.page.dbtime.get();
        let (source, target) = (head.page.page.get(), head.destination.get());
        let parent = head.parent_page.get();
        let mut need = |page: Pgno, before: u64| self.pages.need_if_named(page, before, dbtime);
        let redo_parent = need(parent, head.parent_dbtime_before.get())?;
        let redo_source = need(source, head.page.dbtime_before.get())?;
        let redo_left = need(head.left_page.get(), head.left_dbtime_before.get())?;
        let redo_right = need(head.right_page.get(), head.right_dbtime_before.get())?;
        if self.pages.need_new(target, dbtime)? {
            let content = match redo_source {
                true => self.pages.store.page(source)?.page.clone(),
                false => self.moved_image(record)?,
            };
            self.pages.create(target, dbtime, |page| {
                page.copy_from(&content, dbtime);
                Ok(())
            })?;
        }
        if redo_source {
            self.pages.change(source, dbtime, EditPage::make_empty)?;
        }
        if redo_parent {
            let Ok(line) = usize::try_from(head.parent_line.get()) else {
                return Err(self
                    .pages
                    .contradiction("a page move without a place in the parent".into()));
            };
            self.pages.change(parent, dbtime, |page| {
                if page.node_data(line)? != source.to_le_bytes() {
                    let expected = format!("page {source}");
                    return Err(page.fault("page pointer", expected, "another page"));
                }
                page.set_child(line, target)
            })?;
        }
        if redo_left {
            self.pages.change(head.left_page.get(), dbtime, |page| {
                page.set_next(target);
                Ok(())
            })?;
        }
        if redo_right {
            self.pages.change(head.right_page.get(), dbtime, |page| {
                page.set_previous(target);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// The page before its move, from the record.
    fn moved_image(&self, record: &PageMove<'_>) -> Result<EditPage> {
        let size = self.pages.store.page_size();
        let (header, trailer) = (record.page_header, record.page_trailer);
        let Some(gap) = size.bytes().checked_sub(header.len() + trailer.len()) else {
            return Err(self
                .pages
                .contradiction("a page move with more than a page".into()));
        };
        let bytes = [header, &vec![0; gap], trailer].concat();
        Ok(EditPage::new(
            record.head.page.page.get(),
            size,
            bytes.into(),
        ))
    }

    /// Redoes three page moves, the children's headers, and the catalog's rows.
    pub fn move_root(&mut self, root_move: &RootMoveMacro<'_>) -> Result<()> {
        let dbtime = root_move.root.dbtime.get();
        let owned_root = (root_move.moves())
            .find(|record| record.head.root_flags.get() & OWNED_ROOT != 0)
            .map(|record| record.head.destination.get());

        for record in root_move.moves() {
            let head = record.head;
            let (source, target) = (head.page.page.get(), head.destination.get());
            let before = head.page.dbtime_before.get();
            let redo_source = self.pages.need(source, before, dbtime)?.redo();
            if self.pages.need_new(target, dbtime)? {
                let content = self.moved_image(record)?;
                self.pages.create(target, dbtime, |page| {
                    page.copy_from(&content, dbtime);
                    match (head.root_flags.get() & ROOT, owned_root) {
                        (ROOT, Some(owned)) => page.set_owned_root(owned),
                        _ => Ok(()),
                    }
                })?;
            }
            if redo_source {
                self.pages.change(source, dbtime, EditPage::make_empty)?;
            }
        }
        // Two rows of a catalog may be on one page, which is then changed twice at the same DBTIME.
        let mut changed: Vec<Pgno> = Vec::new();
        for record in root_move.rest {
            let head = match record {
                Record::SetExternalHeader(record) => record.head,
                Record::Replace(record) => record.head,
                Record::PageMove(_) => continue,
                _ => {
                    return Err(self
                        .pages
                        .contradiction("an unexpected record in a root move".into()));
                }
            };
            let number = head.page.page.get();
            let before = head.page.dbtime_before.get();
            if !changed.contains(&number) {
                if !self.pages.need(number, before, dbtime)?.redo() {
                    continue;
                }
                changed.push(number);
            }
            self.pages.change(number, dbtime, |page| match record {
                Record::SetExternalHeader(record) => page.set_space_header(record.data),
                Record::Replace(record) => {
                    page.replace_data(head.page.line.get().into(), record.content)
                }
                _ => Ok(()),
            })?;
        }
        Ok(())
    }
}
