//! A database whose creation was interrupted: its file holds only a header, and the logs hold
//! everything else. The engine deletes such a file and creates it again from the logs; recovery
//! does the same.

use std::path::Path;

use super::error::{Error, Result};
use crate::header::{DatabaseHeader, DbTime, Lgpos};
use crate::log::OpenLog;
use crate::log::record::Record;
use crate::log_set::LogSet;

/// The number of the state in the header.
const STATE_DIRTY: u32 = 2;

/// Returns the header as the creation leaves it, before any other record is replayed.
///
/// # Errors
/// [`Error::Unrecoverable`] if the logs do not hold the whole creation.
pub(super) fn start_over(
    database: &Path,
    header: &DatabaseHeader,
    set: &LogSet,
) -> Result<DatabaseHeader> {
    let Some((position, number)) = find(header, set)? else {
        return Err(Error::Unrecoverable {
            database: database.to_path_buf(),
            what: "state Just Created: its creation was never completed, and the logs here do not \
                   hold it, so the file holds nothing; find the logs, or delete it and let the \
                   application create it again"
                .into(),
        });
    };
    let mut header = header.clone();
    header.state = STATE_DIRTY.into();
    header.database_id = u32::from(number).into();
    header.last_attach = position;
    header.last_consistent = Lgpos::MIN;
    header.dbtime = DbTime::new(0);
    header.last_object_id = 0.into();
    header.min_required = position.generation().into();
    header.max_required = 0.into();
    header.max_committed = 0.into();
    Ok(header)
}

/// Returns the position of the creation in the logs, and the database's number in them; `None` if
/// the logs do not hold the creation, or not to its end.
fn find(header: &DatabaseHeader, set: &LogSet) -> Result<Option<(Lgpos, u8)>> {
    let mut created = None;
    let ours = (set.logs.iter()).filter(|log| log.header.log_signature == header.log_signature);
    for log in ours {
        let log = OpenLog::read(&log.path, log.kind()).map_err(|source| Error::UnusableLog {
            generation: log.generation(),
            source: Box::new(source),
        })?;
        let mut records = log.records();
        while let Some((position, _, record)) = records.next()? {
            match record {
                Record::CreateDatabase(create)
                    if create.head.signature == header.database_signature =>
                {
                    created = Some((position, create.head.database));
                }
                Record::CreateDatabaseFinish(finish)
                    if created.is_some_and(|(_, number)| number == finish.database) =>
                {
                    return Ok(created);
                }
                _ => {}
            }
        }
    }
    Ok(None)
}
