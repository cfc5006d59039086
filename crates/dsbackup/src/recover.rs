//! `dsbackup recover`: replays the transaction logs into a database that was not shut down.

use std::ops::{ControlFlow, RangeInclusive};
use std::path::Path;

use ese::recovery::{Options, Progress, Stop, recover};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use store::FolderLock;
use store::restore_marker::RestoreMarker;

use crate::cli::RecoverOptions;
use crate::failure::{Failure, Outcome, Result};
use crate::report::{Report, bytes};

/// What `--json` prints.
#[derive(Serialize)]
struct Summary {
    database: String,
    was_clean: bool,
    completed_earlier: bool,
    first_generation: Option<u32>,
    last_generation: Option<u32>,
    records: u64,
    redone: u64,
    already_present: u64,
    undone: u64,
    rolled_back_transactions: u64,
    log_bytes: u64,
    pages_written: u64,
    /// Pages with a single flipped bit that was flipped back; the first hundred.
    corrected_pages: Vec<u32>,
    /// Flipped bits of logs that were flipped back for the replay; the first hundred.
    corrected_log_bits: Vec<String>,
    /// Where the logs and the checkpoint are now, if they were in the engine's way.
    logs_set_aside: Option<String>,
    /// The other database for whose recovery they stayed.
    logs_kept_for: Option<String>,
    /// Generations with committed changes that were left out, as `--allow-loss` or `--until` asked.
    lost: Vec<String>,
    seconds: f64,
}

/// Recovers the database of a folder.
///
/// # Errors
/// When the result would not be clean: then the database is as it was.
pub fn run(options: &RecoverOptions, report: Report) -> Result<Outcome> {
    let folder = &options.directory;
    let logs = options.logs.as_deref().unwrap_or(folder);
    // In place nobody else may use the folders; a copy only reads them.
    let _lock = match &options.to {
        None => {
            let lock =
                FolderLock::acquire(&[folder.as_path(), logs]).map_err(Failure::at("recover"))?;
            Some(lock)
        }
        Some(output) => {
            std::fs::create_dir_all(output).map_err(Failure::io("create the folder", output))?;
            Some(FolderLock::acquire(&[output]).map_err(Failure::at("--to"))?)
        }
    };
    RestoreMarker::refuse(folder).map_err(Failure::at("recover"))?;

    let bar = report.spinner();
    let summary = recover(engine_options(options, logs, bar.clone()));
    bar.finish_and_clear();
    let summary = summary?;

    let generations = summary.generations.as_ref();
    let result = Summary {
        database: summary.database.display().to_string(),
        was_clean: summary.was_clean,
        completed_earlier: summary.completed_earlier,
        first_generation: generations.map(|range| *range.start()),
        last_generation: generations.map(|range| *range.end()),
        records: summary.counts.records,
        redone: summary.counts.redone,
        already_present: summary.counts.present,
        undone: summary.counts.undone,
        rolled_back_transactions: summary.counts.rolled_back,
        log_bytes: summary.log_bytes,
        pages_written: summary.pages_written,
        corrected_pages: summary.corrected_pages,
        corrected_log_bits: (summary.corrected_log_bits.iter())
            .map(ToString::to_string)
            .collect(),
        logs_set_aside: summary
            .logs_set_aside
            .map(|folder| folder.display().to_string()),
        logs_kept_for: summary.logs_kept_for.map(|file| file.display().to_string()),
        lost: summary.lost.iter().map(in_words).collect(),
        seconds: summary.elapsed.as_secs_f64(),
    };
    for page in &result.corrected_pages {
        report.warn(format!(
            "page {page} had a flipped bit, which was corrected; look after the disk"
        ));
    }
    for bit in &result.corrected_log_bits {
        report.warn(format!(
            "{bit} of the log had a flipped bit, which was corrected for the replay; look after the disk"
        ));
    }
    for lost in &result.lost {
        report.warn(format!(
            "the changes of generation {lost} are lost, as you asked"
        ));
    }
    report.result(&result, || words(&result))?;
    Ok(Outcome::Done)
}

fn engine_options(options: &RecoverOptions, logs: &Path, bar: ProgressBar) -> Options {
    let mut engine = Options::new(&options.directory)
        .logs_in(logs)
        .log_base_name(&options.base_name)
        .set_logs_aside(true)
        .until(options.until.unwrap_or_default())
        .allow_loss(options.allow_loss)
        .progress(move |progress: Progress| {
            let seconds = progress.elapsed.as_secs_f64().max(0.001);
            bar.set_message(format!(
                "generation {:#x} of {:#x}-{:#x}, {} records, {:.0} records/s",
                progress.generation,
                progress.first,
                progress.last,
                progress.counts.records,
                progress.counts.records as f64 / seconds
            ));
            bar.tick();
            ControlFlow::Continue(())
        });
    if let Some(name) = &options.database {
        engine = engine.database(name);
    }
    if let Some(output) = &options.to {
        engine = engine.into_folder(output);
    }
    engine
}

fn words(result: &Summary) -> String {
    let logs = match (&result.logs_set_aside, &result.logs_kept_for) {
        (Some(folder), _) => format!(
            ". The logs and the checkpoint that it no longer needs, and over which the directory service would not start, are \
             in {folder}; it begins new ones"
        ),
        (None, Some(other)) => format!(
            ". The logs stay, since {other} still needs them; recover it too before the directory service starts"
        ),
        (None, None) => String::new(),
    };
    if result.was_clean && result.completed_earlier {
        let database = &result.database;
        return format!(
            "{database}: clean. A recovery that was interrupted has been completed{logs}"
        );
    }
    if result.was_clean {
        return format!("{}: clean, nothing to recover{logs}", result.database);
    }
    let generations = match (result.first_generation, result.last_generation) {
        (Some(first), Some(last)) => in_words(&(first..=last)),
        _ => "none".into(),
    };
    let mut text = format!(
        "{}: clean. Generations {generations} ({} of log) replayed in {:.1} s: {} records, {} changes made again, {} \
         were there already, {} of {} uncommitted transactions taken back",
        result.database,
        bytes(result.log_bytes),
        result.seconds,
        result.records,
        result.redone,
        result.already_present,
        result.undone,
        result.rolled_back_transactions
    );
    if result.completed_earlier {
        text += "; an earlier recovery that was interrupted has been completed";
    }
    text + &logs
}

fn in_words(range: &RangeInclusive<u32>) -> String {
    contract::Generations {
        low: *range.start(),
        high: *range.end(),
    }
    .to_string()
}

/// A place to stop: a generation (decimal, or hexadecimal behind 0x), or a time (RFC 3339).
pub fn stop(text: &str) -> std::result::Result<Stop, String> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    if let Some(generation) = number {
        return Ok(Stop::Generation(generation));
    }
    text.parse::<jiff::Timestamp>()
        .map(|time| Stop::Time(time.into()))
        .map_err(|_| "expected a generation (7 or 0x7) or a time (2026-11-22T10:00:00Z)".into())
}

impl Report {
    /// A line that moves while something runs whose end is not known; hidden when standard error is no terminal.
    fn spinner(&self) -> ProgressBar {
        let bar = self.progress(0);
        bar.set_style(
            ProgressStyle::with_template("{spinner} {msg}").expect("the template is well-formed"),
        );
        bar
    }
}
