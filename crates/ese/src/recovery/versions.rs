//! What the open transactions of a session have changed, so that it can be taken back: the engine's version store, as
//! far as recovery needs it.

use std::collections::HashSet;
use std::ops::Range;

use super::redo::macros::OpenMacro;

/// How a change is taken back.
#[derive(Debug, Clone)]
pub(super) enum Change {
    /// The node is marked as deleted.
    Insert,
    /// The node gets the data that it had before; where that lies.
    Replace { before: Range<usize> },
    /// The node's deletion mark is cleared.
    FlagDelete,
    /// The sum is subtracted.
    Add {
        offset: u16,
        delta: i64,
        is_64_bit: bool,
    },
}

/// A change of an open transaction.
#[derive(Debug, Clone)]
pub(super) struct Version {
    /// The number that log records name it by (RCEID).
    pub id: u32,
    /// The transaction level that it belongs to.
    pub level: u8,
    /// The root of the tree.
    pub root: u32,
    /// The tree's OBJID.
    pub object: u32,
    /// The node's key.
    pub key: Range<usize>,
    /// The node's data, where keys repeat; otherwise empty.
    pub data: Range<usize>,
    pub unique: bool,
    pub change: Change,
}

/// The tree and node that a change was made to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub root: u32,
    pub object: u32,
    pub unique: bool,
    pub key: &'a [u8],
    /// The node's data; counts only where keys repeat.
    pub data: &'a [u8],
}

/// A session (PROCID) of the engine that wrote the log.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// The beginning of a transaction was seen. Before that, all changes of the session are in the database already.
    pub begun: bool,
    pub level: u8,
    pub macros: Vec<OpenMacro>,
    versions: Vec<Version>,
    ids: HashSet<u32>,
    /// Versions whose before-image an undo-info record has yet to supply.
    deferred: HashSet<u32>,
    /// Keys and before-images of the versions.
    bytes: Vec<u8>,
}

impl Session {
    /// The changes of the open transactions, of lower levels first, and in the order in which they were made.
    pub fn versions(&self) -> &[Version] {
        &self.versions
    }

    pub fn bytes(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }

    /// How many before-images are still unknown.
    pub fn deferred(&self) -> usize {
        self.deferred.len()
    }

    /// Notes a change; `before` is the data before, for a replacement.
    pub fn add(&mut self, id: u32, level: u8, place: Place<'_>, change: Change, before: &[u8]) {
        if self.level == 0 || !self.ids.insert(id) {
            return;
        }
        self.deferred.remove(&id);
        let level = level.min(self.level);
        let key = self.keep(place.key);
        let data = match place.unique {
            true => 0..0,
            false => self.keep(place.data),
        };
        let change = match change {
            Change::Replace { .. } => Change::Replace {
                before: self.keep(before),
            },
            other => other,
        };
        let version = Version {
            id,
            level,
            root: place.root,
            object: place.object,
            key,
            data,
            unique: place.unique,
            change,
        };
        let at = match self.versions.last() {
            Some(last) if last.level > level => {
                self.versions.partition_point(|other| other.level <= level)
            }
            _ => self.versions.len(),
        };
        self.versions.insert(at, version);
    }

    /// Notes that the before-image of a change is not known yet.
    pub fn defer(&mut self, id: u32) {
        if self.level > 0 && !self.ids.contains(&id) {
            self.deferred.insert(id);
        }
    }

    /// Takes the version with this number out.
    pub fn remove(&mut self, id: u32) -> Option<Version> {
        self.deferred.remove(&id);
        if !self.ids.remove(&id) {
            return None;
        }
        let at = self.versions.iter().rposition(|version| version.id == id)?;
        Some(self.versions.remove(at))
    }

    /// Ends the transactions above `level`; their changes become those of that level.
    pub fn commit_to(&mut self, level: u8) {
        self.level = self.level.min(level);
        if self.level == 0 {
            return self.forget();
        }
        let level = self.level;
        for version in self.versions.iter_mut().rev() {
            if version.level <= level {
                break;
            }
            version.level = level;
        }
    }

    /// Ends `levels` transactions; what they changed was taken back by records of its own.
    pub fn roll_back(&mut self, levels: u8) {
        self.level = self.level.saturating_sub(levels);
        if self.level == 0 {
            return self.forget();
        }
        while let Some(last) = self.versions.pop_if(|last| last.level > self.level) {
            self.ids.remove(&last.id);
        }
    }

    fn forget(&mut self) {
        self.versions.clear();
        self.ids.clear();
        self.deferred.clear();
        self.bytes.clear();
        // A huge transaction's memory is not kept for the small ones that follow.
        self.bytes.shrink_to(1 << 20);
    }

    fn keep(&mut self, bytes: &[u8]) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(bytes);
        start..self.bytes.len()
    }
}
