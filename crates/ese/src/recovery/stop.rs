//! The generation at which a recovery stops.

use std::ops::RangeInclusive;
use std::path::Path;
use std::time::SystemTime;

use super::clock;
use super::error::{Error, Result};
use super::options::Stop;
use crate::header::{DatabaseHeader, Signature};
use crate::log_set::{LogFile, LogSet};

/// The last generation that the caller wants, of logs up to the generation `newest`.
pub(super) fn last_wanted(stop: Stop, newest: u32, set: &LogSet, sequence: &Signature) -> u32 {
    match stop {
        Stop::End => newest,
        Stop::Generation(end) => newest.min(end),
        Stop::Time(time) if time >= SystemTime::now() => newest,
        // The logs before one that was created by then hold only earlier changes.
        Stop::Time(time) => set
            .of_sequence(sequence)
            .filter(|log| clock::milliseconds(&log.header.created) <= clock::since_1970(time))
            .map(|log| log.generation().saturating_sub(1))
            .max()
            .unwrap_or(0),
    }
}

/// Returns the last generation to replay and a description of the place to stop; `None` for the
/// last existing generation.
///
/// # Errors
/// [`Error::Unrecoverable`] if the logs do not show the time.
pub(super) fn last_generation(
    stop: Stop,
    generations: RangeInclusive<u32>,
    header: &DatabaseHeader,
    database: &Path,
    has_logs: bool,
    set: &LogSet,
) -> Result<Option<(u32, String)>> {
    let time = match stop {
        Stop::End => return Ok(None),
        Stop::Generation(end) => return Ok(Some((end, format!("generation {end:#x}")))),
        Stop::Time(time) => time,
    };
    // Nothing is newer than that.
    if time >= SystemTime::now() {
        return Ok(None);
    }
    // A clean file without logs is as old as its shutdown.
    if !has_logs
        && header.is_clean()
        && header.last_consistent_time.is_utc()
        && clock::milliseconds(&header.last_consistent_time) <= clock::since_1970(time)
    {
        return Ok(None);
    }
    if set.logs.iter().any(|log| !log.header.created.is_utc()) {
        return Err(Error::Unrecoverable {
            database: database.to_path_buf(),
            what: "its logs tell the server's local time, and not which that is; say at which \
                   generation to stop"
                .into(),
        });
    }
    let sequence = &header.log_signature;
    let mut end = generations.start().saturating_sub(1);
    for generation in generations {
        let log = set.get(generation, sequence);
        let next = (generation.checked_add(1)).and_then(|next| set.get(next, sequence));
        let is_over = match (log, next) {
            (_, Some(next)) => clock::milliseconds(&next.header.created) <= clock::since_1970(time),
            (Some(log), None) => was_written_by(log, time),
            (None, None) => false,
        };
        if !is_over {
            break;
        }
        end = generation;
    }
    let what = format!("that time, which is after generation {end:#x}");
    Ok(Some((end, what)))
}

/// Whether the last log was written by `time`: then it holds nothing newer. A file time before the
/// log's creation is that of a copy and proves nothing.
fn was_written_by(last: &LogFile, time: SystemTime) -> bool {
    let begun = clock::milliseconds(&last.header.created);
    let written = last.path.metadata().and_then(|file| file.modified());
    written.is_ok_and(|written| written <= time && clock::since_1970(written) >= begun)
}
