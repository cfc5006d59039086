//! Replacing the index such that the old or the new one is complete at any time.

use std::collections::HashSet;

use rustic_core::{FileType, Id};

use crate::error::Error;
use crate::index::{self, IndexWriter, IndexedPack};
use crate::lock::Lock;
use crate::storage::Storage;

/// Writes a new index of `packs`, then removes the old index files. Returns the new ones.
pub(crate) fn replace_index(
    storage: &Storage,
    lock: &Lock,
    packs: &[IndexedPack],
    before: &State,
) -> Result<HashSet<Id>, Error> {
    let mut writer = IndexWriter::default();
    let mut new = HashSet::new();
    for pack in packs {
        let json = writer.add(&pack.id, &pack.entries);
        new.extend(index::save(storage, json)?);
    }
    new.extend(index::save(storage, writer.take())?);
    lock.check()?;
    before.must_be_all_but(storage, &new)?;
    for old in &before.index {
        remove(storage, FileType::Index, old)?;
        storage.unreadable.forget(FileType::Index, old);
    }
    Ok(new)
}

pub(crate) fn remove(storage: &Storage, kind: FileType, id: &Id) -> Result<(), Error> {
    let doing = || format!("removing {}/{}", kind.dirname(), id.to_hex().as_str());
    let removed = storage.backend.remove(kind, id, kind != FileType::Pack);
    removed.map_err(|error| Error::storage(doing(), &error))
}

/// The index files and snapshots at one time.
pub(crate) struct State {
    pub(crate) index: HashSet<Id>,
    snapshots: HashSet<Id>,
}

impl State {
    pub(crate) fn of(storage: &Storage) -> Result<Self, Error> {
        Ok(Self {
            index: storage.list(FileType::Index)?.into_iter().collect(),
            snapshots: storage.list(FileType::Snapshot)?.into_iter().collect(),
        })
    }

    /// Fails if files other than `ours` were added since, by a program that ignores locks, such as
    /// rustic.
    pub(crate) fn must_be_all_but(
        &self,
        storage: &Storage,
        ours: &HashSet<Id>,
    ) -> Result<(), Error> {
        let now = Self::of(storage)?;
        let known = |id: &Id| self.index.contains(id) || ours.contains(id);
        if now.index.iter().all(known) && now.snapshots.is_subset(&self.snapshots) {
            return Ok(());
        }
        Err(Error::Storage {
            doing: "writing a new index".to_string(),
            reason: "another program wrote into it meanwhile, ignoring the lock; no pack \
                     was removed, run the command again when that program is done"
                .to_string(),
        })
    }
}
