//! The logs to replay: a run without gaps, foreign logs or duplicates.

use std::ops::RangeInclusive;
use std::path::Path;

use super::error::{Error, Result};
use super::options::Options;
use crate::header::{DatabaseHeader, Signature};
use crate::log_set::{LogFile, LogName, LogSet};

/// Returns the logs from `first` on, up to the first gap.
pub(super) fn contiguous(
    set: &LogSet,
    first: u32,
    sequence: &Signature,
    folder: &Path,
) -> Result<Vec<LogFile>> {
    let mut run = Vec::new();
    let mut next = Some(first);
    while let Some(generation) = next {
        let mut same = (set.logs.iter())
            .filter(|log| log.generation() == generation && log.header.log_signature == *sequence);
        let (Some(log), other) = (same.next(), same.next()) else {
            break;
        };
        if let Some(other) = other {
            return Err(Error::DuplicateLog {
                folder: folder.to_path_buf(),
                generation,
                files: [log, other].map(|log| log.path.clone()),
            });
        }
        next = generation.checked_add(1);
        run.push(log.clone());
    }
    Ok(run)
}

/// Fails if a missing log exists, but belongs to another sequence.
pub(super) fn refuse_foreign(
    set: &LogSet,
    missing: &[RangeInclusive<u32>],
    sequence: &Signature,
) -> Result<()> {
    let is_missing = |generation: u32| missing.iter().any(|range| range.contains(&generation));
    for log in &set.logs {
        if log.header.log_signature != *sequence && is_missing(log.generation()) {
            return Err(Error::ForeignLog {
                file: log.path.clone(),
                generation: log.generation(),
                expected: Box::new(*sequence),
                found: Box::new(log.header.log_signature),
            });
        }
    }
    Ok(())
}

/// Fails if the folder has none of the database's logs under the base name, but some under another.
/// Otherwise nothing would be replayed, and an old clean copy would be taken for the newest.
pub(super) fn refuse_other_base_name(
    header: &DatabaseHeader,
    database: &Path,
    set: &LogSet,
    options: &Options,
) -> Result<()> {
    let sequence = &header.log_signature;
    if set.of_sequence(sequence).next().is_some() {
        return Ok(());
    }
    // Only the logs from its shutdown on matter to a clean file.
    let first = match header.is_clean() {
        true => header.last_consistent.generation().max(1),
        false => 0,
    };
    let folder = options.log_folder();
    let found: Vec<String> = (LogSet::by_base_name(folder, sequence)?.into_iter())
        .filter(|(_, set)| {
            let mut ours = set.of_sequence(sequence);
            ours.any(|log| log.generation() >= first)
        })
        .map(|(base, _)| base)
        .collect();
    match found.is_empty() {
        true => Ok(()),
        false => Err(Error::OtherBaseName {
            database: database.to_path_buf(),
            folder: folder.to_path_buf(),
            asked: options.base.clone(),
            found,
        }),
    }
}

/// Fails if an unreadable log follows the last usable one: the current log, or one of a later
/// generation. Otherwise the end of the usable logs would be taken for the end of all logs.
pub(super) fn refuse_unusable(set: &LogSet, last: u32, base: &str) -> Result<()> {
    for unusable in &set.unusable {
        let named = (unusable.file().file_name())
            .and_then(|name| name.to_str())
            .and_then(|name| LogName::parse(name, base));
        let generation = match named {
            Some(LogName::Numbered { generation, .. }) if generation > last => generation,
            Some(LogName::Current) => last.saturating_add(1),
            _ => continue,
        };
        return Err(Error::UnusableLog {
            generation,
            source: Box::new(unusable.again()),
        });
    }
    Ok(())
}
