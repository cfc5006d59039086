//! `dsbackup snapshots`: what the repository holds.

use std::time::SystemTime;

use backup::verdicts::{Verdict, Verdicts, holds_verdicts};
use backup::{Snapshot, time};
use contract::ExpiryToken;
use model::DirectoryIdentity;
use model::manifest::LogRange;
use repository::{Repository, SnapshotInfo};
use serde::Serialize;

use crate::cli::SnapshotsOptions;
use crate::failure::{Outcome, Result};
use crate::report::{Report, bytes};

/// One line of the list, and one object of `--json`.
#[derive(Serialize)]
struct Line {
    snapshot: String,
    time: String,
    server: String,
    /// The directory, where the snapshot's database told it.
    directory: Option<DirectoryIdentity>,
    tags: Vec<String>,
    bytes: Option<u64>,
    /// Why this is no snapshot that dsbackup can restore.
    unusable: Option<String>,
    state: Option<String>,
    logs: Option<LogRange>,
    required: Option<LogRange>,
    expires: Option<String>,
    expired: Option<bool>,
    damaged: Option<bool>,
    /// What the newest drill found.
    drill: Option<Verdict>,
}

/// Lists the snapshots, oldest first.
///
/// # Errors
/// When the repository cannot be read. A snapshot without a manifest of ours is listed as such.
pub fn run(options: &SnapshotsOptions, report: Report) -> Result<Outcome> {
    let repository = crate::open_repository(&options.repository)?;
    let mut snapshots = repository.snapshots()?;
    let verdicts = Verdicts::read(&repository, &snapshots);
    for problem in &verdicts.unreadable {
        report.warn(problem);
    }
    snapshots.retain(|snapshot| !holds_verdicts(snapshot));
    snapshots.sort_by_key(|snapshot| snapshot.time);
    let lines: Vec<Line> = snapshots
        .iter()
        .map(|snapshot| Line {
            drill: verdicts.of(snapshot),
            ..line(&repository, snapshot)
        })
        .collect();
    report.result(&lines, || in_words(&lines))?;
    Ok(crate::outcome_of(&repository, !lines.is_empty(), report))
}

fn line(repository: &Repository, snapshot: &SnapshotInfo) -> Line {
    let mut line = Line {
        snapshot: snapshot.id.clone(),
        time: time::from_system(snapshot.time),
        server: snapshot.host.clone(),
        tags: snapshot.tags.clone(),
        bytes: snapshot.bytes,
        directory: None,
        unusable: None,
        state: None,
        logs: None,
        required: None,
        expires: None,
        expired: None,
        damaged: None,
        drill: None,
    };
    match Snapshot::open(repository, snapshot) {
        Err(error) => line.unusable = Some(error.to_string()),
        Ok(Snapshot {
            manifest, token, ..
        }) => {
            line.bytes = Some(manifest.files.iter().map(|file| file.size).sum());
            line.expired = ExpiryToken::from_bytes(&token)
                .ok()
                .map(|token| token.check_unexpired(SystemTime::now()).is_err());
            line.state = Some(manifest.database.state);
            line.directory = manifest.directory;
            line.required = manifest.database.required;
            line.logs = manifest.logs;
            line.expires = Some(manifest.expires);
            line.damaged = Some(manifest.damaged);
        }
    }
    line
}

fn in_words(lines: &[Line]) -> String {
    if lines.is_empty() {
        return "no snapshots".into();
    }
    let mut text = format!(
        "{:8}  {:20}  {:16}  {:16}  {:14}  {:11}  {:>10}  {:20}  {}",
        "snapshot",
        "time",
        "server",
        "domain",
        "state",
        "generations",
        "size",
        "restorable until",
        "remarks"
    );
    for line in lines {
        let mut remarks = line.tags.clone();
        if line.damaged == Some(true) {
            remarks.push("DAMAGED".into());
        }
        remarks.extend(line.drill.as_ref().map(Verdict::in_words));
        if line.expired == Some(true) {
            remarks.push("expired".into());
        }
        remarks.extend(line.unusable.clone());
        text += &format!(
            "\n{:8}  {:20}  {:16}  {:16}  {:14}  {:11}  {:>10}  {:20}  {}",
            &line.snapshot[..line.snapshot.len().min(8)],
            line.time,
            line.server,
            line.directory
                .as_ref()
                .map_or("-", |directory| &directory.domain),
            line.state.as_deref().unwrap_or("-"),
            line.logs
                .map_or("-".into(), |logs| contract::Generations::from(logs)
                    .to_string()),
            line.bytes.map_or("-".into(), bytes),
            line.expires.as_deref().unwrap_or("-"),
            remarks.join(", ")
        );
    }
    text
}
