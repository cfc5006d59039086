//! The state in which logs leave a database, and whether an engine starts with these logs and the
//! clean file.
//!
//! An engine that starts replays the logs, unless their last record is a shutdown and the
//! checkpoint is there. It skips a file that is consistent at a later position than the one at
//! which the logs attach it. It starts if the logs detach the file again, or end with a shutdown,
//! as the engine leaves them. If they end while the file is attached, the engine refuses to start
//! (`ErrLGRICheckForAttachedDatabaseMismatch` in `logredo.cxx`).

use super::error::Result;
use crate::header::{Lgpos, Signature};
use crate::log::OpenLog;
use crate::log::record::Record;
use crate::log_set::{LogFile, LogSet};

/// Returns the position at which the logs attached the database, if they end while it is attached;
/// `None` if they detach it or do not mention it.
pub(super) fn attached_at_end(
    set: &LogSet,
    sequence: &Signature,
    database: &Signature,
) -> Result<Option<Lgpos>> {
    let newest = (set.logs.iter()).rfind(|log| log.header.log_signature == *sequence);
    match newest {
        Some(log) => Ok(attached_after(log, database)?),
        None => Ok(None),
    }
}

/// Returns the position of the attachment that is in effect at the log's end.
fn attached_after(log: &LogFile, database: &Signature) -> crate::Result<Option<Lgpos>> {
    let mut attached = (log.header.attachment_of(database))
        .map(|attachment| (attachment.database_id, attachment.attach));
    let log = OpenLog::read(&log.path, log.kind())?;
    let mut records = log.records();
    while let Some((position, _, record)) = records.next()? {
        match record {
            Record::CreateDatabase(create) if create.head.signature == *database => {
                attached = Some((create.head.database, position));
            }
            Record::AttachDatabase(attach) if attach.head.signature == *database => {
                attached = Some((attach.head.database, position));
            }
            Record::DetachDatabase(detach)
                if attached.is_some_and(|(number, _)| number == detach.head.database) =>
            {
                attached = None;
            }
            Record::Term(_) | Record::RecoveryQuit(_) => attached = None,
            _ => {}
        }
    }
    Ok(attached.map(|(_, position)| position))
}

/// The positions at which logs attached the database, by their headers.
pub(super) fn attachments(
    set: &LogSet,
    sequence: &Signature,
    database: &Signature,
) -> impl Iterator<Item = Lgpos> {
    (set.logs.iter())
        .filter(move |log| log.header.log_signature == *sequence)
        .filter_map(move |log| log.header.attachment_of(database))
        .map(|attachment| attachment.attach)
}
