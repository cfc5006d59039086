//! Deletes the logs that are no longer needed once a backup holds them.
//!
//! A log may be deleted if its generation is below all of these: the generation at which recovery
//! would start (the checkpoint), the lowest that any database in the directory's folders may need,
//! and the log in use. If one of them is not known for certain, nothing is deleted: logs cost disk
//! space, a missing log costs the directory.

use std::path::Path;
use std::sync::Arc;

use contract::{Error, Result, ResultCode};
use ese::header::{Checkpoint, DatabaseState};
use ese::log_set::LogName;
use store::Truncation;

use crate::condition::Condition;
use crate::layout::Role;
use crate::needed_logs::{Neighbour, first_needed};
use crate::pinned_file::PinnedFile;

/// The first kept generation, and the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FirstKept {
    pub(crate) generation: u32,
    pub(crate) because: String,
}

/// The first generation to keep, or why nothing may be deleted.
pub(crate) fn first_kept(
    condition: &Condition,
    checkpoint: Option<&Checkpoint>,
    others: &[Neighbour],
) -> Result<FirstKept, String> {
    let logs = &condition.logs;
    if let Some(unusable) = logs.unusable.first() {
        return Err(format!(
            "nothing was deleted: a log is unusable: {unusable}"
        ));
    }
    let Some(current) = logs.current() else {
        return Err(
            "nothing was deleted: there is no log in use, so this folder holds a copy of a \
             directory, not a running one"
                .into(),
        );
    };
    let sequence = current.header.log_signature;
    if let Some(stranger) = logs
        .logs
        .iter()
        .find(|log| log.header.log_signature != sequence)
    {
        return Err(format!(
            "nothing was deleted: {} belongs to another sequence of logs than {}",
            stranger.path.display(),
            current.path.display()
        ));
    }
    let mut neighbours = logs.logs.iter().zip(logs.logs.iter().skip(1));
    if let Some((first, second)) =
        neighbours.find(|(first, second)| first.generation() == second.generation())
    {
        return Err(format!(
            "nothing was deleted: {} and {} hold the same generation",
            first.path.display(),
            second.path.display()
        ));
    }
    if condition.header.log_signature != sequence {
        return Err("nothing was deleted: the database belongs to another sequence of logs".into());
    }
    let mut kept = FirstKept {
        generation: current.generation(),
        because: format!("generation {:#x} is in use", current.generation()),
    };
    let usable_checkpoint = checkpoint
        .filter(|checkpoint| checkpoint.log_signature == sequence)
        .map(|checkpoint| checkpoint.checkpoint.generation())
        .filter(|generation| (1..=current.generation()).contains(generation));
    if condition.header.state() == DatabaseState::CleanShutdown && usable_checkpoint.is_none() {
        return Err(
            "nothing was deleted: without a checkpoint of this directory it is not known where \
             recovery would start"
                .into(),
        );
    }
    let needed = first_needed(&condition.header)
        .map_err(|reason| format!("nothing was deleted: {reason}"))?;
    kept.lower_to(needed, || {
        format!("the database requires the logs from generation {needed:#x} on")
    });
    for other in others {
        let path = other.path.display();
        let needed = (other.needs.as_ref()).map_err(|reason| {
            format!("nothing was deleted: {path} may need logs, too: {reason}")
        })?;
        kept.lower_to(*needed, || {
            format!("{path} may need the logs from generation {needed:#x} on")
        });
    }
    if let Some(generation) = usable_checkpoint {
        kept.lower_to(generation, || {
            format!("recovery starts at the checkpoint, in generation {generation:#x}")
        });
    }
    Ok(kept)
}

impl FirstKept {
    fn lower_to(&mut self, generation: u32, because: impl FnOnce() -> String) {
        if generation < self.generation {
            self.generation = generation;
            self.because = because();
        }
    }
}

/// Deletes the numbered logs below a generation, lowest first, so that the rest is a chain at any
/// time.
///
/// # Errors
/// `hrDatabaseInUse` if a log is not the one that was backed up; then nothing is deleted.
/// `hrDiskIO` if the system refuses a deletion.
pub(crate) fn delete_below(kept: &FirstKept, files: &[Arc<PinnedFile>]) -> Result<Truncation> {
    let mut doomed: Vec<_> = files
        .iter()
        .filter_map(|file| match file.role {
            Role::Log(LogName::Numbered { generation, .. }) if generation < kept.generation => {
                Some((generation, file))
            }
            _ => None,
        })
        .collect();
    doomed.sort_by_key(|(generation, _)| *generation);
    for (_, file) in &doomed {
        check_identity(file)?;
    }
    let mut deleted = Vec::new();
    let mut result = Ok(());
    for (_, file) in doomed {
        result = check_identity(file).and_then(|()| {
            std::fs::remove_file(&file.path).map_err(|error| {
                Error::new(
                    ResultCode::DISK_IO,
                    format!(
                        "{}: cannot delete the log: {error}; {} before it were deleted",
                        file.path.display(),
                        deleted.len()
                    ),
                )
            })
        });
        if result.is_err() {
            break;
        }
        deleted.push(file.name());
    }
    let log_folder = deleted.first().and_then(|name| Path::new(name).parent());
    if let Some(folder) = log_folder {
        files::sync_folder(folder).map_err(|error| {
            Error::new(
                ResultCode::DISK_IO,
                format!("{}: {error}", folder.display()),
            )
        })?;
    }
    result?;
    Ok(Truncation {
        deleted,
        kept_because: kept.because.clone(),
    })
}

fn check_identity(file: &PinnedFile) -> Result<()> {
    if file.is_still_at_its_path() {
        return Ok(());
    }
    Err(Error::new(
        ResultCode::DATABASE_IN_USE,
        format!(
            "{}: this is not the log that was backed up: another program changed or replaced it; \
             it was not deleted",
            file.path.display()
        ),
    ))
}
