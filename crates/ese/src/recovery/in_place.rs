//! Writes the result into the database file itself, through a [`journal`].

use std::path::{Path, PathBuf};

use super::error::{Error, Result};
use super::log_archive::LogArchive;
use crate::header::DatabaseHeader;
use crate::journal::{self, Journal};
use crate::page_store::PageStore;

/// Writes the result into the database file. Returns the number of changed pages.
pub(super) fn write(
    database: &Path,
    store: &mut PageStore,
    header: &DatabaseHeader,
    before: &DatabaseHeader,
    archive: Option<&LogArchive>,
) -> Result<u64> {
    let note = archive.map_or_else(Vec::new, LogArchive::to_bytes);
    let changed = journal::write(database, store, header, before, &note)?;
    complete(database)?;
    Ok(changed)
}

/// A recovery in place, completed from its journal.
#[derive(Debug)]
pub(super) struct Completed {
    /// The folder of the replayed logs, if they were archived.
    pub logs: Option<PathBuf>,
}

/// Completes a recovery in place from its complete journal; `None` if there is no journal.
pub(super) fn complete(database: &Path) -> Result<Option<Completed>> {
    let Some(journal) = Journal::open(database)? else {
        return Ok(None);
    };
    let archive = match journal.note() {
        [] => None,
        note => {
            let archive = LogArchive::from_bytes(note);
            Some(archive.ok_or_else(|| journal.damaged_note("names of folders"))?)
        }
    };
    if !journal.belongs_to(database)? {
        return Err(Error::Unrecoverable {
            database: database.to_path_buf(),
            what: format!(
                "{} belongs to an earlier recovery of another state of this file; if the file was \
                 replaced since, remove it",
                journal.path().display()
            ),
        });
    }
    let logs = archive.as_ref().map(LogArchive::target);
    match carry_over(journal, database, archive.as_ref()) {
        Err(source @ Error::Write { .. }) => Err(Error::Incomplete {
            database: database.to_path_buf(),
            source: Box::new(source),
        }),
        carried => carried.map(|()| Some(Completed { logs })),
    }
}

/// Carries out the journal and removes it.
fn carry_over(mut journal: Journal, database: &Path, archive: Option<&LogArchive>) -> Result<()> {
    journal.carry_over(database)?;
    if let Some(archive) = archive {
        archive.apply()?;
    }
    Ok(journal.remove(database)?)
}

/// Fails if a recovery in place was killed while it wrote to this database.
pub(super) fn refuse_incomplete(database: &Path) -> Result<()> {
    match journal::exists(database) {
        false => Ok(()),
        true => Err(Error::Unrecoverable {
            database: database.to_path_buf(),
            what:
                "a recovery in place was killed while it wrote its result; recover in place once \
                   more to complete it"
                    .into(),
        }),
    }
}
