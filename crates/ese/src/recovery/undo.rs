//! Undo: rolls back the changes of transactions without a commit.
//!
//! Log records name pages and lines, but by the end of the logs the nodes may have moved, so undo
//! finds each node in its tree by its key.

use super::error::{Error, Result};
use super::redo::{Pages, Sessions};
use super::versions::{Change, Version, Versions};
use crate::edit::EditPage;
use crate::page::Pgno;

/// Trees cannot be deeper.
const MAX_DEPTH: usize = 32;

/// The undo after a completed replay.
pub(super) struct Undo<'a> {
    pub pages: &'a mut Pages,
    /// The highest DBTIME so far; each change gets a higher one.
    pub dbtime: &'a mut u64,
}

impl Undo<'_> {
    /// Rolls back all open transactions: the latest change of the deepest level first.
    pub fn roll_back(&mut self, sessions: Sessions) -> Result<()> {
        for versions in sessions.into_versions() {
            if versions.deferred() > 0 {
                let root = versions.deferred_root();
                let what = format!(
                    "the logs do not tell what {} of its changes replaced: their end is missing. \
                     Find it, or restore the database from a backup",
                    versions.deferred()
                );
                return Err(self.undo_error(root, what));
            }
            if versions.has_versions() {
                self.undo_session(&versions)?;
                self.pages.counts.rolled_back += 1;
            }
        }
        Ok(())
    }

    fn undo_session(&mut self, versions: &Versions) -> Result<()> {
        for version in versions.latest_first() {
            let key = versions.bytes(&version.key);
            let data = versions.bytes(&version.data);
            let before = match &version.change {
                Change::Replace { before } => versions.bytes(before),
                _ => &[],
            };
            let (page, line) = self.find(version, key, data)?;
            *self.dbtime = self.dbtime.saturating_add(1);
            let cached = self.pages.store.page(page)?;
            let done = version.change.roll_back(&mut cached.page, line, before);
            if let Err(fault) = done {
                return Err(self.undo_error(version.root, fault.to_string()));
            }
            cached.page.touch(*self.dbtime);
            cached.mark_changed();
            self.pages.counts.undone += 1;
        }
        Ok(())
    }

    /// Returns the page and line of a version's node.
    fn find(&mut self, version: &Version, key: &[u8], data: &[u8]) -> Result<(Pgno, usize)> {
        let mut number = version.root;
        for _ in 0..MAX_DEPTH {
            let step = match look(&self.pages.store.page(number)?.page, version, key, data) {
                Ok(step) => step,
                Err(what) => return Err(self.undo_error(version.root, what)),
            };
            match step {
                Step::Found(line) => return Ok((number, line)),
                Step::Child(child) => number = child,
            }
        }
        let what = format!("the tree has more than {MAX_DEPTH} levels");
        Err(self.undo_error(version.root, what))
    }

    #[cold]
    fn undo_error(&self, root: Pgno, what: String) -> Error {
        Error::Undo {
            database: self.pages.file().to_path_buf(),
            root,
            what,
        }
    }
}

enum Step {
    Found(usize),
    Child(Pgno),
}

fn look(page: &EditPage, version: &Version, key: &[u8], data: &[u8]) -> Result<Step, String> {
    let number = page.number();
    if page.object() != version.object {
        let (found, expected) = (page.object(), version.object);
        return Err(format!(
            "page {number} belongs to object {found}, not {expected}"
        ));
    }
    let text = |fault: crate::page::Fault| fault.to_string();
    let view = page.view().map_err(text)?;
    if !view.flags().is_leaf() {
        if view.node_count() == 0 {
            return Err(format!("the branch page {number} has no children"));
        }
        let line = view.seek_branch(key, data).map_err(text)?;
        return view.child(line).map(Step::Child).map_err(text);
    }
    let data = if version.unique { &[] } else { data };
    match view.seek(key, data).map_err(text)? {
        (line, true) => Ok(Step::Found(line)),
        (_, false) => Err(format!("page {number} does not hold the changed node")),
    }
}
