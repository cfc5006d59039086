//! `dsbackup repair index`, and `dsbackup unlock`: what brings a repository back into use.

use backup::Shown;
use backup::survey::Survey;
use repository::IndexRepair;
use serde::Serialize;

use crate::cli::{RepairIndexOptions, UnlockOptions};
use crate::failure::{Outcome, Result};
use crate::lock;
use crate::report::{Report, count};

/// What `repair index --json` prints.
#[derive(Serialize)]
struct Repaired {
    dry_run: bool,
    changed: bool,
    added_packs: usize,
    missing_packs: usize,
    unreadable_index_files: usize,
    damaged_packs: Vec<String>,
}

/// Makes the index anew from what the packs say.
///
/// # Errors
/// When the repository cannot be listed or written.
pub fn index(options: &RepairIndexOptions, report: Report) -> Result<Outcome> {
    let repository = crate::open_repository(&options.repository)?;
    let lock = lock::to_remove(&repository, options.retry, options.dry_run)?;
    let mut shown = Shown::new(&report, "");
    let IndexRepair {
        added_packs,
        missing_packs,
        unreadable_files,
        damaged_packs,
        changed,
    } = repository.repair_index(&lock, options.dry_run, &mut |work, done, total| {
        shown.set(work, done, total);
    })?;
    drop(shown);
    let repaired = Repaired {
        dry_run: options.dry_run,
        changed,
        added_packs,
        missing_packs,
        unreadable_index_files: unreadable_files,
        damaged_packs,
    };
    report.result(&repaired, || in_words(&repaired))?;
    for pack in &repaired.damaged_packs {
        report.warn(pack);
    }
    let damaged = missing_packs > 0 || !repaired.damaged_packs.is_empty();
    let holds_backups = !Survey::of(&repository)?.snapshots.is_empty();
    Ok(
        match crate::outcome_of(&repository, holds_backups, report) {
            Outcome::Done if damaged => Outcome::DamageFound,
            outcome => outcome,
        },
    )
}

fn in_words(repaired: &Repaired) -> String {
    if !repaired.changed {
        return "the index says what the packs hold; nothing to repair".into();
    }
    format!(
        "{}: {} added, {} that are gone left out, {} replaced",
        match repaired.dry_run {
            true => "the index would be written anew",
            false => "the index was written anew",
        },
        count(repaired.added_packs, "pack"),
        count(repaired.missing_packs, "pack"),
        count(repaired.unreadable_index_files, "unreadable index file")
    )
}

/// What `unlock --json` prints.
#[derive(Serialize)]
struct Unlocked {
    removed: usize,
}

/// Removes locks that nobody holds any more.
///
/// # Errors
/// When the repository cannot be read or written.
pub fn unlock(options: &UnlockOptions, report: Report) -> Result<Outcome> {
    let repository = crate::open_repository(&options.repository)?;
    let unlocked = Unlocked {
        removed: repository.unlock(options.all)?,
    };
    report.result(&unlocked, || {
        let what = if options.all { "lock" } else { "stale lock" };
        format!("removed {}", count(unlocked.removed, what))
    })?;
    Ok(Outcome::Done)
}
