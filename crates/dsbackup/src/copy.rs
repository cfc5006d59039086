//! `dsbackup copy`: snapshots into a second repository, without the directory that they were made
//! of.

use backup::copy::{CopyReport, CopyRequest, copy};

use crate::cli::CopyOptions;
use crate::failure::{Outcome, Result};
use crate::report::{Report, bytes, count};
use crate::{lock, password};

/// Copies snapshots.
///
/// # Errors
/// When one of the repositories cannot be opened, read or written. A damaged snapshot is an
/// outcome, not an error.
pub fn run(options: &CopyOptions, report: Report) -> Result<Outcome> {
    let from = crate::open_repository(&options.repository)?;
    let _reading = lock::for_reading(&from, options.lock, report)?;
    let to = crate::open_with(&options.to.as_repository(), password::OTHER_VARIABLE)?;
    let writing = lock::shared(&to, options.lock.retry)?;
    let request = CopyRequest {
        snapshots: options.snapshots.clone(),
        servers: options.servers.clone(),
    };
    let done = copy(&from, &to, &writing, &request, &report)?;
    report.result(&done, || in_words(&done))?;
    Ok(match crate::outcome_of(&from, done.holds_backups, report) {
        Outcome::Done if !done.damaged.is_empty() || !done.orphans.is_empty() => {
            Outcome::DamageFound
        }
        outcome => outcome,
    })
}

fn in_words(done: &CopyReport) -> String {
    let mut lines: Vec<String> = Vec::new();
    for copied in &done.copied {
        lines.push(format!(
            "snapshot {} of {} is {} there",
            &copied.snapshot[..8],
            copied.server,
            &copied.copy[..8]
        ));
    }
    for damaged in &done.damaged {
        lines.push(format!(
            "snapshot {} is damaged and was not copied: {}",
            &damaged.snapshot[..8],
            damaged.reason
        ));
    }
    for orphan in &done.orphans {
        lines.push(format!(
            "snapshot {} there cannot be restored: {}",
            &orphan.snapshot[..8],
            orphan.reason
        ));
    }
    lines.push(format!(
        "{} copied, {} there before; {} stored and read back",
        count(done.copied.len(), "snapshot"),
        done.had.len(),
        bytes(done.stored_bytes)
    ));
    lines.join("\n")
}
