//! Indices that were built without log records.
//!
//! With circular logging the engine does not log how it builds an index over a large table
//! (`ErrFILEIBuildIndex`). It logs that the tree is created, fills it, writes its pages to the
//! file, and logs a change of its root that changes nothing (`ErrSPDummyUpdate`). Between these two
//! records the tree's pages get DBTIMEs that no record tells. If the engine dies amid that, the
//! transaction that creates the index never commits, and nobody reads these pages.

use std::collections::HashMap;

use super::origin::Origin;
use crate::log::record::Record;

/// Trees that were created in the logs, and when records of them went on.
#[derive(Debug, Default)]
pub(super) struct Builds {
    /// The logs were written with circular logging.
    expected: bool,
    /// By OBJID.
    trees: HashMap<u32, Build>,
    /// The OBJIDs of trees without a record since their creation, by session.
    open: HashMap<u16, Vec<u32>>,
}

/// DBTIMEs between which a tree's pages may have changed without a record.
#[derive(Debug, Clone, Copy)]
struct Build {
    after: u64,
    before: u64,
}

impl Builds {
    /// Whether to expect any.
    pub fn expect(&mut self, expected: bool) {
        self.expected = expected;
    }

    /// Takes note of a record of the database.
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
            // The engine's maintenance does not wait for the end of a build.
            Record::Scrub(_) => {}
            _ if self.open.is_empty() => {}
            _ => self.end(origin.object, origin.dbtime),
        }
    }

    /// The session's transaction was committed, where `dbtime` was the highest that records told.
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

    /// Whether a page of this tree may have got this DBTIME without a record.
    pub fn explain(&self, object: u32, dbtime: u64) -> bool {
        let build = self.trees.get(&object);
        self.expected && build.is_some_and(|build| build.after < dbtime && dbtime < build.before)
    }
}
