//! The changes of a session's open transactions, kept for rollback: the engine's version store, as
//! far as recovery needs it.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasherDefault;
use std::ops::Range;

use crate::edit::EditPage;
use crate::page::{Fault, Key};
use crate::page_store::NumberHasher;

/// The rollback of a change.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// Marks the node as deleted.
    Insert,
    /// Restores the node's former data.
    Replace { before: Range<usize> },
    /// Clears the node's deletion mark.
    FlagDelete,
    /// Subtracts the sum.
    Add {
        offset: u16,
        delta: i64,
        is_64_bit: bool,
    },
}

/// A change of an open transaction.
#[derive(Debug, Clone)]
pub(super) struct Version {
    /// The root of the tree.
    pub root: u32,
    /// The tree's OBJID.
    pub object: u32,
    /// The node's key.
    pub key: Range<usize>,
    /// The node's data if keys repeat; otherwise empty.
    pub data: Range<usize>,
    pub unique: bool,
    pub change: Change,
}

/// The changed node.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChangedNode<'a> {
    pub root: u32,
    pub object: u32,
    pub unique: bool,
    pub key: Key<'a>,
    /// The node's data; used only if keys repeat.
    pub data: &'a [u8],
}

/// The changes of a session's open transactions.
#[derive(Debug, Default)]
pub(super) struct Versions {
    /// The number of open transactions, one inside the other.
    level: u8,
    /// The changes, by their number in log records (RCEID).
    versions: HashMap<u32, Version, BuildHasherDefault<NumberHasher>>,
    /// The numbers of the changes of each transaction level, from level 0 on; some may be removed.
    levels: Vec<Vec<u32>>,
    /// Versions whose before-image an undo-info record has yet to supply, with the root of their
    /// tree.
    deferred: HashMap<u32, u32>,
    /// The roots of the trees with changes.
    trees: HashSet<u32, BuildHasherDefault<NumberHasher>>,
    /// Keys and before-images of the versions.
    bytes: Vec<u8>,
}

impl Change {
    /// Rolls the change back on its page; `before` is the replaced data.
    pub fn roll_back(&self, page: &mut EditPage, line: usize, before: &[u8]) -> Result<(), Fault> {
        match self {
            Change::Insert => page.set_deleted(line, true),
            Change::FlagDelete => page.set_deleted(line, false),
            Change::Replace { .. } => page.replace_data(line, before),
            Change::Add {
                offset,
                delta,
                is_64_bit,
            } => page.add_to_number(line, (*offset).into(), delta.wrapping_neg(), *is_64_bit),
        }
    }
}

impl Versions {
    /// The number of open transactions.
    pub fn level(&self) -> u8 {
        self.level
    }

    /// Begins transactions up to `level`.
    pub fn begin(&mut self, level: u8) {
        self.level = self.level.max(level);
    }

    /// Continues the transaction as a new one.
    pub fn refresh(&mut self) {
        self.level = 1;
    }

    /// Whether open transactions have changes.
    pub fn has_versions(&self) -> bool {
        !self.versions.is_empty()
    }

    /// The changes in order of rollback: the deepest level first, and within a level the latest
    /// first.
    pub fn latest_first(&self) -> Vec<&Version> {
        let mut order = Vec::with_capacity(self.versions.len());
        for level in self.levels.iter().rev() {
            let mut ids = level.clone();
            // Numbers wrap around, so compare them by distance.
            ids.sort_by(|a, b| (b.wrapping_sub(*a) as i32).cmp(&0));
            ids.dedup();
            order.extend(ids.iter().filter_map(|id| self.versions.get(id)));
        }
        order
    }

    pub fn bytes(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }

    /// The number of unknown before-images.
    pub fn deferred(&self) -> usize {
        self.deferred.len()
    }

    /// The root of a tree with a change whose before-image is unknown.
    pub fn deferred_root(&self) -> u32 {
        self.deferred.values().copied().min().unwrap_or(0)
    }

    /// Records a change; `before` is the former data, for a replacement.
    pub fn add(
        &mut self,
        id: u32,
        level: u8,
        node: ChangedNode<'_>,
        change: Change,
        before: &[u8],
    ) {
        if self.level == 0 || self.versions.contains_key(&id) {
            return;
        }
        self.deferred.remove(&id);
        self.trees.insert(node.root);
        let key = self.keep(node.key.prefix).start..self.keep(node.key.suffix).end;
        let data = match node.unique {
            true => 0..0,
            false => self.keep(node.data),
        };
        let change = match change {
            Change::Replace { .. } => Change::Replace {
                before: self.keep(before),
            },
            other => other,
        };
        let version = Version {
            root: node.root,
            object: node.object,
            key,
            data,
            unique: node.unique,
            change,
        };
        self.versions.insert(id, version);
        let level = usize::from(level.min(self.level));
        if self.levels.len() <= level {
            self.levels.resize(level + 1, Vec::new());
        }
        self.levels[level].push(id);
    }

    /// Records a change to the tree with this root whose before-image is not known yet.
    pub fn defer(&mut self, id: u32, root: u32) {
        if self.level > 0 && !self.versions.contains_key(&id) {
            self.deferred.insert(id, root);
            self.trees.insert(root);
        }
    }

    /// Drops the changes to the tree with this root.
    pub fn forget_tree(&mut self, root: u32) {
        if self.trees.remove(&root) {
            self.versions.retain(|_, version| version.root != root);
            self.deferred.retain(|_, of| *of != root);
        }
    }

    /// Removes and returns the version with this number.
    pub fn remove(&mut self, id: u32) -> Option<Version> {
        self.deferred.remove(&id);
        self.versions.remove(&id)
    }

    /// Ends the transactions above `level`; their changes become those of that level.
    pub fn commit_to(&mut self, level: u8) {
        self.level = self.level.min(level);
        if self.level == 0 {
            return self.forget();
        }
        let level = usize::from(self.level);
        while self.levels.len() > level + 1 {
            let mut ended = self.levels.pop().unwrap_or_default();
            if let Some(below) = self.levels.last_mut() {
                below.append(&mut ended);
            }
        }
    }

    /// Ends `levels` transactions, whose changes were rolled back by records of their own.
    pub fn roll_back(&mut self, levels: u8) {
        self.level = self.level.saturating_sub(levels);
        if self.level == 0 {
            return self.forget();
        }
        let level = usize::from(self.level);
        while self.levels.len() > level + 1 {
            for id in self.levels.pop().unwrap_or_default() {
                self.versions.remove(&id);
            }
        }
    }

    fn forget(&mut self) {
        // The memory of a huge transaction is not kept for small ones.
        self.versions.clear();
        self.versions.shrink_to(1 << 14);
        self.levels.clear();
        self.deferred.clear();
        self.trees.clear();
        self.bytes.clear();
        self.bytes.shrink_to(1 << 20);
    }

    fn keep(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }
}
