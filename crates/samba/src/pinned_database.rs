//! Databases pinned together: while locks keep writers away, a read transaction pins each LMDB
//! database and a copy each TDB database. Everything slow happens before.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::database::DatabaseKind;
use crate::error::{Error, Result};
use crate::ldb;
use crate::lmdb::{self, Environment, Snapshot};
use crate::lock::{Held, Kind, Range};
use crate::spool::{self, Copied, Prepared};
use crate::tdb;

/// The longest wait for a lock while others are held.
const PATIENCE: Duration = Duration::from_millis(5);

/// A database whose content no longer changes.
#[derive(Clone)]
pub(crate) enum PinnedDatabase {
    /// Pages that are not reused while this value lives.
    Lmdb(Arc<Snapshot>),
    /// A copy.
    Tdb(Copied),
}

impl PinnedDatabase {
    /// The size of the file in a backup.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Lmdb(snapshot) => snapshot.size(),
            Self::Tdb(copied) => copied.size(),
        }
    }

    /// Its records.
    pub(crate) fn records(&self) -> Result<ldb::File> {
        match self {
            Self::Lmdb(snapshot) => Ok(lmdb::Records::pinned(snapshot.clone()).into()),
            Self::Tdb(copied) => {
                let again = copied.file().try_clone();
                let file = again.map_err(Error::io("open again the copy of", copied.path()))?;
                Ok(tdb::Records::over(copied.path(), file)?.into())
            }
        }
    }
}

/// Databases that are ready to be pinned.
pub(crate) struct PreparedDatabases {
    lmdb: Vec<(PathBuf, Environment)>,
    tdb: Vec<Prepared>,
}

impl PreparedDatabases {
    /// Opens LMDB databases, and copies TDB databases for the first time. `spool` is the folder of
    /// the copies, `limit` the longest wait for LMDB's locks.
    pub(crate) fn new<'p>(
        databases: impl IntoIterator<Item = (&'p Path, DatabaseKind)>,
        spool: &Path,
        limit: Duration,
    ) -> Result<Self> {
        let mut prepared = Self {
            lmdb: Vec::new(),
            tdb: Vec::new(),
        };
        for (path, kind) in databases {
            match kind {
                DatabaseKind::Lmdb => {
                    let library = lmdb::Library::load()?;
                    let environment = Environment::open(&library, path, limit)?;
                    prepared.lmdb.push((path.to_path_buf(), environment));
                }
                DatabaseKind::Tdb => prepared.tdb.push(Prepared::new(path, spool)?),
            }
        }
        Ok(prepared)
    }

    /// Pins all of them, by their paths. Their locks are held by the caller.
    pub(crate) fn pin(self) -> Result<Vec<(PathBuf, PinnedDatabase)>> {
        let mut pinned = Vec::new();
        for (path, environment) in self.lmdb {
            let snapshot = Arc::new(environment.pin()?);
            pinned.push((path, PinnedDatabase::Lmdb(snapshot)));
        }
        for copied in spool::capture(self.tdb)? {
            let path = copied.path().to_path_buf();
            pinned.push((path, PinnedDatabase::Tdb(copied)));
        }
        Ok(pinned)
    }
}

/// A lock of a database.
pub(crate) struct Lock {
    path: PathBuf,
    range: Range,
    kind: Kind,
}

impl Lock {
    /// The one that keeps transactions away from a TDB.
    pub(crate) fn of_transactions(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            range: tdb::TRANSACTION,
            kind: Kind::Exclusive,
        }
    }

    /// Both locks of a TDB: against transactions, and against writers without one.
    pub(crate) fn all_of(path: &Path) -> [Self; 2] {
        let records = Self {
            path: path.to_path_buf(),
            range: tdb::RECORDS,
            kind: Kind::Shared,
        };
        [Self::of_transactions(path), records]
    }
}

/// Locks held together.
pub(crate) struct Locks {
    _held: Vec<Held>,
}

impl Locks {
    /// Takes all locks or none. Queues for one of them, holding nothing; the others must be free
    /// within [`PATIENCE`]. The lock that was not free is the next to queue for. So nobody who
    /// holds one of them and waits for another is delayed for long, whatever the order of the
    /// locks.
    pub(crate) fn acquire(locks: &[Lock], limit: Duration) -> Result<Self> {
        let begin = Instant::now();
        let mut in_the_way = 0;
        loop {
            let remaining = limit.saturating_sub(begin.elapsed());
            match Self::attempt(locks, in_the_way, remaining)? {
                Ok(held) => return Ok(Self { _held: held }),
                Err(other) => in_the_way = other,
            }
        }
    }

    fn attempt(locks: &[Lock], first: usize, limit: Duration) -> Result<Result<Vec<Held>, usize>> {
        let Some(lock) = locks.get(first) else {
            return Ok(Ok(Vec::new()));
        };
        let mut held = vec![Held::wait(&lock.path, lock.range, lock.kind, limit)?];
        for (index, lock) in locks.iter().enumerate() {
            if index == first {
                continue;
            }
            match Held::take(&lock.path, lock.range, lock.kind, PATIENCE) {
                Ok(other) => held.push(other),
                Err(error @ Error::Locked { .. }) if limit.is_zero() => return Err(error),
                Err(Error::Locked { .. }) => return Ok(Err(index)),
                Err(error) => return Err(error),
            }
        }
        Ok(Ok(held))
    }
}
