//! `dsbackup copy`: snapshots into a second repository, without the directory that they were made of.

use backup::PROGRAM;
use backup::selection;
use backup::survey::Survey;
use backup::verdicts::Verdicts;
use repository::SnapshotInfo;
use serde::Serialize;

use crate::cli::CopyOptions;
use crate::failure::{Failure, Outcome, Result};
use crate::report::{Report, bytes, count};
use crate::{lock, password};

/// What `--json` prints.
#[derive(Serialize)]
struct Summary {
    copied: Vec<Copied>,
    /// Snapshots that the other repository had.
    had: Vec<String>,
    damaged: Vec<Damaged>,
    stored_bytes: u64,
}

#[derive(Serialize)]
struct Copied {
    snapshot: String,
    copy: String,
    server: String,
}

#[derive(Serialize)]
struct Damaged {
    snapshot: String,
    reason: String,
}

/// Copies snapshots.
///
/// # Errors
/// When one of the repositories cannot be opened, read or written. A damaged snapshot is an outcome, not an error.
pub fn run(options: &CopyOptions, report: Report) -> Result<Outcome> {
    let from = crate::open_repository(&options.repository)?;
    let _reading = lock::for_reading(&from, options.lock, report)?;
    let to = crate::open_with(&options.to.as_repository(), password::OTHER_VARIABLE)?;
    let writing = lock::shared(&to, options.lock.retry)?;
    let survey = Survey::of(&from)?;
    for server in &options.servers {
        if !survey.holds_server(server) {
            let text = format!("the repository holds no snapshot of the server {server}");
            return Err(Failure::NotFound(text));
        }
    }
    let mut chosen = survey.snapshots.clone();
    if !options.snapshots.is_empty() {
        let ids = (options.snapshots.iter())
            .map(|name| Ok(selection::find(&from, name, None)?.id))
            .collect::<Result<Vec<_>>>()?;
        chosen.retain(|snapshot| ids.contains(&snapshot.id));
    }
    if !options.servers.is_empty() {
        let wanted = |snapshot: &SnapshotInfo| {
            let mut servers = options.servers.iter();
            servers.any(|server| server.eq_ignore_ascii_case(&snapshot.host))
        };
        chosen.retain(wanted);
    }

    report.step(format!(
        "copying {} from {} to {}",
        count(chosen.len(), "snapshot"),
        from.location(),
        to.location()
    ));
    let bar = report.progress(0);
    bar.set_message("copying");
    let copied = from.copy_to(&chosen, &to, &writing, &mut |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    });
    bar.finish_and_clear();
    let copied = copied?;

    let there = to.snapshots()?;
    let mut verdicts = Verdicts::read(&to, &there);
    verdicts.take_over(&survey.verdicts, &chosen);
    verdicts.store(&to, &writing, PROGRAM)?;

    let summary = Summary {
        copied: (copied.copied.iter())
            .map(|(old, new)| Copied {
                snapshot: old.id.clone(),
                copy: new.id.clone(),
                server: old.host.clone(),
            })
            .collect(),
        had: copied.had.iter().map(|had| had.id.clone()).collect(),
        damaged: (copied.damaged.iter())
            .map(|(snapshot, reason)| Damaged {
                snapshot: snapshot.id.clone(),
                reason: reason.clone(),
            })
            .collect(),
        stored_bytes: copied.stored_bytes,
    };
    report.result(&summary, || in_words(&summary))?;
    Ok(
        match crate::outcome_of(&from, !survey.snapshots.is_empty(), report) {
            Outcome::Done if !summary.damaged.is_empty() => Outcome::DamageFound,
            outcome => outcome,
        },
    )
}

fn in_words(summary: &Summary) -> String {
    let mut lines: Vec<String> = Vec::new();
    for copied in &summary.copied {
        lines.push(format!(
            "snapshot {} of {} is {} there",
            &copied.snapshot[..8],
            copied.server,
            &copied.copy[..8]
        ));
    }
    for damaged in &summary.damaged {
        lines.push(format!(
            "snapshot {} is damaged and was not copied: {}",
            &damaged.snapshot[..8],
            damaged.reason
        ));
    }
    lines.push(format!(
        "{} copied, {} there before; {} stored and read back",
        count(summary.copied.len(), "snapshot"),
        summary.had.len(),
        bytes(summary.stored_bytes)
    ));
    lines.join("\n")
}
