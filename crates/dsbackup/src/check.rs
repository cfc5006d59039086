//! `dsbackup check`: is the repository whole?

use backup::Verdict;
use backup::check::{CheckReport, CheckRequest, check};
use backup::drill::{Drill, DrillRequest};
use backup::verdicts::holds_verdicts;

use crate::cli::CheckOptions;
use crate::failure::{Outcome, Result};
use crate::report::{Report, short_id};
use crate::{interrupt, lock};

fn what_was_verified(verdict: &Verdict) -> String {
    if let Some(objects) = verdict.objects {
        return format!(
            "all databases verified, samba-tool dbcheck finds no damage, {objects} objects in all \
             partitions"
        );
    }
    let replayed = match &verdict.generations {
        Some(generations) => format!(
            "generations {generations} replayed ({} records)",
            verdict.records
        ),
        None => "nothing to replay".into(),
    };
    format!(
        "{replayed}, {} rows and {} index entries verified",
        verdict.rows, verdict.index_entries
    )
}

/// Checks the repository.
///
/// # Errors
/// When it cannot be opened or read at all; damage is an outcome, not an error.
pub fn run(options: &CheckOptions, report: Report) -> Result<Outcome> {
    let repository = crate::open_repository(&options.repository)?;
    let _lock = lock::for_reading(&repository, options.lock, report)?;
    report.step(if options.read_data {
        "checking the repository's structure and every byte of its content"
    } else {
        "checking the repository's structure (--read-data checks its content as well)"
    });
    if options.drill {
        interrupt::watch()?;
    }
    let request = CheckRequest {
        read_data: options.read_data,
        drill: options.drill.then_some(DrillRequest {
            snapshots: &options.snapshots,
            all: options.all,
            fresh_for: options.fresh_for,
            scratch: &options.scratch,
        }),
    };
    let found = check(&repository, &request, &report)?;
    report.result(&found, || found_in_words(&found))?;
    let backups = repository.snapshots()?;
    let holds_backups = backups.iter().any(|snapshot| !holds_verdicts(snapshot));
    Ok(
        match crate::outcome_of(&repository, holds_backups, report) {
            Outcome::Done if !found.sound => Outcome::DamageFound,
            Outcome::Done if found.is_not_proven() => Outcome::NotProven,
            outcome => outcome,
        },
    )
}

fn found_in_words(found: &CheckReport) -> String {
    let mut lines = found.notes.clone();
    lines.extend((found.problems.iter()).map(|problem| format!("damage: {problem}")));
    lines.extend(found.drills.iter().flat_map(in_words));
    lines.push(match found.problems.len() {
        0 => "the repository is whole".into(),
        count => format!(
            "{count} problems were found: snapshots that need what is damaged cannot be restored"
        ),
    });
    lines.join("\n")
}

/// What a drill found, a line for each thing.
fn in_words(drill: &Drill) -> Vec<String> {
    let verdict = &drill.verdict;
    let id = short_id(&verdict.snapshot);
    let flipped = |place| {
        format!(
            "snapshot {id}: {place} had a flipped bit, which recovery corrected; look after the \
             disk"
        )
    };
    let mut lines: Vec<String> = verdict.corrected.iter().map(flipped).collect();
    lines.extend((verdict.notes.iter()).map(|note| format!("snapshot {id}: {note}")));
    let when = match drill.earlier {
        true => format!(" by the drill of {} (--all drills it again)", verdict.time),
        false => String::new(),
    };
    lines.push(match (verdict.proven, &verdict.not_proven) {
        (true, _) => {
            let verified = what_was_verified(verdict);
            format!("snapshot {id} is proven{when}: restored, {verified}")
        }
        (false, Some(reason)) => {
            format!("snapshot {id} is not proven, and not known to be damaged: {reason}")
        }
        (false, None) => {
            let findings = verdict.findings.join("; ");
            format!("snapshot {id} FAILED its drill{when}: {findings}")
        }
    });
    lines
}
