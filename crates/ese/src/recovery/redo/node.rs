//! Redo of records that change nodes of one page.

use super::super::error::Result;
use super::super::versions::Change;
use super::pages::{Need, Pages};
use super::sessions::{Sessions, node_of};
use crate::edit::{EditPage, same_key};
use crate::log::record::{
    Delta, EmptyTree, FlagInsertReplace, NodeHead, PageHead, Record, Replace, Scrub, Undo, UndoInfo,
};
use crate::page::{Fault, Key};

/// The numbers of changes in records (OPER).
const OPER_REPLACE: u16 = 2;
const OPER_FLAG_DELETE: u16 = 3;

/// The redo of these records.
pub(super) struct NodeRedo<'a> {
    pub pages: &'a mut Pages,
    pub sessions: &'a mut Sessions,
}

/// The head of a record that changes nodes of one page.
pub(super) fn node_head<'a>(record: &Record<'a>) -> Option<&'a NodeHead> {
    Some(match record {
        Record::Insert(record) => record.head,
        Record::FlagInsert(record) => record.head,
        Record::FlagInsertReplace(record) => record.head,
        Record::FlagDelete(head) | Record::Delete(head) => head,
        Record::Replace(record) | Record::ReplaceDelta(record) => record.head,
        Record::Delta(record) => record.head,
        Record::Undo(record) => record.head,
        Record::UndoInfo(record) => record.head,
        Record::SetExternalHeader(record) => record.head,
        Record::EmptyTree(record) => record.head,
        Record::Scrub(record) => record.head,
        _ => return None,
    })
}

fn is_versioned(head: &NodeHead) -> bool {
    head.page.has(PageHead::FLAG_VERSIONED)
}

fn line(head: &NodeHead) -> usize {
    head.page.line.get().into()
}

impl NodeRedo<'_> {
    pub fn redo(&mut self, record: &Record<'_>, head: &NodeHead) -> Result<()> {
        if let Record::UndoInfo(record) = record {
            return self.note_undo_info(record);
        }
        let page = head.page.page.get();
        let (before, after) = (head.page.dbtime_before.get(), head.page.dbtime.get());
        let need = self.pages.need(page, before, after)?;
        if need == Need::Redo {
            self.check_object(head)?;
        }
        let line = line(head);
        match record {
            Record::Insert(record) => {
                if is_versioned(head) {
                    let key = Key {
                        prefix: record.prefix,
                        suffix: record.suffix,
                    };
                    self.sessions.add_insert(head, key, record.data);
                }
                if need.redo() {
                    self.change_node(head, |page| {
                        page.insert_divided(line, record.prefix, record.suffix, record.data, 0)
                    })?;
                }
            }
            Record::FlagInsert(record) => {
                if is_versioned(head) {
                    (self.sessions).add_insert(head, Key::whole(record.key), record.data);
                }
                if need.redo() {
                    self.change_node(head, |page| page.set_deleted(line, false))?;
                }
            }
            Record::FlagInsertReplace(record) => self.redo_flag_insert_replace(record, need)?,
            Record::Replace(record) => self.redo_replace(record, need, false)?,
            Record::ReplaceDelta(record) => self.redo_replace(record, need, true)?,
            Record::FlagDelete(_) => self.redo_flag_delete(head, need)?,
            Record::Delete(_) if need.redo() => {
                self.change_node(head, |page| page.delete_node(line))?;
            }
            Record::Delta(record) => self.redo_delta(record, need)?,
            Record::Undo(record) => self.redo_undo(record, need)?,
            Record::SetExternalHeader(record) if need.redo() => {
                self.change_node(head, |page| page.set_external_header(record.data))?;
            }
            Record::EmptyTree(record) => self.redo_empty_tree(record, need)?,
            Record::Scrub(record) if need.redo() => {
                self.change_node(head, |page| scrub(page, record))?;
                self.pages.store.page(page)?.page.set_scrubbed();
            }
            _ => {}
        }
        Ok(())
    }

    fn change_node(
        &mut self,
        head: &NodeHead,
        change: impl FnOnce(&mut EditPage) -> Result<(), Fault>,
    ) -> Result<()> {
        (self.pages).change(head.page.page.get(), head.page.dbtime.get(), change)
    }

    fn check_object(&mut self, head: &NodeHead) -> Result<()> {
        let page = head.page.page.get();
        let (expected, found) = (
            head.object.get(),
            self.pages.store.page(page)?.page.object(),
        );
        match expected == found {
            true => Ok(()),
            false => {
                let what = format!("page {page} belongs to object {found}, not {expected}");
                Err(self.pages.contradiction(what))
            }
        }
    }

    /// Records the change to a node before it is made, while the page still holds the node's former
    /// content.
    fn add_version_of_current(
        &mut self,
        head: &NodeHead,
        version: u32,
        change: Change,
    ) -> Result<()> {
        let page = self.pages.store.page(head.page.page.get())?;
        let node = page.page.view().and_then(|page| page.node(line(head)));
        let node = match node {
            Ok(node) => node,
            Err(fault) => return Err(self.pages.fault(fault)),
        };
        match change {
            Change::Replace { .. } => {
                (self.sessions).add_replace(head, version, node.key, node.data);
            }
            change => self
                .sessions
                .add(head, version, node.key, node.data, change),
        }
        Ok(())
    }

    fn redo_replace(&mut self, record: &Replace<'_>, need: Need, is_delta: bool) -> Result<()> {
        let head = record.head;
        if !need.redo() {
            if is_versioned(head) {
                self.sessions.defer(head, head.version.get());
            }
            return Ok(());
        }
        if is_versioned(head) {
            self.add_version_of_current(
                head,
                head.version.get(),
                Change::Replace { before: 0..0 },
            )?;
        }
        let line = line(head);
        self.change_node(head, |page| {
            let old = page.node_data(line)?;
            if old.len() != usize::from(record.old_size) {
                let expected = format!("{} bytes", record.old_size);
                return Err(page.fault("replaced data", expected, format!("{} bytes", old.len())));
            }
            let patched;
            let new = match is_delta {
                true => {
                    patched = patch(old, record).ok_or_else(|| {
                        page.fault("replaced data", "differences that fit it", "others")
                    })?;
                    &patched[..]
                }
                false => record.content,
            };
            if new.len() != usize::from(record.new_size) {
                let expected = format!("{} bytes", record.new_size);
                return Err(page.fault("new data", expected, format!("{} bytes", new.len())));
            }
            page.replace_data(line, new)
        })
    }

    fn redo_flag_insert_replace(
        &mut self,
        record: &FlagInsertReplace<'_>,
        need: Need,
    ) -> Result<()> {
        let head = record.head;
        let versioned = is_versioned(head);
        if versioned {
            (self.sessions).add_insert(head, Key::whole(record.key), record.data);
        }
        if !need.redo() {
            if versioned {
                self.sessions.defer(head, record.replace_version);
            }
            return Ok(());
        }
        if versioned {
            let change = Change::Replace { before: 0..0 };
            self.add_version_of_current(head, record.replace_version, change)?;
        }
        let line = line(head);
        self.change_node(head, |page| {
            page.replace_data(line, record.data)?;
            page.set_deleted(line, false)
        })
    }

    fn redo_flag_delete(&mut self, head: &NodeHead, need: Need) -> Result<()> {
        if !need.redo() {
            if is_versioned(head) {
                self.sessions.defer(head, head.version.get());
            }
            return Ok(());
        }
        if is_versioned(head) {
            self.add_version_of_current(head, head.version.get(), Change::FlagDelete)?;
        }
        self.change_node(head, |page| page.set_deleted(line(head), true))
    }

    fn redo_delta(&mut self, record: &Delta<'_>, need: Need) -> Result<()> {
        let head = record.head;
        let (offset, delta) = (record.offset, record.delta);
        let is_64_bit = record.is_64_bit;
        if is_versioned(head) {
            let change = Change::Add {
                offset,
                delta,
                is_64_bit,
            };
            let (key, data) = (Key::whole(record.key), record.bookmark_data);
            self.sessions
                .add(head, head.version.get(), key, data, change);
        }
        if need.redo() {
            self.change_node(head, |page| {
                page.add_to_number(line(head), offset.into(), delta, is_64_bit)
            })?;
        }
        Ok(())
    }

    /// Redoes a rollback: the record of a change that was rolled back while the engine ran.
    fn redo_undo(&mut self, record: &Undo<'_>, need: Need) -> Result<()> {
        let head = record.head;
        let versions = self.sessions.versions(head.page.session.get());
        if versions.level() == 0 {
            return Ok(());
        }
        let id = head.version.get();
        let version = versions.remove(id);
        if !need.redo() {
            return Ok(());
        }
        let Some(version) = version else {
            let what = format!("what change {id:#x} replaced is not known");
            return Err(self.pages.contradiction(what));
        };
        let before = match &version.change {
            Change::Replace { before } => versions.bytes(before).to_vec(),
            _ => Vec::new(),
        };
        let line = line(head);
        self.change_node(head, |page| {
            if !same_key(page.view()?.node(line)?.key, record.key) {
                return Err(page.fault("node to restore", "the key of the record", "another"));
            }
            version.change.roll_back(page, line, &before)
        })
    }

    fn note_undo_info(&mut self, record: &UndoInfo<'_>) -> Result<()> {
        let head = record.head;
        let change = match record.operation {
            OPER_REPLACE => Change::Replace { before: 0..0 },
            OPER_FLAG_DELETE => Change::FlagDelete,
            other => {
                let what = format!("undo information for an operation of kind {other}");
                return Err(self.pages.contradiction(what));
            }
        };
        let node = node_of(head, Key::whole(record.key), record.bookmark_data);
        let (version, level) = (head.version.get(), head.page.level);
        let versions = self.sessions.versions(head.page.session.get());
        versions.add(version, level, node, change, record.data);
        Ok(())
    }

    fn redo_empty_tree(&mut self, record: &EmptyTree<'_>, need: Need) -> Result<()> {
        let dbtime = record.head.page.dbtime.get();
        for empty in record.pages {
            let number = empty.page.get();
            if (self.pages.need(number, empty.dbtime_before.get(), dbtime)?).redo() {
                (self.pages).change(number, dbtime, EditPage::make_empty)?;
            }
        }
        if need.redo() {
            self.change_node(record.head, |page| {
                const PARENT_OF_LEAF: u32 = 4;
                const LEAF: u32 = 2;
                page.delete_nodes_from(0)?;
                page.remove_flags(PARENT_OF_LEAF);
                page.add_flags(LEAF);
                Ok(())
            })?;
        }
        Ok(())
    }
}

/// The data after a delta replacement.
fn patch(old: &[u8], record: &Replace<'_>) -> Option<Vec<u8>> {
    let mut new = Vec::with_capacity(record.new_size.into());
    let mut at = 0;
    for difference in record.differences() {
        let difference = difference?;
        new.extend_from_slice(old.get(at..difference.offset)?);
        new.extend_from_slice(difference.new);
        at = difference.offset.checked_add(difference.old_size)?;
    }
    new.extend_from_slice(old.get(at..)?);
    Some(new)
}

/// Overwrites the unused or no longer used parts of a page.
fn scrub(page: &mut EditPage, record: &Scrub<'_>) -> Result<(), Fault> {
    const UNUSED_PAGE: u8 = b'U';
    const FREE_SPACE: u8 = b'Z';
    const DELETED_DATA: u8 = b'D';
    const LONG_VALUE: u8 = b'L';
    /// The compression scheme that marks a scrubbed value.
    const SCRUBBED_SCHEME: u8 = 4 << 3;
    if record.unused_page {
        page.delete_nodes_from(0)?;
        return page.overwrite_unused(UNUSED_PAGE);
    }
    if record.data.len() != page.node_count() {
        let expected = format!("{} nodes", record.data.len());
        let found = format!("{}", page.node_count());
        return Err(page.fault("scrubbed page", expected, found));
    }
    for (line, operation) in record.data.iter().enumerate() {
        match operation {
            0 => continue,
            1 => page.node_data_mut(line)?.fill(DELETED_DATA),
            2 => {
                let data = page.node_data_mut(line)?;
                data.fill(LONG_VALUE);
                if let Some(first) = data.first_mut() {
                    *first = SCRUBBED_SCHEME;
                }
            }
            other => {
                let found = other.to_string();
                return Err(page.fault("scrub operation", "0, 1 or 2", found));
            }
        }
        page.clear_versioned(line)?;
    }
    page.overwrite_unused(FREE_SPACE)
}
