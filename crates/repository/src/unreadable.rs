//! The unreadable files of a repository, noted for a report at the end.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustic_core::{FileType, Id};

/// An unreadable file of the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Its path in the repository: for example `index/` and 64 digits.
    pub file: String,
    /// The reason.
    pub reason: String,
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} cannot be read: {}", self.file, self.reason)
    }
}

/// The unreadable files so far.
#[derive(Debug, Default)]
pub(crate) struct Notes(Mutex<BTreeMap<(&'static str, Id), String>>);

impl Notes {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<(&'static str, Id), String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, kind: FileType, id: Id, reason: String) {
        self.lock().insert((kind.dirname(), id), reason);
    }

    pub(crate) fn contains(&self, kind: FileType, id: &Id) -> bool {
        self.lock().contains_key(&(kind.dirname(), *id))
    }

    /// The noted files of a kind.
    pub(crate) fn of(&self, kind: FileType) -> Vec<Id> {
        let notes = self.lock();
        let of_kind = notes.keys().filter(|(folder, _)| *folder == kind.dirname());
        of_kind.map(|(_, id)| *id).collect()
    }

    /// One of the noted index files or snapshots, if any.
    pub(crate) fn index_or_snapshot(&self) -> Option<Unreadable> {
        let folders = [FileType::Index, FileType::Snapshot].map(FileType::dirname);
        let is = |noted: &Unreadable| folders.iter().any(|folder| noted.file.starts_with(folder));
        self.all().into_iter().find(is)
    }

    pub(crate) fn forget(&self, kind: FileType, id: &Id) {
        self.lock().remove(&(kind.dirname(), *id));
    }

    pub(crate) fn all(&self) -> Vec<Unreadable> {
        let describe = |((folder, id), reason): (&(&str, Id), &String)| Unreadable {
            file: format!("{folder}/{}", id.to_hex().as_str()),
            reason: reason.clone(),
        };
        self.lock().iter().map(describe).collect()
    }
}
