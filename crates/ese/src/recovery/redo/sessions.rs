//! Sessions: their transactions, open macros, and uncommitted changes.

use std::collections::BTreeMap;

use super::super::versions::{Change, ChangedNode, Versions};
use super::macros::OpenMacro;
use crate::log::Entry;
use crate::log::record::{Begin, Commit, Macro, NodeHead, PageHead, Refresh, Rollback};
use crate::page::Key;

/// The sessions of the engine that wrote the logs, by number (PROCID).
#[derive(Debug, Default)]
pub(in crate::recovery) struct Sessions(BTreeMap<u16, Session>);

/// A session.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// Whether a record began a transaction. Before that, all changes of the session are already in
    /// the database.
    begun: bool,
    macros: Vec<OpenMacro>,
    pub versions: Versions,
}

impl Session {
    /// Adds the record to the open macro with this DBTIME; `false` if there is none.
    pub fn store_in_macro(&mut self, dbtime: u64, entry: &Entry<'_>) -> bool {
        let open = self.macros.iter_mut().find(|open| open.dbtime == dbtime);
        match open {
            Some(open) => {
                open.add(entry);
                true
            }
            None => false,
        }
    }
}

impl Sessions {
    fn session(&mut self, number: u16) -> &mut Session {
        self.0.entry(number).or_default()
    }

    /// The session, if a record began a transaction in it.
    pub(super) fn begun(&mut self, number: u16) -> Option<&mut Session> {
        self.0.get_mut(&number).filter(|session| session.begun)
    }

    /// The uncommitted changes of a session.
    pub(super) fn versions(&mut self, number: u16) -> &mut Versions {
        &mut self.session(number).versions
    }

    pub(super) fn begin(&mut self, begin: &Begin) {
        let session = self.session(begin.session);
        if session.begun || begin.level_from == 0 {
            let level = begin.level_from.saturating_add(begin.levels);
            session.versions.begin(level);
            session.begun = true;
        }
    }

    pub(super) fn commit(&mut self, commit: &Commit) {
        let session = self.session(commit.session);
        if session.begun {
            session.versions.commit_to(commit.level_to);
        }
    }

    pub(super) fn roll_back(&mut self, rollback: &Rollback) {
        let session = self.session(rollback.session.get());
        if session.begun {
            session.versions.roll_back(rollback.levels);
        }
    }

    pub(super) fn refresh(&mut self, refresh: &Refresh) {
        let session = self.session(refresh.session.get());
        if session.begun {
            session.versions.refresh();
        }
    }

    /// # Errors
    /// The reason why the macro is invalid.
    pub(super) fn begin_macro(&mut self, mark: &Macro) -> Result<(), &'static str> {
        /// Far more than any session has open at a time.
        const MOST: usize = 1000;
        let dbtime = mark.dbtime.get();
        let session = self.session(mark.session.get());
        if session.begun {
            if session.macros.len() >= MOST {
                return Err("too many macros without an end");
            }
            session.macros.retain(|open| open.dbtime != dbtime);
            session.macros.push(OpenMacro::new(dbtime));
        }
        Ok(())
    }

    pub(super) fn abort_macro(&mut self, mark: &Macro) {
        let session = self.session(mark.session.get());
        (session.macros).retain(|open| open.dbtime != mark.dbtime.get());
    }

    /// Removes and returns the committed macro; `None` if its beginning is not in the logs.
    pub(super) fn take_macro(&mut self, mark: &Macro) -> Option<OpenMacro> {
        let macros = &mut self.session(mark.session.get()).macros;
        let at = (macros.iter()).position(|open| open.dbtime == mark.dbtime.get())?;
        Some(macros.swap_remove(at))
    }

    /// Drops the macros without a commit.
    pub(super) fn drop_macros(&mut self) {
        for session in self.0.values_mut() {
            session.macros.clear();
        }
    }

    /// Drops the changes to the tree with this root.
    pub(super) fn forget_tree(&mut self, root: u32) {
        for session in self.0.values_mut() {
            session.versions.forget_tree(root);
        }
    }

    /// Whether a session has uncommitted changes.
    pub(super) fn have_versions(&self) -> bool {
        (self.0.values()).any(|session| session.versions.has_versions())
    }

    /// The uncommitted changes of each session, in the order of session numbers.
    pub fn into_versions(self) -> impl Iterator<Item = Versions> {
        self.0.into_values().map(|session| session.versions)
    }

    /// Records the insertion of a node.
    pub(super) fn add_insert(&mut self, head: &NodeHead, key: Key<'_>, data: &[u8]) {
        self.add(head, head.version.get(), key, data, Change::Insert);
    }

    /// Records a change other than a replacement.
    pub(super) fn add(
        &mut self,
        head: &NodeHead,
        version: u32,
        key: Key<'_>,
        data: &[u8],
        change: Change,
    ) {
        let node = node_of(head, key, data);
        let versions = self.versions(head.page.session.get());
        versions.add(version, head.page.level, node, change, &[]);
    }

    /// Records the replacement of a node's data `before`.
    pub(super) fn add_replace(
        &mut self,
        head: &NodeHead,
        version: u32,
        key: Key<'_>,
        before: &[u8],
    ) {
        // Only trees with unique keys have replacements.
        let node = ChangedNode {
            unique: true,
            ..node_of(head, key, &[])
        };
        let change = Change::Replace { before: 0..0 };
        let versions = self.versions(head.page.session.get());
        versions.add(version, head.page.level, node, change, before);
    }

    /// Records that the before-image of a change is not known yet.
    pub(super) fn defer(&mut self, head: &NodeHead, version: u32) {
        let versions = self.versions(head.page.session.get());
        versions.defer(version, head.root.get());
    }
}

/// The node with this key and data in the record's tree.
pub(super) fn node_of<'a>(head: &NodeHead, key: Key<'a>, data: &'a [u8]) -> ChangedNode<'a> {
    ChangedNode {
        root: head.root.get(),
        object: head.object.get(),
        unique: head.page.has(PageHead::FLAG_UNIQUE),
        key,
        data,
    }
}
