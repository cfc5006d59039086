//! A directory in a snapshot, or in an image of a disk, open for reading its objects.
//!
//! ```text
//!              clean ntds.dit ──────────────▶ random access in the repository ─┐
//! snapshot ─┬─ dirty ntds.dit ─▶ cache: restored, logs replayed ───────────────┼─▶ objects::Source
//!           ├─ Samba's sam.ldb ─▶ cache: only sam.ldb and sam.ldb.d restored ──┤
//! image of a disk ──────────────▶ cache: copied out, logs replayed ────────────┘
//! ```

mod cache;
mod changed_files;
mod file_list;
mod image;
mod secret_files;
mod snapshot_source;

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use ese::Database;
use ese::recovery::recover;
use ids::Guid;
use model::manifest::File;
use objects::Stored;
use objects::ntds::Ntds;
use objects::samba::Samba;
use zeroize::Zeroizing;

use self::cache::Copy;
pub use self::cache::{Cache, Limits};
pub use self::changed_files::{FileChange, changed_files};
pub(crate) use self::file_list::listing;
pub use self::file_list::{FileContent, FileKind, FileList, ListedFile};
pub use self::image::DiskImage;
pub use self::secret_files::secret_in;
use self::snapshot_source::SnapshotSource;
use crate::error::{Error, Result};
use crate::report::Report;
use crate::restore;
use crate::snapshot::{Snapshot, reading_failed};

/// The folder of Samba's databases in a snapshot.
const SAMBA_FOLDER: &str = "private";

/// A directory in a snapshot or in an image. Its files stay as long as this value lives.
pub struct View {
    // Dropped before the files that it reads.
    directory: Stored,
    _copy: Option<Copy>,
}

impl View {
    /// Opens the directory of a snapshot. An expired snapshot is opened, too.
    ///
    /// # Errors
    /// Fails if the snapshot is damaged or has no directory, if its logs cannot be replayed, and if
    /// the cache has no room for a copy that is needed.
    pub fn open(snapshot: &Snapshot, cache: &Cache, report: &dyn Report) -> Result<Self> {
        if snapshot.manifest.is_tree() {
            return Self::of_samba(snapshot, cache, report);
        }
        let file = database_of(snapshot)?;
        let database = SnapshotSource(snapshot.content.random_access(&file.path)?);
        let name = database.0.name().to_owned();
        let database = Database::over(database, name)?.verifying_checksums();
        // Later logs of a chain hold changes that even a clean database lacks.
        if database.is_clean() && !snapshot.content.is_chain() {
            return Ok(Self {
                directory: Ntds::over(database)?.into(),
                _copy: None,
            });
        }
        drop(database);
        Self::of_dirty(snapshot, file.base_name(), cache, report)
    }

    fn of_dirty(
        snapshot: &Snapshot,
        database: &str,
        cache: &Cache,
        report: &dyn Report,
    ) -> Result<Self> {
        let copy = cache.copy(&snapshot.id, |folder| {
            report.note(&format!(
                "snapshot {}: its database is restored into {} and its logs are replayed",
                snapshot.short_id(),
                cache.place()
            ));
            restore::copy_into(snapshot, folder, report)?;
            recover(restore::recovery(&snapshot.manifest, folder, report))?;
            keep_only(folder, database)
        })?;
        Self::of_recovered(copy, database)
    }

    /// Opens the database of this name in a copy, after its logs were replayed.
    fn of_recovered(copy: Copy, database: &str) -> Result<Self> {
        let database = Database::open(copy.path().join(database))?.verifying_checksums();
        Ok(Self {
            directory: Ntds::over(database)?.into(),
            _copy: Some(copy),
        })
    }

    fn of_samba(snapshot: &Snapshot, cache: &Cache, report: &dyn Report) -> Result<Self> {
        let copy = cache.copy(&snapshot.id, |folder| {
            report.note(&format!(
                "snapshot {}: Samba's databases are restored into {}",
                snapshot.short_id(),
                cache.place()
            ));
            restore::copy_some_into(snapshot, is_of_samba, folder, report)
        })?;
        Ok(Self {
            directory: Samba::open(&copy.path().join(SAMBA_FOLDER))?.into(),
            _copy: Some(copy),
        })
    }
}

impl View {
    /// The folder of Samba's databases; `None` for a directory of another kind.
    pub fn samba_folder(&self) -> Option<PathBuf> {
        let folder = self._copy.as_ref()?.path().join(SAMBA_FOLDER);
        folder.is_dir().then_some(folder)
    }
}

impl View {
    /// The passwords of these objects in a snapshot of Samba's databases, for the one purpose of
    /// docs/decisions/secrets.md.
    ///
    /// # Errors
    /// Fails if the snapshot is of another kind of server, or its key is missing or another one.
    pub fn secrets(
        &self,
        snapshot: &Snapshot,
        objects: &HashSet<Guid>,
    ) -> Result<HashMap<Guid, samba::secrets::Values>> {
        let refused =
            |reason: &str| Error::Refused(format!("snapshot {}: {reason}", snapshot.short_id()));
        let folder = self.samba_folder();
        let folder = folder.ok_or_else(|| refused("it is not of a Samba server"))?;
        let key = samba::secrets::Key::new(&samba_key(snapshot)?);
        let key = key.ok_or_else(|| refused("its key of passwords is no key"))?;
        Ok(samba::secrets::read(&folder, &key, objects)?)
    }
}

/// The key of the passwords in a snapshot of Samba's databases. It goes into no cache.
fn samba_key(snapshot: &Snapshot) -> Result<Zeroizing<Vec<u8>>> {
    /// Bytes that are read of it; a key has 16.
    const MOST: u64 = 64;
    let path = format!("{SAMBA_FOLDER}/{}", samba::secrets::KEY_FILE);
    let mut key = Zeroizing::new(Vec::new());
    let read = snapshot
        .content
        .open(&path)?
        .take(MOST)
        .read_to_end(&mut key);
    read.map_err(|error| reading_failed(error, &path))?;
    Ok(key)
}

impl Deref for View {
    type Target = Stored;

    fn deref(&self) -> &Self::Target {
        &self.directory
    }
}

/// The database file of a snapshot.
fn database_of(snapshot: &Snapshot) -> Result<&File> {
    let mut databases = snapshot.manifest.databases();
    match (databases.next(), databases.next()) {
        (Some(file), None) => Ok(file),
        (None, _) => Err(Error::Refused(format!(
            "snapshot {}: it holds no database",
            snapshot.short_id()
        ))),
        (Some(_), Some(_)) => Err(Error::Refused(format!(
            "snapshot {}: it holds several databases; a directory has exactly one",
            snapshot.short_id()
        ))),
    }
}

/// Whether a file of a Samba snapshot is the directory, or a partition of it.
fn is_of_samba(file: &File) -> bool {
    let path = file.path.strip_prefix(SAMBA_FOLDER);
    path.is_some_and(|path| path == "/sam.ldb" || path.starts_with("/sam.ldb.d/"))
}

/// Removes the logs and all else beside the recovered database.
fn keep_only(folder: &Path, database: &str) -> Result<()> {
    let list = |error| Error::io("list the folder", folder)(error);
    for entry in std::fs::read_dir(folder).map_err(list)? {
        let entry = entry.map_err(list)?;
        if entry.file_name() != database {
            let path = entry.path();
            std::fs::remove_file(&path).map_err(Error::io("remove", path))?;
        }
    }
    Ok(())
}
