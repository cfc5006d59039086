//! The proof that a backup can be read, for callers that delete its source.

use std::io::Read;

use sha2::{Digest, Sha256};

use crate::backup::Backup;
use crate::error::Error;
use crate::lock::Lock;
use crate::read::OpenSnapshot;
use crate::repository::Repository;

/// The number of bytes read at once.
const PIECE: usize = 1 << 20;

impl Repository {
    /// Reads a backup back as a restore would: its snapshot, its listings, and the files at
    /// `paths`. Each must have the SHA-256 computed when it was read from its source. `lock` must
    /// have been held since the backup began.
    ///
    /// # Errors
    /// [`Error::Unproven`] for any reason; [`Error::Storage`] if the repository is no longer
    /// reachable.
    pub fn prove<'a>(
        &self,
        lock: &Lock,
        backup: &Backup,
        paths: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), Error> {
        let proven = (|| {
            let snapshot = self.open_snapshot(&self.snapshot(&backup.snapshot.id)?)?;
            for path in paths {
                same_content(&snapshot, backup, path)?;
            }
            lock.check()
        })();
        let storage = self.storage();
        proven.map_err(|error| storage.unproven(backup.snapshot.short_id(), &error))
    }
}

fn same_content(snapshot: &OpenSnapshot, backup: &Backup, path: &str) -> Result<(), Error> {
    let mut content = snapshot.open(path)?;
    let mut hasher = Sha256::new();
    let mut piece = vec![0; PIECE];
    loop {
        let length = content.read(&mut piece).map_err(|error| {
            error
                .downcast::<Error>()
                .unwrap_or_else(|error| Error::Storage {
                    doing: format!("reading {path} back"),
                    reason: error.to_string(),
                })
        })?;
        if length == 0 {
            break;
        }
        hasher.update(piece.get(..length).unwrap_or_default());
    }
    let read: [u8; 32] = hasher.finalize().into();
    let stored = backup.files.iter().find(|file| file.path == path);
    if stored.is_some_and(|file| file.sha256 == read) {
        return Ok(());
    }
    Err(Error::Damaged {
        what: format!("{path} is not what was read from its source"),
    })
}
