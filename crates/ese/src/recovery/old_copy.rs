//! Whether a clean database is an old copy: the logs beside it lead to a later state of it.

use std::ops::RangeInclusive;
use std::path::Path;

use super::ending;
use super::error::{Error, Result};
use super::plan::Plan;
use crate::header::Lgpos;
use crate::log_set::LogFile;

/// Nothing was replayed into the clean database. If the logs go on from a state that it reached
/// later all the same, the file is an old copy, and what was committed since would be lost.
///
/// `attached` is where the logs attach the database that they still hold attached at their end.
/// Gives the generations that are lost, if that is allowed.
pub(super) fn refuse(
    plan: &Plan,
    attached: Option<Lgpos>,
    allow_loss: bool,
    database: &Path,
) -> Result<Option<RangeInclusive<u32>>> {
    let header = &plan.header;
    let later = (attached.into_iter())
        .chain(ending::attachments(
            &plan.set,
            &header.log_signature,
            &header.database_signature,
        ))
        .filter(|attach| *attach > header.last_consistent)
        .max();
    let Some(later) = later else {
        return Ok(None);
    };
    let first = header.last_consistent.generation();
    let newest = (plan.set.logs.iter())
        .rfind(|log| log.header.log_signature == header.log_signature)
        .map_or(first, LogFile::generation);
    match allow_loss || stops_before(plan, later) {
        true => Ok(plan.lost.is_empty().then_some(first..=newest)),
        false => Err(Error::OlderThanLogs {
            database: database.to_path_buf(),
            consistent: header.last_consistent,
            attached: later,
        }),
    }
}

/// Whether the caller asked to stop before this position.
fn stops_before(plan: &Plan, position: Lgpos) -> bool {
    plan.lost
        .iter()
        .any(|lost| lost.contains(&position.generation()))
}
