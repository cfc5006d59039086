//! Redo of splits: a macro with a record for each level of the tree, from the top down, and one for
//! the node that did not fit.

use super::super::error::{Error, Result};
use super::pages::Pages;
use super::sessions::Sessions;
use crate::edit::{EditPage, LooseNode};
use crate::log::record::{NodeHead, PageHead, Record, Split, SplitKind};
use crate::page::{Fault, Key, NodeFlags};

const LEAF: u32 = 0x02;

/// The node operation that caused a leaf to split.
#[derive(Clone, Copy)]
struct LeafChange<'a> {
    head: &'a NodeHead,
    kind: LeafKind,
    /// The whole key; empty for a replacement, whose node is on the page.
    key: Key<'a>,
    data: &'a [u8],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum LeafKind {
    Insert,
    Replace,
    FlagInsertReplace { replace_version: u32 },
}

/// The change to the node at `operation_line` of a split.
#[derive(Clone, Copy)]
enum LineChange<'a> {
    None,
    Insert(LooseNode<'a>),
    Replace(&'a [u8]),
    FlagInsertReplace(&'a [u8]),
}

/// One level of a split, with the pages that need redo.
struct Level<'a> {
    split: &'a Split<'a>,
    redo_page: bool,
    redo_new: bool,
    redo_right: bool,
    /// The page before the split, if redo needs its nodes.
    before: Option<EditPage>,
}

/// The node that a split child adds to its parent: the separator, which leads to the old page. The
/// node after it then leads to the new page.
struct Separator<'a> {
    key: &'a [u8],
    page: [u8; 4],
    new_page: [u8; 4],
}

impl<'a> Separator<'a> {
    fn of(child: &Split<'a>) -> Self {
        Separator {
            key: child.parent_key,
            page: child.head.page.page.get().to_le_bytes(),
            new_page: child.head.new_page.get().to_le_bytes(),
        }
    }

    fn node(&self) -> LooseNode<'_> {
        LooseNode::new(self.key, &self.page)
    }
}

/// The records of a split's macro.
pub(super) struct SplitMacro<'a> {
    /// From the top of the tree down.
    splits: Vec<&'a Split<'a>>,
    lowest: &'a Split<'a>,
    leaf: Option<LeafChange<'a>>,
}

impl<'a> SplitMacro<'a> {
    /// Sorts the records of the macro.
    ///
    /// # Errors
    /// The reason why they are invalid.
    pub fn of(records: &'a [Record<'a>]) -> Result<Self, &'static str> {
        let mut splits = Vec::new();
        let mut leaf = None;
        for record in records {
            match record {
                Record::Split(split) => splits.push(split),
                Record::Insert(insert) => {
                    leaf = Some(LeafChange {
                        head: insert.head,
                        kind: LeafKind::Insert,
                        key: Key {
                            prefix: insert.prefix,
                            suffix: insert.suffix,
                        },
                        data: insert.data,
                    });
                }
                Record::Replace(replace) => {
                    leaf = Some(LeafChange {
                        head: replace.head,
                        kind: LeafKind::Replace,
                        key: Key::default(),
                        data: replace.content,
                    });
                }
                Record::FlagInsertReplace(replace) => {
                    leaf = Some(LeafChange {
                        head: replace.head,
                        kind: LeafKind::FlagInsertReplace {
                            replace_version: replace.replace_version,
                        },
                        key: Key::whole(replace.key),
                        data: replace.data,
                    });
                }
                _ => return Err("an unexpected record in a split"),
            }
        }
        let lowest = splits.last().copied().ok_or("a split without a record")?;
        Ok(SplitMacro {
            splits,
            lowest,
            leaf,
        })
    }

    /// The number of the database.
    pub fn database(&self) -> u8 {
        self.lowest.head.page.database
    }
}

/// The redo of splits.
pub(super) struct SplitRedo<'a> {
    pub pages: &'a mut Pages,
    pub sessions: &'a mut Sessions,
}

impl SplitRedo<'_> {
    pub fn redo(&mut self, split: &SplitMacro<'_>) -> Result<()> {
        let SplitMacro {
            splits,
            lowest,
            leaf,
        } = split;
        if lowest.head.new_page == 0 {
            return Err(self.contradiction("a split whose lowest level has no new page".into()));
        }

        let mut levels = Vec::with_capacity(splits.len());
        for (index, split) in splits.iter().enumerate() {
            let child = splits.get(index + 1);
            levels.push(self.look_at_level(split, child.copied())?);
        }
        if let (Some(level), Some(leaf)) = (levels.last(), leaf) {
            self.add_split_versions(level, leaf)?;
        }
        for (index, level) in levels.iter().enumerate() {
            let child = splits.get(index + 1).copied().map(Separator::of);
            if level.split.head.new_page == 0 {
                self.insert_into_parent(level, child)?;
                continue;
            }
            let change = self.line_change(level.split, child.as_ref(), leaf.as_ref())?;
            self.redo_level(level, child.as_ref(), change)?;
        }
        Ok(())
    }

    fn contradiction(&self, what: String) -> Error {
        self.pages.contradiction(what)
    }

    /// Determines which of the level's pages need the split, and gets the nodes to divide.
    fn look_at_level<'a>(
        &mut self,
        split: &'a Split<'a>,
        child: Option<&Split<'_>>,
    ) -> Result<Level<'a>> {
        let head = split.head;
        let dbtime = head.page.dbtime.get();
        let before = match child {
            Some(child) => child.head.parent_dbtime_before.get(),
            None => head.page.dbtime_before.get(),
        };
        let page = head.page.page.get();
        let mut level = Level {
            split,
            redo_page: self.pages.need(page, before, dbtime)?.redo(),
            redo_new: false,
            redo_right: false,
            before: None,
        };
        if head.new_page == 0 {
            return Ok(level);
        }
        level.redo_new = self.pages.need_new(head.new_page.get(), dbtime)?;
        let (right, right_before) = (head.right_page.get(), head.right_dbtime_before.get());
        level.redo_right = (self.pages).need_if_named(right, right_before, dbtime)?;
        if level.redo_page {
            level.before = Some(self.pages.store.page(page)?.page.clone());
        } else if level.redo_new && needs_image(split) {
            level.before = Some(self.pages.image(split.image, page, "split")?);
        }
        Ok(level)
    }

    /// Records the change of a split's node operation, for rollback.
    fn add_split_versions(&mut self, level: &Level<'_>, leaf: &LeafChange<'_>) -> Result<()> {
        let head = level.split.head;
        if !leaf.head.page.has(PageHead::FLAG_VERSIONED) || head.operation == 0 {
            return Ok(());
        }
        let redone = match head.operation_line.get() < head.split_line.get() {
            true => level.before.is_some(),
            false => level.redo_new,
        };
        let replace_version = match leaf.kind {
            LeafKind::Insert => None,
            LeafKind::Replace => Some(leaf.head.version.get()),
            LeafKind::FlagInsertReplace { replace_version } => Some(replace_version),
        };
        if leaf.kind != LeafKind::Replace {
            self.sessions.add_insert(leaf.head, leaf.key, leaf.data);
        }
        let Some(version) = replace_version else {
            return Ok(());
        };
        if !redone {
            self.sessions.defer(leaf.head, version);
            return Ok(());
        }
        let line = usize::from(head.operation_line.get());
        let before = level.before.as_ref();
        let old = before.map(|page| page.view()?.node(line)).transpose();
        match old.map_err(|fault| self.pages.fault(fault))? {
            Some(old) => {
                (self.sessions).add_replace(leaf.head, version, old.key, old.data);
                Ok(())
            }
            None => {
                let what = "a split replaces a node that its page does not have";
                Err(self.contradiction(what.into()))
            }
        }
    }

    /// The change to a node at this level besides the split: on a leaf the node operation, above it
    /// the insertion of the child's separator.
    fn line_change<'a>(
        &self,
        split: &Split<'_>,
        child: Option<&'a Separator<'_>>,
        leaf: Option<&LeafChange<'a>>,
    ) -> Result<LineChange<'a>> {
        let head = split.head;
        if head.operation == 0 {
            return Ok(LineChange::None);
        }
        if head.new_page_flags.get() & LEAF == 0 {
            return match child {
                Some(child) => Ok(LineChange::Insert(child.node())),
                None => Err(self.contradiction("a split of a branch page alone".into())),
            };
        }
        let Some(leaf) = leaf else {
            return Err(self.contradiction("a split without the operation that it names".into()));
        };
        Ok(match leaf.kind {
            LeafKind::Insert => LineChange::Insert(LooseNode {
                key: leaf.key,
                data: leaf.data,
                flags: 0,
            }),
            LeafKind::Replace => LineChange::Replace(leaf.data),
            LeafKind::FlagInsertReplace { .. } => LineChange::FlagInsertReplace(leaf.data),
        })
    }

    /// Changes a parent that has room: inserts the child's separator, and makes the node after it
    /// lead to the new page.
    fn insert_into_parent(
        &mut self,
        level: &Level<'_>,
        child: Option<Separator<'_>>,
    ) -> Result<()> {
        if !level.redo_page {
            return Ok(());
        }
        let Some(child) = child else {
            return Err(self.contradiction("a split without a new page".into()));
        };
        let head = level.split.head;
        self.pages
            .change(head.page.page.get(), head.page.dbtime.get(), |page| {
                let (line, found) = seek_separator(page, child.key)?;
                if found || line >= page.node_count() {
                    return Err(page.fault("separator", "a greater one after it", "none"));
                }
                if page.node_data(line)? != child.page {
                    let expected = format!("page {}", u32::from_le_bytes(child.page));
                    return Err(page.fault("page pointer", expected, "another page"));
                }
                page.insert_node(line, &child.node())?;
                page.set_child(line + 1, u32::from_le_bytes(child.new_page))
            })
    }

    /// Divides a page.
    fn redo_level(
        &mut self,
        level: &Level<'_>,
        child: Option<&Separator<'_>>,
        change: LineChange<'_>,
    ) -> Result<()> {
        let head = level.split.head;
        let Some(kind) = level.split.kind() else {
            return Err(self.contradiction(format!("a split of kind {}", head.kind)));
        };
        let (page, new_page) = (head.page.page.get(), head.new_page.get());
        let dbtime = head.page.dbtime.get();
        let is_leaf = head.new_page_flags.get() & LEAF != 0;

        if level.redo_page || level.redo_new {
            let (left, right) = match &level.before {
                Some(before) => self.divide(level.split, child, before, change)?,
                // Only the operation's node goes to the new page.
                None => match change {
                    LineChange::Insert(node) => (Vec::new(), vec![node]),
                    _ => return Err(self.contradiction("a split that moves nothing".into())),
                },
            };
            if level.redo_new {
                self.fill_new_page(level.split, &right)?;
            }
            if level.redo_page {
                self.pages.change(page, dbtime, |page| match kind {
                    SplitKind::Vertical => {
                        page.rebuild(&[], &[])?;
                        page.set_split_flags(head.split_page_flags.get());
                        page.insert_node(0, &LooseNode::new(&[], &new_page.to_le_bytes()))
                    }
                    SplitKind::Append => Ok(()),
                    SplitKind::Right => {
                        let prefix = match head.prefix_line_split.get() {
                            -1 => &[][..],
                            _ => level.split.prefix_split_new,
                        };
                        page.rebuild(prefix, &left)
                    }
                })?;
            }
        }
        if kind == SplitKind::Vertical || !is_leaf {
            return Ok(());
        }
        let right_page = head.right_page.get();
        if level.redo_new {
            let cached = self.pages.store.page(new_page)?;
            cached.page.set_previous(page);
            cached.page.set_next(right_page);
        }
        if level.redo_page {
            self.pages.store.page(page)?.page.set_next(new_page);
        }
        if level.redo_right {
            self.pages.change(right_page, dbtime, |page| {
                page.set_previous(new_page);
                Ok(())
            })?;
        }
        Ok(())
    }

    fn fill_new_page(&mut self, split: &Split<'_>, nodes: &[LooseNode<'_>]) -> Result<()> {
        let head = split.head;
        let prefix = match usize::try_from(head.prefix_line_new.get()) {
            Err(_) => Vec::new(),
            Ok(line) => match nodes.get(line) {
                Some(node) => node.key.to_vec(),
                None => {
                    let what = "a split that takes its prefix from a node that it does not move";
                    return Err(self.contradiction(what.into()));
                }
            },
        };
        let dbtime = head.page.dbtime.get();
        self.pages.create(head.new_page.get(), dbtime, |page| {
            let (object, flags) = (head.object.get(), head.new_page_flags.get());
            page.initialise_with_flags(object, dbtime, flags);
            page.rebuild(&prefix, nodes)
        })
    }

    /// The nodes that stay and those that go to the new page.
    fn divide<'a>(
        &self,
        split: &Split<'_>,
        child: Option<&'a Separator<'_>>,
        before: &'a EditPage,
        change: LineChange<'a>,
    ) -> Result<(Vec<LooseNode<'a>>, Vec<LooseNode<'a>>)> {
        let head = split.head;
        let line = usize::from(head.operation_line.get());
        let misfit = || self.contradiction("a split that does not fit its page".into());
        let mut nodes = before
            .loose_nodes()
            .map_err(|fault| self.pages.fault(fault))?;
        match change {
            LineChange::None => {}
            LineChange::Insert(node) => {
                if line > nodes.len() {
                    return Err(misfit());
                }
                nodes.insert(line, node);
                if head.new_page_flags.get() & LEAF == 0 {
                    let (Some(next), Some(child)) = (nodes.get_mut(line + 1), child) else {
                        return Err(misfit());
                    };
                    if next.data != child.page {
                        return Err(misfit());
                    }
                    next.data = &child.new_page;
                }
            }
            LineChange::Replace(data) => nodes.get_mut(line).ok_or_else(misfit)?.data = data,
            LineChange::FlagInsertReplace(data) => {
                let node = nodes.get_mut(line).ok_or_else(misfit)?;
                node.data = data;
                node.flags &= !NodeFlags::DELETED;
            }
        }
        let split_line = usize::from(head.split_line.get());
        if nodes.len() != usize::from(head.lines.get()) || split_line > nodes.len() {
            return Err(misfit());
        }
        let right = nodes.split_off(split_line);
        Ok((nodes, right))
    }
}

/// Whether the new page of a split gets nodes of the old one.
fn needs_image(split: &Split<'_>) -> bool {
    const INSERT: u8 = 1;
    let head = split.head;
    match split.kind() {
        Some(SplitKind::Append) => false,
        Some(SplitKind::Right) => {
            !(head.operation == INSERT
                && head.split_line == head.operation_line
                && head.split_line.get().checked_add(1) == Some(head.lines.get()))
        }
        _ => true,
    }
}

/// Finds the first node of a branch page that is not less than `key`; the null key is greater than
/// all.
fn seek_separator(page: &EditPage, key: &[u8]) -> Result<(usize, bool), Fault> {
    let view = page.view()?;
    let (mut low, mut high) = (0, view.node_count());
    let mut equal = false;
    while low < high {
        let middle = low + (high - low) / 2;
        let node = view.node(middle)?;
        let order = match node.key.is_empty() {
            true => std::cmp::Ordering::Greater,
            false => node.key.cmp_pieces(&[key]),
        };
        if order == std::cmp::Ordering::Less {
            low = middle + 1;
        } else {
            high = middle;
            equal = order == std::cmp::Ordering::Equal;
        }
    }
    Ok((low, equal))
}
