//! `dsbackup prune`: removes the content that no snapshot needs.

use backup::drill;
use backup::prune::{PruneReport, prune};
use backup::survey::Survey;

use crate::cli::PruneOptions;
use crate::failure::{Outcome, Result};
use crate::lock;
use crate::report::{Report, bytes, count};

/// Prunes a repository.
///
/// # Errors
/// When nobody knows what is needed, because something cannot be read; then nothing is removed.
pub fn run(options: &PruneOptions, report: Report) -> Result<Outcome> {
    let repository = crate::open_repository(&options.repository)?;
    let lock = lock::to_remove(&repository, options.retry, options.dry_run)?;
    if !options.dry_run {
        drill::move_verdicts(&repository, &lock, &report);
    }
    let pruned = prune(&repository, &lock, options.dry_run, &report)?;
    let damaged = !pruned.damaged.is_empty();
    report.result(&pruned, || in_words(&pruned))?;
    for damage in &pruned.damaged {
        report.warn(format!("left as it is: {damage}"));
    }
    let holds_backups = !Survey::of(&repository)?.snapshots.is_empty();
    Ok(
        match crate::outcome_of(&repository, holds_backups, report) {
            Outcome::Done if damaged => Outcome::DamageFound,
            outcome => outcome,
        },
    )
}

/// What a prune did, for people.
pub fn in_words(pruned: &PruneReport) -> String {
    format!(
        "{}: {} of {} {}; {} removed, {} written anew, {} kept",
        if pruned.dry_run { "a prune" } else { "pruned" },
        bytes(pruned.freed_bytes),
        bytes(pruned.bytes_before),
        if pruned.dry_run {
            "would be freed"
        } else {
            "freed"
        },
        count(pruned.removed_packs, "pack"),
        pruned.rewritten_packs,
        pruned.kept_packs
    )
}
