//! Copies of snapshots in a second repository, made without the directory.

use repository::{Lock, Repository, SnapshotInfo};
use serde::Serialize;

use crate::chain::{self, Chain};
use crate::choice::Content;
use crate::error::Result;
use crate::report::Report;
use crate::shown::Shown;
use crate::survey::Survey;
use crate::verdicts::Verdicts;
use crate::words::count;
use crate::{PROGRAM, lineage, selection};

/// Which snapshots are copied.
#[derive(Debug, Clone, Default)]
pub struct CopyRequest {
    /// These, by their ids, the beginnings of these, or `latest`, with what they continue; all if
    /// none is named.
    pub snapshots: Vec<String>,
    /// Only those of these servers; of all if none is named.
    pub servers: Vec<String>,
}

/// What was copied.
#[derive(Debug, Serialize)]
pub struct CopyReport {
    /// The snapshots that were copied.
    pub copied: Vec<Copied>,
    /// Snapshots that the other repository had.
    pub had: Vec<String>,
    /// Snapshots that were not copied, because they are damaged.
    pub damaged: Vec<Damaged>,
    /// Snapshots that were copied, but cannot be restored: the other repository lacks what they
    /// continue.
    pub orphans: Vec<Damaged>,
    /// Bytes that the other repository grew by.
    pub stored_bytes: u64,
    /// Whether the first repository holds any snapshot.
    #[serde(skip)]
    pub holds_backups: bool,
}

/// A snapshot that was copied.
#[derive(Debug, Serialize)]
pub struct Copied {
    /// Its id.
    pub snapshot: String,
    /// The id of the copy.
    pub copy: String,
    /// The server that it is of.
    pub server: String,
}

/// A snapshot that cannot be restored, or was not copied.
#[derive(Debug, Serialize)]
pub struct Damaged {
    /// Its id.
    pub snapshot: String,
    /// What is damaged.
    pub reason: String,
}

/// Copies snapshots and the verdicts on them. `lock` is a lock on `to`.
///
/// # Errors
/// If one of the repositories cannot be read or written. A damaged snapshot is in the report.
pub fn copy(
    from: &Repository,
    to: &Repository,
    lock: &Lock,
    request: &CopyRequest,
    report: &dyn Report,
) -> Result<CopyReport> {
    let survey = Survey::of(from)?;
    survey.require_servers(&request.servers)?;
    let chosen = choose(from, &survey, request)?;
    report.note(&format!(
        "copying {} from {} to {}",
        count(chosen.len(), "snapshot"),
        from.location(),
        to.location()
    ));
    let mut shown = Shown::new(report, "copying");
    let copied = from.copy_to(&chosen, to, lock, &mut |work, done, total| {
        shown.set(work, done, total);
    });
    drop(shown);
    let copied = copied?;

    let there = to.snapshots()?;
    let mut verdicts = Verdicts::read(to, &there);
    verdicts.take_over(&survey.verdicts, &chosen);
    verdicts.store(to, lock, PROGRAM)?;
    let orphans = orphans(to, &there, &copied.copied, report)?;

    Ok(CopyReport {
        orphans,
        copied: (copied.copied.into_iter())
            .map(|(old, new)| Copied {
                snapshot: old.id,
                copy: new.id,
                server: old.host,
            })
            .collect(),
        had: copied.had.into_iter().map(|had| had.id).collect(),
        damaged: (copied.damaged.into_iter())
            .map(|(snapshot, reason)| Damaged {
                snapshot: snapshot.id,
                reason,
            })
            .collect(),
        stored_bytes: copied.stored_bytes,
        holds_backups: !survey.snapshots.is_empty(),
    })
}

/// Of the copies: the logs that continue what the other repository does not hold.
fn orphans(
    to: &Repository,
    there: &[SnapshotInfo],
    copies: &[(SnapshotInfo, SnapshotInfo)],
    report: &dyn Report,
) -> Result<Vec<Damaged>> {
    let mut survey = Survey::of(to)?;
    let is_copy = |id: &str| copies.iter().any(|(_, copy)| copy.id == id);
    survey.snapshots.retain(|snapshot| is_copy(&snapshot.id));
    let subjects = survey.subjects(to, report)?;
    let orphans = subjects.into_iter().filter_map(|subject| {
        let Content::Backup(backup) = subject.content else {
            return None;
        };
        let continued = backup.continues?;
        let reason = lineage::in_words(&continued);
        chain::named(there, &continued)
            .is_none()
            .then_some(Damaged {
                snapshot: subject.id,
                reason,
            })
    });
    Ok(orphans.collect())
}

fn choose(from: &Repository, survey: &Survey, request: &CopyRequest) -> Result<Vec<SnapshotInfo>> {
    let mut chosen = survey.snapshots.clone();
    if !request.snapshots.is_empty() {
        let mut ids = Vec::new();
        for name in &request.snapshots {
            let snapshot = selection::find(from, name, None)?;
            // Logs alone are of no use. What is missing or damaged is reported by the copying.
            if let Ok(chain) = Chain::ending_with(from, &snapshot) {
                ids.extend(chain.ids().map(str::to_owned));
            }
            ids.push(snapshot.id);
        }
        chosen.retain(|snapshot| ids.contains(&snapshot.id));
    }
    if !request.servers.is_empty() {
        chosen.retain(|snapshot| {
            let mut servers = request.servers.iter();
            servers.any(|server| snapshot.is_of(server))
        });
    }
    Ok(chosen)
}
