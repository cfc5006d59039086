//! Removing snapshots. Their content stays until the repository is pruned.

use rustic_core::{FileType, Id};

use crate::error::Error;
use crate::repository::Repository;

impl Repository {
    /// Removes snapshots by their full ids. A missing one is no error.
    ///
    /// # Errors
    /// [`Error::Snapshot`] for a malformed id; [`Error::Storage`] if one cannot be removed. Those
    /// before it are removed.
    pub fn forget(&self, ids: &[&str]) -> Result<(), Error> {
        let ids = ids
            .iter()
            .map(|id| {
                id.parse::<Id>().map_err(|_| Error::Snapshot {
                    wanted: (*id).to_string(),
                    reason: "this is no whole id of a snapshot".to_string(),
                })
            })
            .collect::<Result<Vec<_>, Error>>()?;
        let storage = self.storage();
        for id in ids {
            if let Err(error) = storage.backend.remove(FileType::Snapshot, &id, true)
                && storage.exists(FileType::Snapshot, &id)?
            {
                let doing = format!("removing snapshot {}", id.to_hex().as_str());
                return Err(Error::storage(doing, &error));
            }
            storage.unreadable.forget(FileType::Snapshot, &id);
        }
        Ok(())
    }
}
