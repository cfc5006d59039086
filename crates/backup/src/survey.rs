//! What is known of all snapshots of a repository, read once.

use jiff::Timestamp;
use model::Manifest;
use model::manifest::MANIFEST_PATH;
use repository::{Error, Repository, SnapshotInfo};

use crate::choice::{Backup, Content, Subject};
use crate::report::Report;
use crate::shown::Shown;
use crate::verdicts::{Verdicts, holds_verdicts};

/// The longest manifest that is read.
const LIMIT: u64 = 64 << 20;

/// The snapshots of a repository, and the verdicts on them.
pub struct Survey {
    /// All but those that hold verdicts, oldest first; other programs' as well.
    pub snapshots: Vec<SnapshotInfo>,
    /// What drills found.
    pub verdicts: Verdicts,
}

impl Survey {
    /// Lists the snapshots. Those that cannot be read are noted in the repository.
    ///
    /// # Errors
    /// When the repository cannot be read at all.
    pub fn of(repository: &Repository) -> Result<Self, Error> {
        let mut snapshots = repository.snapshots()?;
        let verdicts = Verdicts::read(repository, &snapshots);
        snapshots.retain(|snapshot| !holds_verdicts(snapshot));
        Ok(Self {
            snapshots,
            verdicts,
        })
    }

    /// Whether any snapshot is of this server, whatever the case of its name.
    pub fn holds_server(&self, server: &str) -> bool {
        let mut snapshots = self.snapshots.iter();
        snapshots.any(|snapshot| snapshot.is_of(server))
    }

    /// Refuses servers without a snapshot.
    ///
    /// # Errors
    /// [`crate::Error::UnknownServer`] with the first of them.
    pub fn require_servers(&self, servers: &[String]) -> Result<(), crate::Error> {
        match servers.iter().find(|server| !self.holds_server(server)) {
            None => Ok(()),
            Some(server) => Err(crate::Error::UnknownServer(server.clone())),
        }
    }

    /// What a choice must know of each of the snapshots, in their order.
    ///
    /// # Errors
    /// When the repository cannot be read at all.
    pub fn subjects(
        &self,
        repository: &Repository,
        report: &dyn Report,
    ) -> Result<Vec<Subject>, Error> {
        let mut shown = Shown::new(report, "");
        let mut watch = |work, done, total| shown.set(work, done, total);
        let manifests =
            repository.read_of_each(&self.snapshots, MANIFEST_PATH, LIMIT, &mut watch)?;
        let subjects = self.snapshots.iter().zip(manifests);
        Ok(subjects
            .map(|(snapshot, manifest)| Subject {
                id: snapshot.id.clone(),
                original: snapshot.original.clone(),
                server: snapshot.host.clone(),
                time: Timestamp::try_from(snapshot.time).unwrap_or(Timestamp::UNIX_EPOCH),
                tags: snapshot.tags.clone(),
                content: self.content(snapshot, manifest),
            })
            .collect())
    }

    fn content(&self, snapshot: &SnapshotInfo, manifest: Result<Vec<u8>, Error>) -> Content {
        let ours = snapshot.program.starts_with("dsbackup ");
        let manifest = match manifest {
            Ok(json) => Manifest::from_json(&json).map_err(|error| error.to_string()),
            Err(Error::NoSuchFile { .. }) if !ours => return Content::Foreign,
            Err(error) => Err(error.to_string()),
        };
        match manifest {
            Ok(manifest) => Content::Backup(Backup {
                proven: (self.verdicts.of(snapshot)).is_some_and(|verdict| verdict.proven),
                damaged: manifest.damaged,
                shipped: manifest.shipped,
                continues: manifest.continues,
            }),
            Err(reason) => Content::Unreadable(reason),
        }
    }
}
