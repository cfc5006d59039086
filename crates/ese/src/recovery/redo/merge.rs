//! Redo of merges: a macro with a record for each changed level of the tree, the leaf's last.

use super::super::error::Result;
use super::pages::Pages;
use crate::edit::EditPage;
use crate::log::record::{Merge, MergeHead, MergeKind, Record};
use crate::page::{Fault, NodeFlags};

/// The pages of the leaf's level that need redo.
#[derive(Clone, Copy)]
struct LeafNeeds {
    page: bool,
    left: bool,
    right: bool,
}

/// The records of a merge's macro.
pub(super) struct MergeMacro<'a> {
    /// All changed levels, the leaf's last.
    merges: Vec<&'a Merge<'a>>,
    leaf: &'a Merge<'a>,
}

impl<'a> MergeMacro<'a> {
    /// Sorts the records of the macro.
    ///
    /// # Errors
    /// The reason why they are invalid.
    pub fn of(records: &'a [Record<'a>]) -> Result<Self, &'static str> {
        let mut merges = Vec::with_capacity(records.len());
        for record in records {
            match record {
                Record::Merge(merge) => merges.push(merge),
                _ => return Err("an unexpected record in a merge"),
            }
        }
        let leaf = merges.last().copied().ok_or("a merge without a record")?;
        Ok(MergeMacro { merges, leaf })
    }

    /// The number of the database.
    pub fn database(&self) -> u8 {
        self.leaf.head.page.database
    }
}

/// The redo of merges.
pub(super) struct MergeRedo<'a> {
    pub pages: &'a mut Pages,
}

impl MergeRedo<'_> {
    pub fn redo(&mut self, merge: &MergeMacro<'_>) -> Result<()> {
        let MergeMacro { merges, leaf } = merge;
        let Some(kind) = leaf.kind() else {
            return Err(self
                .pages
                .contradiction(format!("a merge of kind {}", leaf.head.kind)));
        };

        let mut redo = Vec::with_capacity(merges.len());
        for (index, merge) in merges.iter().enumerate() {
            let before = match merges.get(index + 1) {
                Some(child) => child.head.parent_dbtime_before.get(),
                None => merge.head.page.dbtime_before.get(),
            };
            let head = merge.head;
            let need = self
                .pages
                .need(head.page.page.get(), before, head.page.dbtime.get())?;
            redo.push(need.redo());
        }
        let dbtime = leaf.head.page.dbtime.get();
        let left = self.pages.need_if_named(
            leaf.head.left_page.get(),
            leaf.head.left_dbtime_before.get(),
            dbtime,
        )?;
        let right = self.pages.need_if_named(
            leaf.head.right_page.get(),
            leaf.head.right_dbtime_before.get(),
            dbtime,
        )?;
        let needs = LeafNeeds {
            page: redo.last().copied().unwrap_or(false),
            left,
            right,
        };

        let parents = merges.iter().take(merges.len() - 1);
        for (merge, redo) in parents.zip(redo) {
            if redo {
                self.redo_parent(merge.head, leaf, kind)?;
            }
        }
        self.redo_leaf(leaf, kind, needs)
    }

    /// Redoes the change of a page above the leaf.
    fn redo_parent(&mut self, head: &MergeHead, leaf: &Merge<'_>, kind: MergeKind) -> Result<()> {
        let line = usize::from(head.page.line.get());
        let (delete, change_key) = (
            head.has(MergeHead::FLAG_DELETE_NODE),
            head.has(MergeHead::FLAG_KEY_CHANGE),
        );
        let left_page = leaf.head.left_page.get();
        self.pages
            .change(head.page.page.get(), head.page.dbtime.get(), |page| {
                let no_left = |page: &EditPage| page.fault("merge", "a node before line 0", "none");
                if kind == MergeKind::FullLeft && delete && change_key {
                    let before = line.checked_sub(1).ok_or_else(|| no_left(page))?;
                    page.set_child(line, left_page)?;
                    page.delete_node(before)?;
                } else if delete {
                    delete_pointer(page, line)?;
                } else if change_key {
                    let line = match kind {
                        MergeKind::PartialLeft => {
                            line.checked_sub(1).ok_or_else(|| no_left(page))?
                        }
                        _ => line,
                    };
                    page.change_key(line, leaf.parent_separator)?;
                }
                match head.has(MergeHead::FLAG_EMPTY_PAGE) {
                    true => page.make_empty(),
                    false => Ok(()),
                }
            })
    }

    fn redo_leaf(&mut self, leaf: &Merge<'_>, kind: MergeKind, needs: LeafNeeds) -> Result<()> {
        let head = leaf.head;
        let (page, dbtime) = (head.page.page.get(), head.page.dbtime.get());
        let (left_page, right_page) = (head.left_page.get(), head.right_page.get());
        let line = usize::from(head.merge_line.get());
        let (is_left, is_partial) = match kind {
            MergeKind::EmptyPage => (false, false),
            MergeKind::FullRight => (false, false),
            MergeKind::PartialRight => (false, true),
            MergeKind::FullLeft => (true, false),
            MergeKind::PartialLeft => (true, true),
            other => {
                return Err(self
                    .pages
                    .contradiction(format!("a merge of kind {other:?}")));
            }
        };
        let redo_target = match is_left {
            true => needs.left,
            false => needs.right,
        };
        if kind != MergeKind::EmptyPage && redo_target {
            let source = match needs.page {
                true => self.pages.store.page(page)?.page.clone(),
                false => self.pages.image(leaf.image, page, "merge")?,
            };
            let nodes = source
                .loose_nodes()
                .map_err(|fault| self.pages.fault(fault))?;
            let moved = match is_left {
                true => nodes.get(..=line),
                false => nodes.get(line..),
            };
            let Some(moved) = moved else {
                return Err(self
                    .pages
                    .contradiction("a merge that does not fit its page".into()));
            };
            // Nodes marked as deleted do not move.
            let moved = moved
                .iter()
                .filter(|node| node.flags & NodeFlags::DELETED == 0);
            let target = if is_left { left_page } else { right_page };
            self.pages.change(target, dbtime, |target| {
                let first = if is_left { target.node_count() } else { 0 };
                for (index, node) in moved.enumerate() {
                    target.insert_node(first + index, node)?;
                }
                Ok(())
            })?;
        }
        if needs.page {
            self.pages.change(page, dbtime, |page| {
                match kind {
                    MergeKind::PartialRight => page.delete_nodes_from(line)?,
                    MergeKind::PartialLeft => {
                        for index in (0..=line).rev() {
                            page.delete_node(index)?;
                        }
                    }
                    _ => {}
                }
                match head.has(MergeHead::FLAG_EMPTY_PAGE) {
                    true => page.make_empty(),
                    false => Ok(()),
                }
            })?;
        }
        if is_partial {
            // The other sibling is named, but its content does not change.
            return self.touch_untouched(needs, is_left, left_page, right_page, dbtime);
        }
        if needs.left {
            self.pages.change(left_page, dbtime, |page| {
                page.set_next(right_page);
                Ok(())
            })?;
        }
        if needs.right {
            self.pages.change(right_page, dbtime, |page| {
                page.set_previous(left_page);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Sets the DBTIME of the sibling that a partial merge does not otherwise change.
    fn touch_untouched(
        &mut self,
        needs: LeafNeeds,
        is_left: bool,
        left: u32,
        right: u32,
        dbtime: u64,
    ) -> Result<()> {
        let (needed, page) = match is_left {
            true => (needs.right, right),
            false => (needs.left, left),
        };
        match needed {
            true => self.pages.change(page, dbtime, |_| Ok(())),
            false => Ok(()),
        }
    }
}

/// Deletes a page pointer. The last pointer of a level has the null key; if it is deleted, the one
/// before inherits the null key.
fn delete_pointer(page: &mut EditPage, line: usize) -> Result<(), Fault> {
    let had_null_key = page.view()?.node(line)?.key.is_empty();
    page.delete_node(line)?;
    match line.checked_sub(1) {
        Some(before) if had_null_key => page.change_key(before, &[]),
        _ => Ok(()),
    }
}
