//! `dsbackup forget`: removes snapshots that a policy does not keep, or that are named.

use backup::forget::{ForgetReport, ForgetRequest, Forgotten, forget};
use backup::retention::Policy;

use crate::cli::{ForgetOptions, PolicyOptions};
use crate::failure::{Outcome, Result};
use crate::report::{Report, count};
use crate::{lock, prune};

/// Removes snapshots.
///
/// # Errors
/// When a snapshot that was named is protected, or the repository cannot be read or written.
pub fn run(options: &ForgetOptions, report: Report) -> Result<Outcome> {
    let repository = crate::open_repository(&options.repository)?;
    let lock = lock::to_remove(&repository, options.retry, options.dry_run)?;
    let request = ForgetRequest {
        what: match options.snapshots.is_empty() {
            true => Forgotten::Policy(policy(&options.policy), options.servers.clone()),
            false => Forgotten::Snapshots(options.snapshots.clone()),
        },
        even_the_last: options.even_the_last,
        dry_run: options.dry_run,
        prune: options.prune,
    };
    let done = forget(&repository, &lock, &request, &report)?;
    report.result(&done, || in_words(&done))?;
    Ok(crate::outcome_of(&repository, done.kept > 0, report))
}

fn policy(options: &PolicyOptions) -> Policy {
    Policy {
        last: options.keep_last,
        hourly: options.keep_hourly,
        daily: options.keep_daily,
        weekly: options.keep_weekly,
        monthly: options.keep_monthly,
        yearly: options.keep_yearly,
        within: options.keep_within,
        tags: (options.keep_tags.iter())
            .map(|list| list.split(',').map(str::to_owned).collect())
            .collect(),
    }
}

fn in_words(done: &ForgetReport) -> String {
    let mut text = format!(
        "{:8}  {:20}  {:16}  {:6}  reasons",
        "snapshot", "time", "server", ""
    );
    for line in &done.snapshots {
        text += &format!(
            "\n{:8}  {:20}  {:16}  {:6}  {}",
            &line.snapshot[..8],
            line.time,
            line.server,
            if line.keep { "keep" } else { "remove" },
            line.reasons.join(", ")
        );
    }
    let removed = count(done.removed, "snapshot");
    text += &match done.dry_run {
        true => format!("\n{removed} would be removed, {} kept", done.kept),
        false => format!("\n{removed} removed, {} kept", done.kept),
    };
    match &done.prune {
        Some(pruned) => text += &format!("\n{}", prune::in_words(pruned)),
        None if done.removed > 0 && !done.dry_run => {
            text += "\ntheir content stays until `dsbackup prune` removes it";
        }
        None => {}
    }
    text
}
