//! Which snapshot is meant: `latest`, a time, or an id; of which server. Snapshots of other programs, and
//! those that hold verdicts, are passed over.

use std::collections::BTreeMap;
use std::time::SystemTime;

use model::manifest::MANIFEST_PATH;
use repository::{Repository, SnapshotInfo};

use crate::error::{Error, Result};
use crate::time;
use crate::verdicts::holds_verdicts;

/// The word for the newest snapshot of a server.
pub const LATEST: &str = "latest";

/// The backups of directories in a repository, oldest first.
///
/// # Errors
/// When the repository cannot be read.
pub fn backups(repository: &Repository) -> Result<Vec<SnapshotInfo>> {
    let mut backups = Vec::new();
    for snapshot in repository.snapshots()? {
        if !holds_verdicts(&snapshot) && is_ours(repository, &snapshot) {
            backups.push(snapshot);
        }
    }
    backups.sort_by_key(|snapshot| snapshot.time);
    Ok(backups)
}

/// The newest backup of each server.
///
/// # Errors
/// As [`backups`].
pub fn latest_of_each_server(repository: &Repository) -> Result<Vec<SnapshotInfo>> {
    Ok(newest_of_each(backups(repository)?))
}

fn newest_of_each(backups: Vec<SnapshotInfo>) -> Vec<SnapshotInfo> {
    let newest: BTreeMap<String, SnapshotInfo> = backups
        .into_iter()
        .map(|snapshot| (snapshot.host.to_lowercase(), snapshot))
        .collect();
    newest.into_values().collect()
}

/// The backup that `wanted` names: [`LATEST`], or the beginning of an id; of that server, where one
/// is given.
///
/// # Errors
/// When there is none, when it is of another server, and when `latest` could be of several.
pub fn find(repository: &Repository, wanted: &str, server: Option<&str>) -> Result<SnapshotInfo> {
    if wanted != LATEST {
        let snapshot = repository.snapshot(wanted)?;
        if holds_verdicts(&snapshot) || !is_ours(repository, &snapshot) {
            return Err(Error::Refused(format!(
                "snapshot {}: not a backup of a directory ({})",
                snapshot.short_id(),
                match snapshot.program.as_str() {
                    "" => "another program made it",
                    program => program,
                }
            )));
        }
        return match server {
            Some(server) if !snapshot.is_of(server) => Err(Error::OtherServer {
                snapshot: snapshot.short_id().to_owned(),
                found: snapshot.host,
                expected: server.to_owned(),
            }),
            _ => Ok(snapshot),
        };
    }
    let newest = latest_of_each_server(repository)?;
    of_server(repository, newest, server)
}

/// The newest backup that is not newer than `time`; of that server, where one is given.
///
/// # Errors
/// When there is none, and when it could be of several servers.
pub fn find_at(
    repository: &Repository,
    time: SystemTime,
    server: Option<&str>,
) -> Result<SnapshotInfo> {
    let mut backups = backups(repository)?;
    let oldest = (backups.iter())
        .filter(|snapshot| server.is_none_or(|server| snapshot.is_of(server)))
        .map(|snapshot| snapshot.time)
        .min();
    if let Some(oldest) = oldest
        && oldest > time
    {
        return Err(Error::Refused(format!(
            "no snapshot is as old as {}; the oldest is of {}",
            time::from_system(time),
            time::from_system(oldest)
        )));
    }
    backups.retain(|snapshot| snapshot.time <= time);
    of_server(repository, newest_of_each(backups), server)
}

/// The one of `server`, or the only one.
fn of_server(
    repository: &Repository,
    mut newest: Vec<SnapshotInfo>,
    server: Option<&str>,
) -> Result<SnapshotInfo> {
    let names = (newest.iter().map(|snapshot| snapshot.host.as_str()))
        .collect::<Vec<_>>()
        .join(", ");
    if let Some(server) = server {
        let found = newest.iter().position(|snapshot| snapshot.is_of(server));
        return match found {
            Some(position) => Ok(newest.swap_remove(position)),
            None if newest.is_empty() => Err(nothing(repository)),
            None => Err(Error::NoneOfServer {
                server: server.to_owned(),
                others: names,
            }),
        };
    }
    match newest.len() {
        0 => Err(nothing(repository)),
        1 => Ok(newest.remove(0)),
        _ => Err(Error::SeveralServers(names)),
    }
}

fn nothing(repository: &Repository) -> Error {
    Error::NoBackup(repository.location().to_string())
}

/// Whether dsbackup made the snapshot. Of a snapshot that another program wrote, or rewrote, the
/// manifest tells; one that cannot be read is not taken for ours.
fn is_ours(repository: &Repository, snapshot: &SnapshotInfo) -> bool {
    snapshot.program.starts_with("dsbackup ")
        || repository
            .open_snapshot(snapshot)
            .is_ok_and(|content| content.files().any(|file| file.path == MANIFEST_PATH))
}
