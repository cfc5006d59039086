//! A repository in a local folder, in which stored files survive a power failure.
//!
//! rustic's own local backend syncs a file's content but not its folder, follows the umask, ignores
//! errors while listing, and recreates a repository's folders when they have vanished. This one
//! writes a file under a temporary name, syncs it, renames it, and syncs the folder. It fails if
//! the repository's folder is no longer the one first seen (removed, renamed, unmounted, replaced).

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use platform::file::{self, Identity};
use platform::private;
use rustic_core::{
    ALL_FILE_TYPES, BytesList, ErrorKind, FileType, Id, ReadBackend, RusticError, RusticResult,
    WriteBackend,
};

use crate::error::explain;
use crate::store::{Durability, FORGOTTEN, LOCKS, Store, is_temporary, temporary_name};

/// A folder in restic's default layout: `config`, `keys/`, `index/`, `snapshots/`, `data/00/` to
/// `data/ff/`.
#[derive(Debug)]
pub(crate) struct LocalBackend {
    root: PathBuf,
    /// That of the folder as first used.
    identity: OnceLock<Identity>,
    temporary_names: AtomicU64,
}

impl LocalBackend {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self {
            root,
            identity: OnceLock::new(),
            temporary_names: AtomicU64::new(0),
        }
    }

    fn folder(&self, kind: FileType, id: &Id) -> PathBuf {
        match kind {
            FileType::Config => self.root.clone(),
            FileType::Pack => {
                let hex = id.to_hex();
                self.root
                    .join("data")
                    .join(hex.get(..2).unwrap_or_default())
            }
            _ => self.root.join(kind.dirname()),
        }
    }

    fn path(&self, kind: FileType, id: &Id) -> PathBuf {
        match kind {
            FileType::Config => self.root.join("config"),
            _ => self.folder(kind, id).join(id.to_hex().as_str()),
        }
    }

    fn lock_path(&self, id: &Id) -> PathBuf {
        (self.root.join(LOCKS)).join(id.to_hex().as_str())
    }

    /// Fails if the folder is not the one first used.
    fn still_the_same(&self) -> RusticResult<()> {
        let now = Identity::at(&self.root).map_err(|error| {
            failure(
                "the repository's folder is gone or unmounted",
                &self.root,
                error,
            )
        })?;
        if *self.identity.get_or_init(|| now) == now {
            return Ok(());
        }
        Err(failure(
            "the repository's folder was replaced by another while in use",
            &self.root,
            io::Error::from(io::ErrorKind::NotFound),
        ))
    }

    fn temporary(&self, folder: &Path, id: &Id) -> PathBuf {
        let number = self.temporary_names.fetch_add(1, Ordering::Relaxed);
        folder.join(temporary_name(&id.to_hex(), number))
    }

    fn write(&self, kind: FileType, id: &Id, content: &BytesList) -> io::Result<()> {
        let folder = self.folder(kind, id);
        let temporary = self.temporary(&folder, id);
        let mut file = match private::create_new(&temporary) {
            // Repositories of other programs may lack some of the 256 folders, but not their
            // parent.
            Err(error) if error.kind() == io::ErrorKind::NotFound && kind == FileType::Pack => {
                match private::make_folder(&folder) {
                    Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                        return Err(error);
                    }
                    _ => file::sync_folder(&self.root.join("data"))?,
                }
                private::create_new(&temporary)?
            }
            opened => opened?,
        };
        let written = content
            .slice()
            .iter()
            .try_for_each(|part| file.write_all(part))
            .and_then(|()| file.sync_all())
            .and_then(|()| std::fs::rename(&temporary, self.path(kind, id)))
            .and_then(|()| file::sync_folder(&folder));
        if written.is_err() {
            // The error matters; a file that cannot be removed, too, is harmless.
            let _ = std::fs::remove_file(&temporary);
        }
        written
    }
}

impl ReadBackend for LocalBackend {
    fn location(&self) -> String {
        format!("local:{}", self.root.display())
    }

    fn list_with_size(&self, kind: FileType) -> RusticResult<Vec<(Id, u32)>> {
        if kind == FileType::Config {
            return match std::fs::metadata(self.root.join("config")) {
                Ok(found) => {
                    self.still_the_same()?;
                    Ok(vec![(Id::default(), found.len() as u32)])
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
                Err(error) => Err(failure("cannot look for", &self.root.join("config"), error)),
            };
        }
        self.still_the_same()?;
        let top = self.root.join(kind.dirname());
        let mut files = Vec::new();
        let listed = match kind {
            FileType::Pack => folders_in(&top).and_then(|folders| {
                folders
                    .iter()
                    .try_for_each(|folder| list_files(folder, &mut files))
            }),
            _ => list_files(&top, &mut files),
        };
        listed.map_err(|error| failure("cannot list", &top, error))?;
        Ok(files)
    }

    fn read_full(&self, kind: FileType, id: &Id) -> RusticResult<Bytes> {
        let path = self.path(kind, id);
        std::fs::read(&path)
            .map(Bytes::from)
            .map_err(|error| failure("cannot read", &path, error))
    }

    fn read_partial(
        &self,
        kind: FileType,
        id: &Id,
        _cacheable: bool,
        offset: u32,
        length: u32,
    ) -> RusticResult<Bytes> {
        let path = self.path(kind, id);
        let mut content = vec![0; length as usize];
        File::open(&path)
            .and_then(|file| file::read_exact_at(&file, &mut content, u64::from(offset)))
            .map_err(|error| {
                let what = format!("cannot read {length} bytes at {offset} of");
                failure(&what, &path, error)
            })?;
        Ok(content.into())
    }

    fn warmup_path(&self, kind: FileType, id: &Id) -> String {
        self.path(kind, id).to_string_lossy().into_owned()
    }
}

impl WriteBackend for LocalBackend {
    fn create(&self) -> RusticResult<()> {
        let made = (|| {
            private::make_folders(&self.root)?;
            for kind in ALL_FILE_TYPES {
                make_folder(&self.root.join(kind.dirname()))?;
            }
            make_folder(&self.root.join(LOCKS))?;
            for number in 0..=255u8 {
                make_folder(&self.root.join("data").join(format!("{number:02x}")))?;
            }
            file::sync_folder(&self.root.join("data"))?;
            file::sync_folder(&self.root)?;
            match self.root.parent() {
                Some(parent) if parent != Path::new("") => file::sync_folder(parent),
                _ => file::sync_folder(Path::new(".")),
            }
        })();
        made.map_err(|error| {
            failure(
                "cannot create the repository's folders in",
                &self.root,
                error,
            )
        })?;
        self.still_the_same()
    }

    fn write_bytes(
        &self,
        kind: FileType,
        id: &Id,
        _cacheable: bool,
        content: BytesList,
    ) -> RusticResult<()> {
        self.still_the_same()?;
        self.write(kind, id, &content).map_err(|error| {
            let gone = self.still_the_same().err();
            gone.unwrap_or_else(|| failure("cannot write", &self.path(kind, id), error))
        })
    }

    fn remove(&self, kind: FileType, id: &Id, _cacheable: bool) -> RusticResult<()> {
        self.still_the_same()?;
        let path = self.path(kind, id);
        std::fs::remove_file(&path)
            .and_then(|()| file::sync_folder(&self.folder(kind, id)))
            .map_err(|error| failure("cannot remove", &path, error))
    }
}

/// Locks are not synced: they concern running processes, and after a power failure there are none.
impl Store for LocalBackend {
    fn list_locks(&self) -> io::Result<Vec<Id>> {
        // By name only: reading the files would miss a lock that is renewed meanwhile.
        let entries = match std::fs::read_dir(self.root.join(LOCKS)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        entries
            .filter_map(|entry| entry.map(|entry| id_of(&entry)).transpose())
            .collect()
    }

    fn read_lock(&self, id: &Id) -> io::Result<Option<Vec<u8>>> {
        match std::fs::read(self.lock_path(id)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            content => content.map(Some),
        }
    }

    fn write_lock(&self, id: &Id, content: &[u8]) -> io::Result<()> {
        self.still_the_same()
            .map_err(|error| io::Error::other(explain(&error)))?;
        let folder = self.root.join(LOCKS);
        make_folder(&folder)?;
        let temporary = self.temporary(&folder, id);
        let written = private::create_new(&temporary)
            .and_then(|mut file| file.write_all(content))
            .and_then(|()| std::fs::rename(&temporary, self.lock_path(id)));
        if written.is_err() {
            let _ = std::fs::remove_file(&temporary);
        }
        written
    }

    fn remove_lock(&self, id: &Id) -> io::Result<()> {
        match std::fs::remove_file(self.lock_path(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn durability(&self) -> Durability {
        Durability::Promised
    }

    fn remove_forgotten(&self) {
        let packs = folders_in(&self.root.join("data")).unwrap_or_default();
        let others = ["index", "snapshots", "keys", LOCKS].map(|name| self.root.join(name));
        for folder in packs.into_iter().chain(others) {
            for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
                let forgotten = || {
                    let modified = entry.metadata().and_then(|found| found.modified()).ok()?;
                    Some(modified.elapsed().ok()? > FORGOTTEN)
                };
                if entry.file_name().to_str().is_some_and(is_temporary) && forgotten() == Some(true)
                {
                    let _ = std::fs::remove_file(entry.path());
                }
            }
        }
    }
}

fn failure(what: &str, path: &Path, error: io::Error) -> Box<RusticError> {
    RusticError::with_source(
        ErrorKind::Backend,
        format!("{what} {}", path.display()),
        error,
    )
}

fn make_folder(path: &Path) -> io::Result<()> {
    match private::make_folder(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

fn folders_in(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            folders.push(entry.path());
        }
    }
    Ok(folders)
}

/// Files whose name is an id. Others, such as temporary files, are not the repository's.
fn list_files(folder: &Path, files: &mut Vec<(Id, u32)>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let Some(id) = id_of(&entry) else {
            continue;
        };
        let size = match entry.metadata() {
            Ok(found) => found.len(),
            // It was removed after the listing.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        files.push((id, u32::try_from(size).unwrap_or(u32::MAX)));
    }
    Ok(())
}

/// The id that names a file.
fn id_of(entry: &std::fs::DirEntry) -> Option<Id> {
    entry.file_name().to_str()?.parse().ok()
}
