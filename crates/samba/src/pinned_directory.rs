//! The directory of a running domain controller at one point in time, for readers of its objects.
//!
//! The locks are those of a backup ([`PointInTime`](crate::PointInTime)), and as short; `sam.ldb`
//! and its partitions are pinned, and no other file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::database::DatabaseKind;
use crate::error::{Error, Result};
use crate::pinned_database::{Lock, Locks, PinnedDatabase, PreparedDatabases};
use crate::{ldb, lock, system};

/// `sam.ldb` and its partitions. Dropping it releases everything, also when the process is killed.
pub struct PinnedDirectory {
    databases: BTreeMap<PathBuf, PinnedDatabase>,
}

impl PinnedDirectory {
    /// Whether a domain controller, or another program, uses the databases in the folder `private`.
    pub fn is_in_use(private: &Path) -> bool {
        let sockets = ["ldap_priv/ldapi", "ldapi"].map(|socket| private.join(socket));
        let mut files = databases(private).unwrap_or_default();
        let listens = sockets.iter().any(|path| system::is_listened_to(path));
        listens
            || files.any(|(path, kind)| {
                let locked = match kind {
                    DatabaseKind::Tdb => path,
                    // Each process that has an LMDB database open holds a lock on the file beside it.
                    DatabaseKind::Lmdb => lock_file(&path),
                };
                !lock::holders(&locked).is_empty()
            })
    }

    /// Pins the databases in the folder `private`. Copies of TDB files go into the folder `spool`:
    /// unnamed files, which vanish with the process. `limit` is the longest wait for locks.
    ///
    /// # Errors
    /// [`Error::Locked`] or [`Error::Stuck`] if a lock is not free in time; [`Error::Io`], for
    /// example if this process may not write to the databases, which their locks require, or the
    /// disk of the spool folder is full. After any error nothing stays locked.
    pub fn pin(private: &Path, spool: &Path, limit: Duration) -> Result<Self> {
        let databases: Vec<(PathBuf, DatabaseKind)> = databases(private)?.collect();
        let paths = databases.iter().map(|(path, kind)| (path.as_path(), *kind));
        let prepared = PreparedDatabases::new(paths, spool, limit)?;
        let locks = ["sam.ldb.d/metadata.tdb", "sam.ldb"].map(|path| private.join(path));
        let locks = locks.each_ref().map(|path| Lock::of_transactions(path));
        let held = Locks::acquire(&locks, limit)?;
        let pinned = prepared.pin();
        drop(held);
        Ok(Self {
            databases: pinned?.into_iter().collect(),
        })
    }

    /// The records of the database at `path`.
    ///
    /// # Errors
    /// [`Error::Damaged`] if there is no such database, or it is damaged.
    pub fn records(&self, path: &Path) -> Result<ldb::File> {
        match self.databases.get(path) {
            Some(database) => database.records(),
            None => Err(Error::damaged(path, "there is no such database")),
        }
    }
}

/// `sam.ldb`, and the databases in `sam.ldb.d`.
fn databases(private: &Path) -> Result<std::vec::IntoIter<(PathBuf, DatabaseKind)>> {
    let folder = private.join("sam.ldb.d");
    let list = |error| Error::io("list the folder", &folder)(error);
    let mut paths = vec![private.join("sam.ldb")];
    for entry in std::fs::read_dir(&folder).map_err(list)? {
        paths.push(entry.map_err(list)?.path());
    }
    let locks: Vec<PathBuf> = paths.iter().map(|path| lock_file(path)).collect();
    let mut databases = Vec::new();
    for path in paths.into_iter().filter(|path| !locks.contains(path)) {
        if path.is_file()
            && let Some(kind) = DatabaseKind::of_file(&path)?
        {
            databases.push((path, kind));
        }
    }
    Ok(databases.into_iter())
}

fn lock_file(database: &Path) -> PathBuf {
    let mut path = database.as_os_str().to_owned();
    path.push("-lock");
    path.into()
}
