//! Directories in snapshots, open for reading: a bounded number of them.

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use backup::view::{Cache, Limits};
use backup::{Silent, Snapshot, View, lock};
use jobs::Configuration;
use objects::Source;
use repository::Repository;

use crate::library::Library;
use crate::problem::Problem;
use crate::recent::Recent;

/// The directories that are open at the same time; the one used longest ago is closed first.
const MOST: usize = 4;

/// How long one stays open after its last use.
const AGE: Duration = Duration::from_secs(15 * 60);

/// How long the lock of another program is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// A directory in a snapshot.
pub struct Directory {
    /// The name of the repository.
    pub repository: String,
    /// The whole id of the snapshot.
    pub id: String,
    /// The server.
    pub server: String,
    /// The time of the snapshot, RFC 3339, UTC.
    pub time: String,
    view: View,
}

impl Deref for Directory {
    type Target = dyn Source;

    fn deref(&self) -> &Self::Target {
        &**self.view
    }
}

/// The open directories.
pub struct Directories(Recent<Directory>);

impl Default for Directories {
    fn default() -> Self {
        Self(Recent::new(MOST, AGE))
    }
}

impl Directories {
    /// The directory in a snapshot. The first to want it may have to wait for a copy.
    ///
    /// # Errors
    /// If there is no such snapshot, or it holds no directory, or is damaged.
    pub fn open(
        &self,
        library: &Library,
        configuration: &Configuration,
        cache: &Path,
        repository: &str,
        id: &str,
    ) -> Result<Arc<Directory>, Problem> {
        // A repository that is gone from the configuration is not shown any more.
        let shelf = library.shelf(configuration, repository)?;
        self.0.get(&format!("{repository} {id}"), || {
            let listed = shelf.listed(id)?;
            Ok(Directory {
                repository: repository.to_owned(),
                id: id.to_owned(),
                server: listed.server,
                time: listed.time,
                view: view(&shelf.repository, id, cache)?,
            })
        })
    }
}

fn view(repository: &Repository, id: &str, cache: &Path) -> Result<View, Problem> {
    let _lock = lock::for_reading(repository, PATIENCE, &Silent).map_err(Problem::failed)?;
    let info = repository.snapshot(id).map_err(Problem::failed)?;
    let snapshot = Snapshot::open(repository, &info).map_err(Problem::failed)?;
    let cache = Cache {
        folder: cache.to_path_buf(),
        limits: Some(Limits::default()),
    };
    View::open(&snapshot, &cache, &Silent).map_err(Problem::failed)
}
