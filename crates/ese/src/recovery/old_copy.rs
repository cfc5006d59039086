//! Detects an old copy: a clean database whose logs lead to a later state of it.

use std::ops::RangeInclusive;
use std::path::Path;

use super::ending;
use super::error::{Error, Result};
use super::plan::Plan;
use crate::header::Lgpos;
use crate::log_set::LogFile;

/// Checks a clean database into which nothing was replayed: fails if the logs continue from a later
/// state of it. The file is then an old copy, and the changes committed since would be lost.
///
/// `attached` is the position at which the logs attach the database, if they end while it is
/// attached. Returns the lost generations, if loss is allowed.
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
