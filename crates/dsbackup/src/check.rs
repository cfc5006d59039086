//! `dsbackup check`: is the repository whole?

use repository::Repository;
use serde::Serialize;

use crate::cli::CheckOptions;
use crate::drill::{self, Verdict};
use crate::failure::{Outcome, Result};
use crate::report::Report;
use crate::{lock, snapshots};

/// What `--json` prints.
#[derive(Serialize)]
struct Summary {
    sound: bool,
    read_data: bool,
    problems: Vec<String>,
    notes: Vec<String>,
    /// What `--drill` found of each snapshot.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    drills: Vec<Verdict>,
}

fn drill_all(
    repository: &Repository,
    options: &CheckOptions,
    report: Report,
) -> Result<Vec<Verdict>> {
    let chosen = match options.snapshots.as_slice() {
        [] => {
            let mut all = repository.snapshots()?;
            all.retain(|snapshot| !drill::is_verdict(snapshot));
            all
        }
        names => names
            .iter()
            .map(|name| snapshots::find(repository, name))
            .collect::<Result<_>>()?,
    };
    chosen
        .iter()
        .map(|snapshot| drill::prove(repository, snapshot, &options.scratch, report))
        .collect()
}

fn what_was_verified(verdict: &Verdict) -> String {
    if let Some(objects) = verdict.objects {
        return format!(
            "all databases verified, samba-tool dbcheck is clean, {objects} objects in all partitions"
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
    let found = repository.check(options.read_data)?;
    let drills = match options.drill {
        true => drill_all(&repository, options, report)?,
        false => Vec::new(),
    };
    let summary = Summary {
        sound: found.is_sound() && drills.iter().all(|verdict| verdict.proven),
        read_data: options.read_data,
        problems: found.problems,
        notes: found.notes,
        drills,
    };
    report.result(&summary, || {
        let mut lines = summary.notes.clone();
        lines.extend(summary.problems.iter().map(|problem| format!("damage: {problem}")));
        for verdict in &summary.drills {
            let id = &verdict.snapshot[..8];
            lines.extend((verdict.corrected.iter()).map(|place| {
                format!("snapshot {id}: {place} had a flipped bit, which recovery corrected; look after the disk")
            }));
            lines.push(match verdict.proven {
                true => format!("snapshot {id} is proven: restored, {}", what_was_verified(verdict)),
                false => format!("snapshot {id} FAILED its drill: {}", verdict.findings.join("; ")),
            });
        }
        lines.push(match summary.problems.len() {
            0 => "the repository is whole".into(),
            count => format!("{count} problems were found: snapshots that need what is damaged cannot be restored"),
        });
        lines.join("\n")
    });
    Ok(if summary.sound {
        Outcome::Done
    } else {
        Outcome::DamageFound
    })
}
