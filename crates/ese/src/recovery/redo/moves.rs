//! Redo of page moves: a page, or the root of a tree with its space trees, goes to another place in the file.

use super::super::error::Result;
use super::Redo;
use super::space::set_space_header;
use crate::edit::EditPage;
use crate::header::Lgpos;
use crate::log::record::{PageMove, Record};
use crate::page::Pgno;

/// Which root a move is about.
const ROOT: u32 = 1;
const OWNED_ROOT: u32 = 2;

impl Redo {
    pub(super) fn move_page(&mut self, record: &PageMove<'_>) -> Result<()> {
        let head = record.head;
        let dbtime = head.page.dbtime.get();
        let (source, target) = (head.page.page.get(), head.destination.get());
        let parent = head.parent_page.get();
        let mut need = |page: Pgno, before: u64| match page {
            0 => Ok(false),
            page => self.need(page, before, dbtime).map(|need| need.redo()),
        };
        let redo_parent = need(parent, head.parent_dbtime_before.get())?;
        let redo_source = need(source, head.page.dbtime_before.get())?;
        let redo_left = need(head.left_page.get(), head.left_dbtime_before.get())?;
        let redo_right = need(head.right_page.get(), head.right_dbtime_before.get())?;
        if self.need_new(target, dbtime)? {
            let content = match redo_source {
                true => self.store.page(source)?.page.clone(),
                false => self.moved_image(record)?,
            };
            self.create(target, dbtime, |page| {
                page.copy_from(&content, dbtime);
                Ok(())
            })?;
        }
        if redo_source {
            self.change(source, dbtime, EditPage::make_empty)?;
        }
        if redo_parent {
            let Ok(line) = usize::try_from(head.parent_line.get()) else {
                return Err(self.contradiction("a page move without a place in the parent".into()));
            };
            self.change(parent, dbtime, |page| {
                if page.node_data(line)? != source.to_le_bytes() {
                    let expected = format!("page {source}");
                    return Err(page.fault("page pointer", expected, "another page"));
                }
                page.set_child(line, target)
            })?;
        }
        if redo_left {
            self.change(head.left_page.get(), dbtime, |page| {
                page.set_next(target);
                Ok(())
            })?;
        }
        if redo_right {
            self.change(head.right_page.get(), dbtime, |page| {
                page.set_previous(target);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// The page before its move, from the record.
    fn moved_image(&self, record: &PageMove<'_>) -> Result<EditPage> {
        let size = self.store.page_size();
        let (header, trailer) = (record.page_header, record.page_trailer);
        let Some(gap) = size.bytes().checked_sub(header.len() + trailer.len()) else {
            return Err(self.contradiction("a page move with more than a page".into()));
        };
        let bytes = [header, &vec![0; gap], trailer].concat();
        Ok(EditPage::new(
            record.head.page.page.get(),
            size,
            bytes.into(),
        ))
    }

    /// Replays the macro of a root move: three page moves, the children's headers, and the catalog's rows.
    pub(super) fn move_root(&mut self, records: &[(Lgpos, Record<'_>)]) -> Result<()> {
        let Some(((_, Record::RootPageMove(root)), rest)) = records.split_first() else {
            return Ok(());
        };
        if !self.concerns(root.database) {
            return Ok(());
        }
        let dbtime = root.dbtime.get();
        let moves = || {
            rest.iter().filter_map(|(_, record)| match record {
                Record::PageMove(record) => Some(record),
                _ => None,
            })
        };
        let owned_root = moves()
            .find(|record| record.head.root_flags.get() & OWNED_ROOT != 0)
            .map(|record| record.head.destination.get());

        for record in moves() {
            let head = record.head;
            let (source, target) = (head.page.page.get(), head.destination.get());
            let before = head.page.dbtime_before.get();
            if head.root_flags.get() & ROOT != 0 {
                self.forget_tree(root.database, source);
            }
            let redo_source = self.need(source, before, dbtime)?.redo();
            if self.need_new(target, dbtime)? {
                let content = self.moved_image(record)?;
                self.create(target, dbtime, |page| {
                    page.copy_from(&content, dbtime);
                    match (head.root_flags.get() & ROOT, owned_root) {
                        (ROOT, Some(owned)) => set_owned_root(page, owned),
                        _ => Ok(()),
                    }
                })?;
            }
            if redo_source {
                self.change(source, dbtime, EditPage::make_empty)?;
            }
        }
        // Two rows of a catalog may stand on one page, which then is changed twice at the same DBTIME.
        let mut changed: Vec<Pgno> = Vec::new();
        for (_, record) in rest {
            let head = match record {
                Record::SetExternalHeader(record) => record.head,
                Record::Replace(record) => record.head,
                Record::PageMove(_) => continue,
                _ => return Err(self.contradiction("an unexpected record in a root move".into())),
            };
            let number = head.page.page.get();
            let before = head.page.dbtime_before.get();
            if !changed.contains(&number) {
                if !self.need(number, before, dbtime)?.redo() {
                    continue;
                }
                changed.push(number);
            }
            self.change(number, dbtime, |page| match record {
                Record::SetExternalHeader(record) => set_space_header(page, record.data),
                Record::Replace(record) => {
                    page.replace_data(head.page.line.get().into(), record.content)
                }
                _ => Ok(()),
            })?;
        }
        Ok(())
    }
}

/// Makes the space header of a root name the root of its owned extents.
fn set_owned_root(page: &mut EditPage, owned: Pgno) -> Result<(), crate::page::Fault> {
    let mut header = match page.line(0)? {
        line if line.len() > 16 => line[1..].to_vec(),
        line => line.to_vec(),
    };
    match header.get_mut(12..16) {
        Some(place) => place.copy_from_slice(&owned.to_le_bytes()),
        None => {
            let found = format!("{} bytes", header.len());
            return Err(page.fault("external header", "a space header of 16 bytes", found));
        }
    }
    header.truncate(16);
    set_space_header(page, &header)
}
