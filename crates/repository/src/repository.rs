//! Creating and opening a repository, and listing its snapshots.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustic_core::repofile::{Chunker, ConfigFile, KeyFile, SnapshotFile};
use rustic_core::{
    ConfigOptions, Credentials, FileType, Id, KeyOptions, OpenStatus, RepositoryBackends,
    RepositoryOptions, WriteBackend,
};

use crate::chunk_size::ChunkSize;
use crate::cipher::Cipher;
use crate::error::Error;
use crate::hiding::Hiding;
use crate::location::Location;
use crate::password::Password;
use crate::seal::Verify;
use crate::snapshot::SnapshotInfo;
use crate::storage::Storage;
use crate::store::{Durability, Store};
use crate::unreadable::{Notes, Unreadable};

/// The default size of a chunk in bytes: see `docs/repository.md` for measurements.
const CHUNK_SIZE: u32 = 64 << 10;
/// The size of a small chunk in bytes, if standard ones have [`CHUNK_SIZE`]: see there, too.
const SMALL_CHUNK_SIZE: u32 = 8 << 10;
/// The range of chunk sizes. Smaller chunks would divide pages; larger ones would exceed a backup's
/// memory.
const CHUNK_SIZES: std::ops::RangeInclusive<u32> = 4 << 10..=8 << 20;
/// The default zstd level.
const LEVEL: i32 = 1;

/// Options for the storage of content in a new repository.
#[derive(Debug, Clone)]
pub struct InitOptions {
    /// The size of chunks in bytes, the unit of deduplication: a power of two, 4 KiB to 8 MiB. With
    /// the default of 64 KiB, files of [`ChunkSize::Small`] have chunks of 8 KiB; any other size
    /// applies to every file.
    pub chunk_size: u32,
    /// zstd level, -7 (fast) to 22.
    pub level: i32,
    /// Opens and compares every chunk after compression and encryption, to detect faults of memory
    /// and processor, for a seventh more processor time. Otherwise only every sixteenth chunk and
    /// every listing. Corresponds to rustic's `extra-verify`.
    pub verify: bool,
}

impl Default for InitOptions {
    fn default() -> Self {
        Self {
            chunk_size: CHUNK_SIZE,
            level: LEVEL,
            verify: false,
        }
    }
}

/// An open repository.
pub struct Repository {
    location: Location,
    storage: Arc<Storage>,
    chunk_size: usize,
}

impl Repository {
    /// Creates a repository. A local folder must be new or empty.
    ///
    /// `backend_options` are for remote stores, with rustic's and OpenDAL's names (`access_key_id`,
    /// `region`, ...).
    ///
    /// # Errors
    /// [`Error::Exists`] if the location is not empty; [`Error::Location`] if it is malformed.
    pub fn init(
        location: &Location,
        password: &Password,
        options: &InitOptions,
        backend_options: &BTreeMap<String, String>,
    ) -> Result<Self, Error> {
        let unsupported = |reason: String| Error::Unsupported {
            location: location.to_string(),
            reason,
        };
        if password.is_empty() {
            return Err(unsupported("the password is empty".to_string()));
        }
        if !options.chunk_size.is_power_of_two() || !CHUNK_SIZES.contains(&options.chunk_size) {
            return Err(unsupported(format!(
                "chunks of {} bytes: use a power of two from 4 KiB to 8 MiB",
                options.chunk_size
            )));
        }
        if let Some(folder) = location.local() {
            must_be_empty(location, folder)?;
        }
        let (backend, store) = location.backend(backend_options)?;
        let doing = || format!("creating the repository at {location}");
        let existing = backend.list(FileType::Config);
        if existing.is_ok_and(|found| !found.is_empty()) {
            return Err(exists(location, "there is a repository"));
        }
        let mut config = ConfigOptions::default();
        config.set_version = Some(2);
        config.set_chunker = Some(Chunker::FixedSize);
        config.set_compression = Some(options.level);
        config.set_extra_verify = options.verify.then_some(true);
        config.set_chunk_size = options.chunk_size.to_string().parse().ok();
        let unreadable = Arc::<Notes>::default();
        let inner = rustic(&backend, &unreadable, location)?
            .init(
                &Credentials::password(password.expose()),
                &KeyOptions::default(),
                &config,
            )
            .map_err(|error| Error::storage(doing(), &error))?;
        Self::assemble(location, backend, store, unreadable, inner)
    }

    /// Opens a repository of version 2, made by dsbackup, restic or rustic.
    ///
    /// # Errors
    /// [`Error::Missing`] if there is none; [`Error::WrongPassword`]; [`Error::Unsupported`].
    pub fn open(
        location: &Location,
        password: &Password,
        backend_options: &BTreeMap<String, String>,
    ) -> Result<Self, Error> {
        let missing = |reason: String| Error::Missing {
            location: location.to_string(),
            reason,
        };
        let (backend, store) = location.backend(backend_options)?;
        let config = backend.list(FileType::Config).map_err(|error| {
            Error::storage(format!("opening the repository at {location}"), &error)
        })?;
        if config.is_empty() {
            return Err(missing("it has no `config`".to_string()));
        }
        let unreadable = note_bad_keys(&backend)?;
        let inner = rustic(&backend, &unreadable, location)?
            .open(&Credentials::password(password.expose()))
            .map_err(|error| {
                if error.is_incorrect_password() {
                    Error::WrongPassword {
                        location: location.to_string(),
                    }
                } else {
                    Error::storage(format!("opening the repository at {location}"), &error)
                }
            })?;
        Self::assemble(location, backend, store, unreadable, inner)
    }

    fn assemble(
        location: &Location,
        backend: Arc<dyn WriteBackend>,
        store: Arc<dyn Store>,
        unreadable: Arc<Notes>,
        inner: rustic_core::Repository<OpenStatus>,
    ) -> Result<Self, Error> {
        let unsupported = |reason: &str| Error::Unsupported {
            location: location.to_string(),
            reason: reason.to_string(),
        };
        let config = inner.config();
        if config.version != 2 {
            return Err(unsupported(
                "its format is not version 2; `restic migrate upgrade_repo_v2` brings it there",
            ));
        }
        let chunk_size = chunk_size(config);
        let level = config.compression.unwrap_or(LEVEL);
        let verify = match config.extra_verify {
            Some(true) => Verify::Every,
            _ => Verify::Sample,
        };
        let cipher = Cipher::new(inner.key())
            .ok_or_else(|| unsupported("its master key has parts of the wrong length"))?;
        let storage = Arc::new(Storage {
            backend,
            store,
            unreadable,
            cipher,
            level,
            verify,
        });
        Ok(Self {
            location: location.clone(),
            storage,
            chunk_size,
        })
    }

    /// Its location.
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Whether stored content survives a power failure.
    pub fn durability(&self) -> Durability {
        self.storage.store.durability()
    }

    /// The size of a chunk in bytes.
    pub fn chunk_bytes(&self, chunk_size: ChunkSize) -> usize {
        match chunk_size {
            ChunkSize::Small if self.chunk_size == CHUNK_SIZE as usize => SMALL_CHUNK_SIZE as usize,
            _ => self.chunk_size,
        }
    }

    /// All readable snapshots, oldest first. Afterwards the others are among
    /// [`Repository::unreadable`].
    ///
    /// # Errors
    /// Fails if they cannot be listed.
    pub fn snapshots(&self) -> Result<Vec<SnapshotInfo>, Error> {
        let mut snapshots = Vec::new();
        (self.storage).read_all(FileType::Snapshot, |id, snapshot: SnapshotFile| {
            snapshots.push(SnapshotInfo::new(id, &snapshot));
        })?;
        snapshots.sort_by(|a, b| a.time.cmp(&b.time).then_with(|| a.id.cmp(&b.id)));
        Ok(snapshots)
    }

    /// The files found unreadable since the repository was opened; results so far lack them.
    pub fn unreadable(&self) -> Vec<Unreadable> {
        self.storage.unreadable.all()
    }

    /// A snapshot by a prefix of its id, or `latest`.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if none or several match; [`Error::Damaged`] if it is unreadable.
    pub fn snapshot(&self, wanted: &str) -> Result<SnapshotInfo, Error> {
        if wanted == "latest" {
            return self.snapshots()?.pop().ok_or_else(|| Error::Snapshot {
                wanted: wanted.to_string(),
                reason: "the repository has no snapshot".to_string(),
            });
        }
        let id = self.find_id(wanted)?;
        match self.storage.read_json(FileType::Snapshot, &id) {
            Ok(snapshot) => Ok(SnapshotInfo::new(id, &snapshot)),
            Err(reason) => Err(Error::Damaged {
                what: format!(
                    "snapshots/{} cannot be read: {reason}",
                    id.to_hex().as_str()
                ),
            }),
        }
    }

    /// The full id of a snapshot, readable or not, by a prefix.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if none or several match.
    pub fn snapshot_id(&self, beginning: &str) -> Result<String, Error> {
        Ok(self.find_id(beginning)?.to_hex().as_str().to_string())
    }

    fn find_id(&self, beginning: &str) -> Result<Id, Error> {
        let failed = |reason: String| Error::Snapshot {
            wanted: beginning.to_string(),
            reason,
        };
        let digits = beginning.to_ascii_lowercase();
        let mut matching = self.storage.list(FileType::Snapshot)?;
        matching.retain(|id| !digits.is_empty() && id.to_hex().as_str().starts_with(&digits));
        match matching[..] {
            [id] => Ok(id),
            [] => Err(failed(
                "no snapshot has this id; `snapshots` lists them".to_string(),
            )),
            _ => Err(failed(format!(
                "{} snapshots begin like this, give more digits",
                matching.len()
            ))),
        }
    }

    pub(crate) fn storage(&self) -> &Arc<Storage> {
        &self.storage
    }
}

/// rustic's view of the repository, without unreadable files, and without a cache in the user's
/// home.
fn rustic(
    backend: &Arc<dyn WriteBackend>,
    unreadable: &Arc<Notes>,
    location: &Location,
) -> Result<rustic_core::Repository<()>, Error> {
    let visible = Hiding {
        backend: backend.clone(),
        hidden: unreadable.clone(),
    };
    let backends = RepositoryBackends::new(Arc::new(visible), None);
    rustic_core::Repository::new(&RepositoryOptions::default().no_cache(true), &backends)
        .map_err(|error| Error::storage(format!("using {location}"), &error))
}

/// Notes malformed key files, at which rustic would stop: another key may be the right one.
fn note_bad_keys(backend: &Arc<dyn WriteBackend>) -> Result<Arc<Notes>, Error> {
    let notes = Arc::<Notes>::default();
    let keys = backend.list(FileType::Key);
    let keys = keys.map_err(|error| Error::storage("listing keys/", &error))?;
    if let [_] = keys[..] {
        return Ok(notes);
    }
    for id in keys {
        if let Ok(content) = backend.read_full(FileType::Key, &id)
            && let Err(error) = serde_json::from_slice::<KeyFile>(&content)
        {
            notes.add(FileType::Key, id, error.to_string());
        }
    }
    Ok(notes)
}

/// restic's repositories have no fixed chunk size; we use our own there.
fn chunk_size(config: &ConfigFile) -> usize {
    let default = CHUNK_SIZE as usize;
    match config.chunker {
        Some(Chunker::FixedSize) => config
            .chunk_size
            .filter(|size| {
                size.is_multiple_of(64)
                    && u32::try_from(*size).is_ok_and(|size| CHUNK_SIZES.contains(&size))
            })
            .unwrap_or(default),
        _ => default,
    }
}

fn must_be_empty(location: &Location, folder: &std::path::Path) -> Result<(), Error> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(exists(location, &error.to_string())),
    };
    if folder.join("config").exists() {
        return Err(exists(location, "there is a repository"));
    }
    for entry in entries {
        let name = entry
            .map_err(|error| exists(location, &error.to_string()))?
            .file_name();
        // A new file system has this folder.
        if name != "lost+found" {
            return Err(exists(
                location,
                "the folder is not empty; choose a new one, or empty it",
            ));
        }
    }
    Ok(())
}

fn exists(location: &Location, reason: &str) -> Error {
    Error::Exists {
        location: location.to_string(),
        reason: reason.to_string(),
    }
}
