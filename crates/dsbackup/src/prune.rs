//! `dsbackup prune`: removes the content that no snapshot needs.

use backup::drill;
use backup::survey::Survey;
use repository::{Lock, PruneReport, Repository};
use serde::Serialize;

use crate::cli::PruneOptions;
use crate::failure::{Outcome, Result};
use crate::lock;
use crate::report::{Report, bytes, count};

/// What a prune did, for `--json`.
#[derive(Serialize)]
pub struct Pruned {
    dry_run: bool,
    removed_packs: usize,
    rewritten_packs: usize,
    kept_packs: usize,
    freed_bytes: u64,
    bytes_before: u64,
    damaged: Vec<String>,
}

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
    let pruned = prune(&repository, &lock, options.dry_run, report)?;
    let damaged = !pruned.damaged.is_empty();
    report.result(&pruned, || pruned.in_words())?;
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

/// Prunes an open repository.
///
/// # Errors
/// See [`run`].
pub fn prune(
    repository: &Repository,
    lock: &Lock,
    dry_run: bool,
    report: Report,
) -> Result<Pruned> {
    report.step("looking for content that no snapshot needs");
    let bar = report.progress(0);
    bar.set_message("rewriting packs");
    let pruned = repository.prune(lock, dry_run, &mut |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let PruneReport {
        removed_packs,
        rewritten_packs,
        kept_packs,
        bytes_before,
        freed_bytes,
        damaged,
        ..
    } = pruned?;
    Ok(Pruned {
        dry_run,
        removed_packs,
        rewritten_packs,
        kept_packs,
        freed_bytes,
        bytes_before,
        damaged,
    })
}

impl Pruned {
    /// For people.
    pub fn in_words(&self) -> String {
        format!(
            "{}: {} of {} {}; {} removed, {} written anew, {} kept",
            if self.dry_run { "a prune" } else { "pruned" },
            bytes(self.freed_bytes),
            bytes(self.bytes_before),
            if self.dry_run {
                "would be freed"
            } else {
                "freed"
            },
            count(self.removed_packs, "pack"),
            self.rewritten_packs,
            self.kept_packs
        )
    }
}
