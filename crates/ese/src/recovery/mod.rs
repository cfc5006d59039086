//! Recovery: makes a database that was copied or left while in use clean again, from its
//! transaction logs.
//!
//! [`recover`] does all of it: it finds the logs that the database needs, replays them
//! ([redo](Counts::redone)), rolls back uncommitted changes ([undo](Counts::undone)), and writes
//! the result, in place or as a new file. It does not touch the database file until the result is
//! complete, so a recovery can be stopped at any moment and run again.
//!
//! The outcome is either a clean database with every committed change in the logs, or an [`Error`]
//! and the unchanged file. `docs/recovery.md` explains the method.
//!
//! ```
//! # let folder = testkit::find("sample-forest/dirty").unwrap().unpack();
//! # let (directory, out) = (folder.path(), tempfile::tempdir().unwrap());
//! use ese::recovery::{Options, recover};
//!
//! let summary = recover(Options::new(directory).into_folder(out.path()))?;
//! let database = ese::Database::open(&summary.database)?;
//! assert!(database.is_clean());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod clock;
mod creation;
mod ending;
mod error;
mod file_size;
mod find;
mod in_place;
mod log_archive;
mod log_run;
#[cfg(test)]
mod mutated;
mod new_file;
mod old_copy;
mod options;
mod page_ahead;
mod plan;
mod read_ahead;
mod redo;
mod replay;
mod stop;
mod undo;
mod versions;

use std::fmt;
use std::fs::File;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use error::{Error, Result};
pub use log_archive::archived_logs;
pub use options::{Options, Progress, Stop};
pub use redo::Counts;

use crate::header::Lgpos;
use crate::io::beside;
use crate::log::FlippedBit;
use crate::page_store::PageStore;
use find::{find_database, other_in_need};
use log_archive::LogArchive;
use plan::Plan;
use redo::Redo;
use replay::Replay;

/// The result of a recovery.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Summary {
    /// The recovered database.
    pub database: PathBuf,
    /// Whether the database was clean and the logs held nothing newer. It was then left unchanged,
    /// or copied unchanged.
    pub was_clean: bool,
    /// Whether this completed an earlier recovery in place that was killed while it wrote its
    /// result.
    pub completed_earlier: bool,
    /// The replayed generations.
    pub generations: Option<RangeInclusive<u32>>,
    /// The position at which the replay ended.
    pub end: Lgpos,
    /// The work done.
    pub counts: Counts,
    /// The number of log bytes read.
    pub log_bytes: u64,
    /// The number of pages written.
    pub pages_written: u64,
    /// Pages with a single flipped bit, which was corrected as the engine does; the first hundred.
    pub corrected_pages: Vec<u32>,
    /// Flipped bits in logs, corrected for the replay as the engine does; the first hundred. The
    /// log files stay unchanged.
    pub corrected_log_bits: Vec<LogBit>,
    /// The folder of the replayed logs, if they were archived.
    pub logs_archived: Option<PathBuf>,
    /// Another database that still needs the logs, which were therefore not archived.
    pub logs_kept_for: Option<PathBuf>,
    /// Generations with committed changes that were not replayed, as allowed by the caller;
    /// otherwise empty.
    pub lost: Vec<RangeInclusive<u32>>,
    /// The duration of the recovery.
    pub elapsed: Duration,
}

/// A flipped bit of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogBit {
    /// The log's generation.
    pub generation: u32,
    /// The bit's position in the log.
    pub flipped: FlippedBit,
}

impl fmt::Display for LogBit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FlippedBit { segment, bit } = self.flipped;
        let byte = bit / 8;
        write!(
            f,
            "generation {:#x}: byte {byte:#x} of segment {segment:#x}",
            self.generation
        )
    }
}

/// Recovers the database chosen by `options`.
///
/// # Errors
/// [`Error`] with the reason; the database file is then unchanged.
pub fn recover(mut options: Options) -> Result<Summary> {
    let started = Instant::now();
    let database = find_database(&options)?;
    if let Some(folder) = &options.output {
        let target = folder.join(database.file_name().unwrap_or_default());
        if target.exists() {
            return Err(new_file::exists_already(target));
        }
    }
    let completed = match options.output {
        None => in_place::complete(&database)?,
        Some(_) => in_place::refuse_incomplete(&database).map(|()| None)?,
    };
    let plan = Plan::of(&options, &database)?;
    let logs_kept_for = match options.archives_logs() {
        true => other_in_need(&database, &plan.header.log_signature)?,
        false => None,
    };
    let archive = match options.archives_logs() && logs_kept_for.is_none() {
        true => Some(LogArchive::new(
            options.log_folder(),
            options.checkpoint_folder(),
            &options.base,
        )?),
        false => None,
    };
    let target = match &options.output {
        Some(folder) => folder.join(database.file_name().unwrap_or_default()),
        None => database.clone(),
    };
    let side = beside(&target, ".recovery-pages");
    remove_remains(&side)?;

    let file = File::open(&database).map_err(crate::Error::io(&database))?;
    let size = plan.header.page_size();
    let store = PageStore::new(
        &database,
        file,
        size,
        plan.pages,
        options.cache_bytes,
        &side,
    );
    let mut redo = Redo::new(database.clone(), store, plan.header.clone());
    redo.database.count_up_to(plan.counters.0, plan.counters.1);
    redo.database.known_as(plan.known_as);
    redo.expect_unlogged_builds(plan.is_circular);
    let mut replay = Replay::new(&mut options, &plan, started);
    if let Err(error) = replay.run(&mut redo) {
        // The side file is of no use to another attempt.
        redo.pages.store.discard_side()?;
        return Err(error);
    }
    let Replay {
        end,
        log_bytes,
        corrected_log_bits,
        generations,
        mut lost,
        ..
    } = replay;
    let was_clean = plan.header.is_clean() && redo.database.header == plan.header;
    let attached = match ending::attached_at_end(
        &plan.set,
        &plan.header.log_signature,
        &plan.header.database_signature,
    ) {
        Err(_) if was_clean || !lost.is_empty() => None,
        attached => attached?,
    };
    if was_clean {
        lost.extend(old_copy::refuse(
            &plan,
            attached,
            options.allow_loss,
            &database,
        )?);
    }
    // The engine would not start with logs that end while the database is attached. With logs after
    // a lost part it would, but not with the requested state.
    let is_in_the_way = attached.is_some() || !lost.is_empty();
    let archive = archive.filter(|_| is_in_the_way);
    let logs_kept_for = logs_kept_for.filter(|_| is_in_the_way);
    let pages_written = match (&options.output, was_clean) {
        (Some(_), _) => new_file::write(
            &database,
            &target,
            &mut redo.pages.store,
            &redo.database.header,
        )?,
        (None, true) => {
            if let Some(archive) = &archive {
                archive.apply()?;
            }
            0
        }
        (None, false) => {
            let store = &mut redo.pages.store;
            let placed = in_place::write(
                &database,
                store,
                &redo.database.header,
                &plan.before,
                archive.as_ref(),
            );
            if placed.is_err() {
                // The first error matters more than a failure to remove the side file. A journal
                // stays.
                let _ = redo.pages.store.discard_side();
            }
            placed?
        }
    };
    Ok(Summary {
        database: target,
        was_clean,
        completed_earlier: completed.is_some(),
        generations: generations.filter(|_| !was_clean),
        end,
        counts: redo.pages.counts,
        log_bytes,
        pages_written,
        corrected_pages: redo.pages.store.corrected().to_vec(),
        corrected_log_bits,
        logs_archived: archive
            .map(|archive| archive.target())
            .or(completed.and_then(|completed| completed.logs)),
        logs_kept_for,
        lost,
        elapsed: started.elapsed(),
    })
}

/// Removes the side file of an interrupted recovery.
fn remove_remains(side: &Path) -> Result<()> {
    match std::fs::remove_file(side) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            Err(crate::Error::write(side)(source).into())
        }
        _ => Ok(()),
    }
}
