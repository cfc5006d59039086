//! One of Samba's databases: its file format, and the verification of its structure.

use std::fmt;
use std::fs::File;
use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::file_start::read_start;
use crate::lock::{Held, Kind as LockKind};
use crate::{lmdb, tdb};

/// The longest wait for a writer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The file formats of Samba's directory, secrets and settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseKind {
    /// Samba's own: `sam.ldb`, and its partitions with the backend `tdb`.
    Tdb,
    /// The partitions of `sam.ldb` with the backend `mdb`.
    Lmdb,
}

impl DatabaseKind {
    /// Recognizes a file by its start. `None`: neither format.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn of_file(path: &Path) -> Result<Option<Self>> {
        let mut start = [0; lmdb::MAGIC_END];
        Ok(match read_start(path, &mut start)? {
            true if tdb::has_magic(&start) => Some(Self::Tdb),
            true if lmdb::has_magic(&start) => Some(Self::Lmdb),
            _ => None,
        })
    }

    /// Verifies the structure of a file: every record of a TDB, every page of an LMDB. Locks a TDB
    /// meanwhile, if this process may write to it; writers wait.
    ///
    /// # Errors
    /// [`Error::Damaged`] with the position; [`Error::Running`] if the file was written to
    /// meanwhile; [`Error::Locked`]; [`Error::Io`].
    pub fn verify(self, path: &Path) -> Result<()> {
        let changed = || -> Result<_> {
            let metadata = path.metadata().map_err(Error::io("look at", path))?;
            Ok((metadata.len(), metadata.modified().ok()))
        };
        let before = changed()?;
        let verified = match self {
            Self::Lmdb => lmdb::verify(path),
            Self::Tdb => verify_tdb(path),
        };
        match verified {
            Err(Error::Damaged { .. }) if changed()? != before => Err(Error::Running(format!(
                "{}: it was written to while it was verified; stop the domain controller, or \
                 verify a restored backup",
                path.display()
            ))),
            verified => verified,
        }
    }
}

fn verify_tdb(path: &Path) -> Result<()> {
    let mut held = Vec::new();
    for (range, kind) in [
        (tdb::TRANSACTION, LockKind::Exclusive),
        (tdb::RECORDS, LockKind::Shared),
    ] {
        match Held::wait(path, range, kind, PATIENCE) {
            // A file that this process may only read, such as evidence, has no writers.
            Err(Error::Io { source, .. }) if may_not_write(&source) => break,
            lock => held.push(lock?),
        }
    }
    let file = File::open(path).map_err(Error::io("open", path))?;
    let size = file.metadata().map_err(Error::io("look at", path))?.len();
    tdb::verify(path, &file, size).map(drop)
}

fn may_not_write(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
    matches!(error.kind(), PermissionDenied | ReadOnlyFilesystem)
}

impl fmt::Display for DatabaseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tdb => "Samba database (TDB)",
            Self::Lmdb => "Samba database (LMDB)",
        })
    }
}
