//! The repository's JSON files: the index and the snapshots, read in parallel.
//!
//! An unreadable file is noted and skipped, so that it does not hide the good ones. A caller that
//! removes anything first checks for such notes.

use std::collections::HashSet;

use crossbeam_channel::{bounded, unbounded};
use rustic_core::{FileType, Id};
use serde::de::DeserializeOwned;

use crate::cipher::sha256;
use crate::error::{Error, explain};
use crate::storage::Storage;

/// The number of files requested at once: in a remote store each takes a round trip.
const AT_ONCE: usize = 8;

impl Storage {
    /// Calls `use_file` for every readable file of a kind, and notes the others.
    pub(crate) fn read_all<F: DeserializeOwned + Send>(
        &self,
        kind: FileType,
        mut use_file: impl FnMut(Id, F),
    ) -> Result<(), Error> {
        let listed = self.list(kind)?;
        let threads = AT_ONCE.min(listed.len());
        let (orders, waiting) = unbounded();
        for id in listed {
            let _ = orders.send(id);
        }
        drop(orders);
        let (give, answers) = bounded(AT_ONCE);
        let mut failed = Vec::new();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                let (waiting, give) = (waiting.clone(), give.clone());
                scope.spawn(move || {
                    for id in waiting {
                        let _ = give.send((id, self.read_json::<F>(kind, &id)));
                    }
                });
            }
            drop(give);
            for (id, answer) in answers {
                match answer {
                    Ok(file) => use_file(id, file),
                    Err(reason) => failed.push((id, reason)),
                }
            }
        });
        if failed.is_empty() {
            return Ok(());
        }
        // Another program may have removed one since the listing.
        let there: HashSet<Id> = self.list(kind)?.into_iter().collect();
        for (id, reason) in failed {
            if there.contains(&id) {
                self.unreadable.add(kind, id, reason);
            }
        }
        Ok(())
    }

    /// Reads one file. The error is the reason, in words.
    pub(crate) fn read_json<F: DeserializeOwned>(
        &self,
        kind: FileType,
        id: &Id,
    ) -> Result<F, String> {
        let content = (self.backend.read_full(kind, id)).map_err(|error| explain(&error))?;
        if content.is_empty() {
            return Err("it is empty".to_string());
        }
        if Id::new(sha256(&content)) != *id {
            return Err(format!("its {} bytes are damaged", content.len()));
        }
        let json = self
            .open(&content)
            .ok_or("it was not encrypted with this repository's key")?;
        serde_json::from_slice(&json).map_err(|error| error.to_string())
    }

    /// The ids of all files of a kind.
    pub(crate) fn list(&self, kind: FileType) -> Result<Vec<Id>, Error> {
        let doing = || format!("listing {}/", kind.dirname());
        let listed = self.backend.list(kind);
        listed.map_err(|error| Error::storage(doing(), &error))
    }

    /// Whether a file exists.
    pub(crate) fn exists(&self, kind: FileType, id: &Id) -> Result<bool, Error> {
        Ok(self.list(kind)?.contains(id))
    }
}
