//! What the repositories hold of each server.

use std::collections::BTreeMap;

use backup::list::Listed;
use backup::words::short_id;
use serde::Serialize;

/// The snapshots of one repository, as it lists them.
pub struct Evidence {
    /// The repository, as its user names it.
    pub repository: String,
    /// Its snapshots.
    pub snapshots: Vec<Listed>,
}

/// A snapshot that can be restored now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Usable {
    /// The repository that holds it.
    pub repository: String,
    /// Its whole id.
    pub snapshot: String,
    /// When the backup began, RFC 3339, UTC.
    pub time: String,
    /// The end of the time in which it may be restored, RFC 3339, UTC.
    pub expires: Option<String>,
    /// When a drill proved it, RFC 3339, UTC.
    pub proven: Option<String>,
}

impl Usable {
    /// The beginning of its id.
    pub fn short_id(&self) -> &str {
        short_id(&self.snapshot)
    }
}

/// The backups of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServerBackups {
    /// The server, as its snapshots name it.
    pub server: String,
    /// The domain controller in its newest snapshot; the server's name where that is not known.
    pub controller: String,
    /// The number of its snapshots.
    pub snapshots: usize,
    /// The newest that can be restored now.
    pub newest: Option<Usable>,
    /// The newest of those that a drill proved.
    pub newest_proven: Option<Usable>,
    /// Why the newest snapshot of all cannot be restored, if so.
    pub unusable: Option<String>,
}

impl ServerBackups {
    /// The snapshot to restore: the newest proven one, else the newest.
    pub fn best(&self) -> Option<&Usable> {
        self.newest_proven.as_ref().or(self.newest.as_ref())
    }
}

/// The backups by server, in the order of names. Servers are the same whatever the case of their
/// names.
pub fn by_server(evidence: &[Evidence]) -> Vec<ServerBackups> {
    let mut servers: BTreeMap<String, Vec<(&str, &Listed)>> = BTreeMap::new();
    for repository in evidence {
        for snapshot in &repository.snapshots {
            let of_server = servers.entry(snapshot.server.to_lowercase()).or_default();
            of_server.push((&repository.repository, snapshot));
        }
    }
    servers.into_values().map(of_server).collect()
}

fn of_server(mut snapshots: Vec<(&str, &Listed)>) -> ServerBackups {
    // All times are RFC 3339 in UTC with whole seconds: their text has their order.
    snapshots.sort_by(|one, other| one.1.time.cmp(&other.1.time));
    let usable: Vec<Usable> = (snapshots.iter())
        .filter(|(_, listed)| obstacle(listed).is_none())
        .map(|(repository, listed)| Usable {
            repository: (*repository).to_owned(),
            snapshot: listed.snapshot.clone(),
            time: listed.time.clone(),
            expires: listed.expires.clone(),
            proven: (listed.drill.as_ref())
                .filter(|verdict| verdict.proven)
                .map(|verdict| verdict.time.clone()),
        })
        .collect();
    let newest = snapshots.last();
    let server = newest.map_or_else(String::new, |(_, listed)| listed.server.clone());
    let controller = snapshots.iter().rev().find_map(|(_, listed)| {
        let drilled = listed
            .drill
            .as_ref()
            .and_then(|drill| drill.directory.as_ref());
        Some(listed.directory.as_ref().or(drilled)?.server.clone())
    });
    ServerBackups {
        controller: controller.unwrap_or_else(|| server.clone()),
        server,
        snapshots: snapshots.len(),
        newest_proven: usable.iter().rfind(|one| one.proven.is_some()).cloned(),
        newest: usable.last().cloned(),
        unusable: newest.and_then(|(_, listed)| obstacle(listed)),
    }
}

/// Why a snapshot must not be restored.
fn obstacle(listed: &Listed) -> Option<String> {
    let id = short_id(&listed.snapshot);
    if let Some(reason) = &listed.unusable {
        return Some(format!("snapshot {id}: {reason}"));
    }
    if listed.damaged == Some(true) {
        return Some(format!("snapshot {id} was stored with damage in it"));
    }
    if listed.expired != Some(false) {
        let until = listed.expires.as_deref().unwrap_or("an unknown time");
        return Some(format!(
            "snapshot {id} has expired ({until}): its deleted objects would come back"
        ));
    }
    let drill = listed.drill.as_ref()?;
    (!drill.proven && drill.not_proven.is_none())
        .then(|| format!("snapshot {id} failed its drill of {}", drill.time))
}

#[cfg(test)]
pub(crate) mod tests {
    use backup::Verdict;

    use super::*;

    /// A sound snapshot, not drilled.
    pub(crate) fn snapshot(server: &str, time: &str) -> Listed {
        Listed {
            snapshot: format!(
                "{:0<64}",
                format!("{server}{time}").replace(|c: char| !c.is_ascii_hexdigit(), "")
            ),
            time: time.into(),
            server: server.into(),
            directory: None,
            tags: Vec::new(),
            bytes: None,
            unusable: None,
            continues: None,
            state: None,
            logs: None,
            required: None,
            expires: Some("2027-01-01T00:00:00Z".into()),
            expired: Some(false),
            damaged: Some(false),
            drill: None,
        }
    }

    pub(crate) fn drilled(mut listed: Listed, proven: bool) -> Listed {
        let verdict = serde_json::json!({
            "snapshot": listed.snapshot, "time": listed.time, "tool": "dsbackup", "proven": proven,
            "findings": [], "generations": null, "records": 0, "rows": 0, "index_entries": 0,
        });
        let verdict: Verdict = serde_json::from_value(verdict).expect("a verdict");
        listed.drill = Some(verdict);
        listed
    }

    fn of(snapshots: Vec<Listed>) -> ServerBackups {
        let repository = "/srv/backup".into();
        let servers = by_server(&[Evidence {
            repository,
            snapshots,
        }]);
        assert_eq!(servers.len(), 1);
        servers.into_iter().next().expect("one")
    }

    #[test]
    fn the_newest_proven_snapshot_is_the_best() {
        let found = of(vec![
            snapshot("DC1", "2026-11-03T00:00:00Z"),
            drilled(snapshot("dc1", "2026-11-02T00:00:00Z"), true),
            drilled(snapshot("dc1", "2026-11-01T00:00:00Z"), true),
        ]);
        assert_eq!(found.snapshots, 3);
        assert_eq!(found.newest.as_ref().unwrap().time, "2026-11-03T00:00:00Z");
        assert_eq!(found.best().unwrap().time, "2026-11-02T00:00:00Z");
        assert_eq!(found.unusable, None);
    }

    #[test]
    fn what_must_not_be_restored_is_passed_over_and_named() {
        let sound = snapshot("dc1", "2026-11-01T00:00:00Z");
        let changes: [fn(&mut Listed); 4] = [
            |listed| listed.expired = Some(true),
            |listed| listed.damaged = Some(true),
            |listed| listed.unusable = Some("no manifest".into()),
            |listed| *listed = drilled(snapshot("dc1", &listed.time), false),
        ];
        for change in changes {
            let mut newest = snapshot("dc1", "2026-11-02T00:00:00Z");
            change(&mut newest);
            let found = of(vec![newest, snapshot("dc1", &sound.time)]);
            assert_eq!(
                found.newest.as_ref().map(|one| &one.time),
                Some(&sound.time)
            );
            assert!(found.unusable.is_some(), "{found:?}");
        }
    }

    #[test]
    fn a_server_in_two_repositories_is_one_server() {
        let evidence = ["/a", "/b"].map(|repository| Evidence {
            repository: repository.into(),
            snapshots: vec![snapshot(
                "dc1",
                if repository == "/a" {
                    "2026-11-02T00:00:00Z"
                } else {
                    "2026-11-01T00:00:00Z"
                },
            )],
        });
        let servers = by_server(&evidence);
        assert_eq!(servers.len(), 1);
        assert_eq!(servers[0].newest.as_ref().unwrap().repository, "/a");
    }
}
