//! Indices built without log records.
//!
//! With circular logging the engine does not log how it builds an index over a large table
//! (`ErrFILEIBuildIndex`). It logs the creation of the tree, fills it, writes its pages to the
//! file, and logs a dummy update of its root (`ErrSPDummyUpdate`). Between these two records the
//! tree's pages get DBTIMEs that are in no record. If the engine dies in between, the transaction
//! that creates the index never commits, and nothing reads these pages.

use std::collections::HashMap;

use super::origin::Origin;
use crate::log::record::Record;

/// Trees created in the logs, and the first later record of each.
#[derive(Debug, Default)]
pub(super) struct Builds {
    /// Whether the logs were written with circular logging.
    expected: bool,
    /// The trees, by OBJID.
    trees: HashMap<u32, Build>,
    /// The OBJIDs of trees without a record since their creation, by session.
    open: HashMap<u16, Vec<u32>>,
}

/// The DBTIMEs between which a tree's pages may have changed without a record.
#[derive(Debug, Clone, Copy)]
struct Build {
    after: u64,
    before: u64,
}

impl Builds {
    /// Sets whether such builds may occur.
    pub fn expect(&mut self, expected: bool) {
        self.expected = expected;
    }

    /// Follows a record of the database.
    pub fn follow(&mut self, origin: Origin, record: &Record<'_>) {
        match record {
            Record::CreateSingleExtent(_) | Record::CreateMultipleExtent(_) => {
                let build = Build {
                    after: origin.dbtime,
                    before: u64::MAX,
                };
                self.trees.insert(origin.object, build);
                let open = self.open.entry(origin.session).or_default();
                open.push(origin.object);
            }
            // The engine's maintenance may scrub pages before a build ends.
            Record::Scrub(_) => {}
            _ if self.open.is_empty() => {}
            _ => self.end(origin.object, origin.dbtime),
        }
    }

    /// Commits the session's transaction; `dbtime` is the highest in the records so far.
    pub fn commit(&mut self, session: u16, dbtime: u64) {
        if self.open.is_empty() {
            return;
        }
        for object in self.open.remove(&session).unwrap_or_default() {
            self.end(object, dbtime.saturating_add(1));
        }
    }

    fn end(&mut self, object: u32, dbtime: u64) {
        if let Some(build) = self.trees.get_mut(&object)
            && build.before == u64::MAX
        {
            build.before = dbtime;
            self.open.retain(|_, objects| {
                objects.retain(|other| *other != object);
                !objects.is_empty()
            });
        }
    }

    /// Whether a page of this tree may have this DBTIME without a record.
    pub fn explain(&self, object: u32, dbtime: u64) -> bool {
        let build = self.trees.get(&object);
        self.expected && build.is_some_and(|build| build.after < dbtime && dbtime < build.before)
    }
}
