//! The snapshots of a repository, with what each says of itself.

use std::time::SystemTime;

use contract::ExpiryToken;
use model::DirectoryIdentity;
use model::manifest::LogRange;
use repository::{Repository, SnapshotInfo};
use serde::Serialize;

use crate::error::Result;
use crate::lineage::{Lineage, Link};
use crate::report::Report;
use crate::snapshot::Part;
use crate::survey::Survey;
use crate::time;
use crate::verdicts::Verdict;
use crate::words::short_id;

/// A snapshot in a list. All but the first four fields are unknown if it is unusable.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    /// Its whole id.
    pub snapshot: String,
    /// When the backup began, RFC 3339, UTC.
    pub time: String,
    /// The server that it is of.
    pub server: String,
    /// The directory; none if the database was not shut down, or holds none.
    pub directory: Option<DirectoryIdentity>,
    /// The words to find it by.
    pub tags: Vec<String>,
    /// The bytes of its files.
    pub bytes: Option<u64>,
    /// Why it cannot be restored.
    pub unusable: Option<String>,
    /// Of a backup of logs alone: the snapshot that it continues.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continues: Option<String>,
    /// The database's state, such as `Clean Shutdown`.
    pub state: Option<String>,
    /// The generations of its logs.
    pub logs: Option<LogRange>,
    /// The generations that recovery needs.
    pub required: Option<LogRange>,
    /// The end of the time in which it may be restored, RFC 3339, UTC.
    pub expires: Option<String>,
    /// Whether that time is over.
    pub expired: Option<bool>,
    /// Whether it holds damage that the backup allowed.
    pub damaged: Option<bool>,
    /// The verdict of the newest drill.
    pub drill: Option<Verdict>,
}

/// Lists the snapshots, oldest first. Verdicts that cannot be read are warnings.
///
/// # Errors
/// If the repository cannot be read. An unusable snapshot is in the list.
pub fn list(repository: &Repository, report: &dyn Report) -> Result<Vec<Listed>> {
    let mut survey = Survey::of(repository)?;
    for problem in &survey.verdicts.unreadable {
        report.warn(problem);
    }
    survey.snapshots.sort_by_key(|snapshot| snapshot.time);
    let bar = report.count(survey.snapshots.len() as u64);
    bar.item("reading snapshots");
    let mut list: Vec<Listed> = (survey.snapshots.iter())
        .map(|snapshot| {
            bar.advance(1);
            let mut listed = listed(repository, snapshot);
            listed.drill = survey.verdicts.of(snapshot);
            listed
        })
        .collect();
    link(&mut list, &survey.snapshots);
    Ok(list)
}

/// Names what each of the snapshots continues by the id that it has in this repository. A snapshot
/// whose chain is broken anywhere cannot be restored.
fn link(list: &mut [Listed], snapshots: &[SnapshotInfo]) {
    let lineage = Lineage::of(list.iter().zip(snapshots).map(|(listed, snapshot)| Link {
        id: &snapshot.id,
        original: snapshot.original.as_deref(),
        continues: listed.continues.as_deref(),
    }));
    let unusable: Vec<bool> = list
        .iter()
        .map(|listed| listed.unusable.is_some())
        .collect();
    for (position, listed) in list.iter_mut().enumerate() {
        let previous = lineage.previous(position);
        let broken = lineage.gap(position).is_some()
            || lineage.chain(position).skip(1).any(|part| unusable[part]);
        let Some(id) = listed.continues.take() else {
            continue;
        };
        let id = previous.map_or(id, |found| snapshots[found].id.clone());
        if broken && listed.unusable.is_none() {
            let name = short_id(&id);
            listed.unusable = Some(match previous {
                Some(_) => format!("continues {name}, which cannot be restored"),
                None => format!("continues {name}, which is gone"),
            });
        }
        listed.continues = Some(id);
    }
}

fn listed(repository: &Repository, snapshot: &SnapshotInfo) -> Listed {
    let mut listed = Listed {
        snapshot: snapshot.id.clone(),
        time: time::from_system(snapshot.time),
        server: snapshot.host.clone(),
        tags: snapshot.tags.clone(),
        bytes: snapshot.bytes,
        directory: None,
        unusable: None,
        continues: None,
        state: None,
        logs: None,
        required: None,
        expires: None,
        expired: None,
        damaged: None,
        drill: None,
    };
    match Part::open(repository, snapshot) {
        Err(error) => listed.unusable = Some(error.to_string()),
        Ok(Part {
            manifest, token, ..
        }) => {
            listed.continues = manifest.continues;
            listed.bytes = Some(manifest.files.iter().map(|file| file.size).sum());
            listed.expired = ExpiryToken::from_bytes(&token)
                .ok()
                .map(|token| token.check_unexpired(SystemTime::now()).is_err());
            listed.state = Some(manifest.database.state);
            listed.directory = manifest.directory;
            listed.required = manifest.database.required;
            listed.logs = manifest.logs;
            listed.expires = Some(manifest.expires);
            listed.damaged = Some(manifest.damaged);
        }
    }
    listed
}
