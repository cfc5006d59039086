//! A point in time of a domain controller, running or stopped, pinned.
//!
//! Every write to the directory takes the transaction lock of metadata.tdb first and releases it
//! last. The holder of that lock therefore sees all partitions at rest and consistent; readers are
//! not affected. Little is done under the lock: a read transaction pins each LMDB database, TDB
//! databases are cloned or copied, keys are read. Everything slow happens before or after.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::database::DatabaseKind;
use crate::directory;
use crate::error::{Error, Result};
use crate::installation::Installation;
use crate::ldb;
use crate::lmdb::SnapshotReader;
use crate::pinned_database::{Lock, Locks, PinnedDatabase, PreparedDatabases};
use crate::source_check;
use crate::spool::Copied;
use crate::state::{Entry, Kind, Listing, State};
use crate::stopped;
use crate::tdb::{self, LeftOver};

/// Files up to this size are read at once, so that they cannot change in between.
const SMALL: u64 = 1 << 20;
/// The number of attempts to read a file that changes meanwhile.
const ATTEMPTS: usize = 5;

/// Options for pinning a point in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The longest wait for all locks together.
    pub lock_limit: Duration,
    /// The folder for copies of TDB databases. They are unnamed and vanish with the process.
    pub spool: PathBuf,
    /// Whether dbcheck runs once a day in the background, for its findings to be recorded.
    pub dbcheck: bool,
}

/// A pinned point in time. Dropping it releases everything.
pub struct PointInTime {
    listing: Listing,
    files: BTreeMap<String, PinnedFile>,
    /// The delay of commits to the directory.
    pub commits_waited: Duration,
}

/// A file of the point in time.
#[derive(Clone)]
pub struct PinnedFile {
    /// Its path in a snapshot.
    pub path: String,
    /// Its path on this server.
    pub original: PathBuf,
    /// Its kind.
    pub kind: Kind,
    /// Its size.
    pub size: u64,
    /// Last modification, milliseconds since 1970-01-01 UTC.
    pub modified_ms: i64,
    content: Content,
}

#[derive(Clone)]
enum Content {
    Database(PinnedDatabase),
    Bytes(Arc<[u8]>),
    /// Read from its original path when needed.
    InPlace,
}

impl PointInTime {
    /// Pins a point in time. The domain controller must be synchronized if it runs.
    ///
    /// # Errors
    /// [`Error::Directory`] if it runs and does not answer; [`Error::Tool`] if it is stopped and
    /// Samba's libraries cannot open its databases; [`Error::Locked`] or [`Error::Stuck`] if a lock is
    /// not free in time; [`Error::Io`], for example if the disk of the spool folder is full. After
    /// any error nothing stays locked.
    pub fn pin(installation: &Installation, options: &Options) -> Result<Self> {
        let facts = match stopped::is_stopped(installation) {
            true => stopped::facts(installation)?,
            false => directory::facts(installation)?,
        };
        let state = State::find(installation)?;
        let (together, apart): (Vec<&Entry>, Vec<&Entry>) = state
            .entries
            .iter()
            .filter(|entry| matches!(entry.kind, Kind::Lmdb | Kind::Tdb))
            .partition(|entry| belongs_to_point_in_time(installation, entry));
        let keys = state.entries.iter().filter(|entry| {
            entry.kind == Kind::File && entry.original.starts_with(&installation.private)
        });
        check_complete(installation, &together)?;

        let databases = together
            .iter()
            .map(|entry| (entry.original.as_path(), kind_of(entry)));
        let prepared = PreparedDatabases::new(databases, &options.spool, options.lock_limit)?;
        let locks = Locks::acquire(&locks(installation), options.lock_limit)?;
        let (held_since, pinned_from) = (Instant::now(), SystemTime::now());
        let pinned = prepared.pin()?.into_iter();
        let mut contents: BTreeMap<PathBuf, Content> = pinned
            .map(|(path, database)| (path, Content::Database(database)))
            .collect();
        for entry in keys {
            if let Some(content) = read_small(&entry.original)? {
                contents.insert(entry.original.clone(), Content::Bytes(content.into()));
            }
        }
        let pinned_to = SystemTime::now();
        drop(locks);
        let commits_waited = held_since.elapsed();

        for entry in apart {
            contents.extend(copy_apart(entry, options)?);
        }
        let files = state
            .entries
            .iter()
            .filter(|entry| entry.is_file())
            .map(|entry| {
                let content = contents.remove(&entry.original).unwrap_or(Content::InPlace);
                let size = match &content {
                    Content::Database(database) => database.size(),
                    Content::Bytes(bytes) => bytes.len() as u64,
                    Content::InPlace => entry
                        .original
                        .metadata()
                        .map_or(0, |metadata| metadata.len()),
                };
                let attributes = &entry.attributes;
                let file = PinnedFile {
                    path: entry.path.clone(),
                    original: entry.original.clone(),
                    kind: entry.kind.clone(),
                    size,
                    modified_ms: attributes.modified.saturating_mul(1000)
                        + i64::from(attributes.modified_ns / 1_000_000),
                    content,
                };
                (file.path.clone(), file)
            });
        let files = files.collect();
        let mut listing = Listing::new(
            &state,
            &facts,
            (pinned_from, pinned_to),
            installation.version.clone(),
        );
        if options.dbcheck {
            listing.dbcheck = source_check::newest(&options.spool);
            source_check::run_when_due(installation, &options.spool);
        }
        Ok(Self {
            files,
            listing,
            commits_waited,
        })
    }

    /// Its files, folders and links, with their attributes.
    pub fn listing(&self) -> &Listing {
        &self.listing
    }

    /// The files, sorted by their paths in a snapshot.
    pub fn files(&self) -> impl Iterator<Item = &PinnedFile> {
        self.files.values()
    }
}

/// Whether a database must be consistent with the directory: all partitions, their metadata, and
/// the domain controller's own secrets.
fn belongs_to_point_in_time(installation: &Installation, entry: &Entry) -> bool {
    let private = &installation.private;
    entry.kind == Kind::Lmdb
        || entry.original == installation.sam()
        || entry.original.starts_with(private.join("sam.ldb.d"))
        || secrets(installation).contains(&entry.original)
}

fn kind_of(entry: &Entry) -> DatabaseKind {
    match entry.kind {
        Kind::Lmdb => DatabaseKind::Lmdb,
        _ => DatabaseKind::Tdb,
    }
}

fn secrets(installation: &Installation) -> [PathBuf; 2] {
    ["secrets.ldb", "secrets.tdb"].map(|name| installation.private.join(name))
}

/// Refuses a directory without its most important files.
fn check_complete(installation: &Installation, databases: &[&Entry]) -> Result<()> {
    let [secrets, _] = secrets(installation);
    for path in [installation.sam(), installation.metadata(), secrets] {
        if !databases.iter().any(|entry| entry.original == path) {
            return Err(Error::damaged(
                &path,
                "there is no such database, and a domain controller has one",
            ));
        }
    }
    let partitions = installation.private.join("sam.ldb.d");
    match databases.iter().any(|entry| {
        entry.original.starts_with(&partitions)
            && entry
                .original
                .extension()
                .is_some_and(|extension| extension == "ldb")
    }) {
        true => Ok(()),
        false => Err(Error::damaged(&partitions, "there is no partition in it")),
    }
}

/// Copies a database that need not be consistent with the others.
fn copy_apart(entry: &Entry, options: &Options) -> Result<Option<(PathBuf, Content)>> {
    let path = &entry.original;
    let database = [(path.as_path(), kind_of(entry))];
    let prepared = PreparedDatabases::new(database, &options.spool, options.lock_limit)?;
    let _locks = Locks::acquire(&Lock::all_of(path), options.lock_limit)?;
    let pinned = prepared.pin()?.pop();
    Ok(pinned.map(|(path, database)| (path, Content::Database(database))))
}

/// The locks that pin a point in time: the directory's, then the secrets'.
fn locks(installation: &Installation) -> Vec<Lock> {
    let mut locks = vec![
        Lock::of_transactions(&installation.metadata()),
        Lock::of_transactions(&installation.sam()),
    ];
    for path in secrets(installation) {
        if path.exists() {
            locks.extend(Lock::all_of(&path));
        }
    }
    locks
}

/// Reads a small file. `None` if it is too large, or gone.
fn read_small(path: &Path) -> Result<Option<Vec<u8>>> {
    for _ in 0..ATTEMPTS {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(Error::io("open", path)(error)),
        };
        let look = |file: &File| file.metadata().map_err(Error::io("look at", path));
        let before = look(&file)?;
        if before.len() > SMALL {
            return Ok(None);
        }
        let mut content = Vec::new();
        (&mut file)
            .take(SMALL + 1)
            .read_to_end(&mut content)
            .map_err(Error::io("read", path))?;
        if is_same(&before, &look(&file)?) && content.len() as u64 == before.len() {
            return Ok(Some(content));
        }
    }
    Err(Error::Changed {
        path: path.to_path_buf(),
        reason: "it changed each time that it was read".into(),
    })
}

fn is_same(before: &Metadata, after: &Metadata) -> bool {
    let mark = |metadata: &Metadata| (metadata.len(), platform::file::changed(metadata));
    mark(before) == mark(after)
}

impl PinnedFile {
    /// The records of a database.
    ///
    /// # Errors
    /// [`Error::Damaged`]; [`Error::Refused`] if it is none.
    pub fn records(&self) -> Result<ldb::File> {
        match &self.content {
            Content::Database(database) => database.records(),
            _ => Err(Error::Refused(format!(
                "{}: this is no database",
                self.original.display()
            ))),
        }
    }

    /// Opens the file for reading once, from start to end. Verifies a database first.
    ///
    /// # Errors
    /// [`Error::Damaged`], [`Error::Changed`], [`Error::Io`].
    pub fn open(&self) -> Result<PinnedReader> {
        let source = match &self.content {
            Content::Database(PinnedDatabase::Lmdb(snapshot)) => Source::Lmdb(snapshot.read()?),
            Content::Database(PinnedDatabase::Tdb(copied)) => {
                let left_over = tdb::verify(&self.original, copied.file(), copied.size())?;
                Source::Copy(copied.clone(), left_over)
            }
            _ => return self.open_unverified(),
        };
        Ok(self.reader(source, self.size))
    }

    /// Opens the file without verification.
    ///
    /// # Errors
    /// [`Error::Changed`], [`Error::Io`].
    pub fn open_unverified(&self) -> Result<PinnedReader> {
        Ok(match &self.content {
            Content::Database(PinnedDatabase::Lmdb(snapshot)) => {
                self.reader(Source::Lmdb(snapshot.read_unverified()), self.size)
            }
            Content::Database(PinnedDatabase::Tdb(copied)) => {
                self.reader(Source::Copy(copied.clone(), LeftOver::default()), self.size)
            }
            Content::Bytes(bytes) => self.reader(Source::Bytes(bytes.clone()), self.size),
            Content::InPlace => match read_small(&self.original)? {
                Some(bytes) => {
                    let size = bytes.len() as u64;
                    self.reader(Source::Bytes(bytes.into()), size)
                }
                None => {
                    let file = File::open(&self.original).map_err(|error| Error::Changed {
                        path: self.original.clone(),
                        reason: format!("it was there when the backup began: {error}"),
                    })?;
                    let metadata = file
                        .metadata()
                        .map_err(Error::io("look at", &self.original))?;
                    let size = metadata.len();
                    self.reader(Source::Large(file, metadata), size)
                }
            },
        })
    }

    fn reader(&self, source: Source, size: u64) -> PinnedReader {
        PinnedReader {
            path: self.original.clone(),
            source,
            size,
            at: 0,
        }
    }
}

/// A file of the point in time while it is read.
pub struct PinnedReader {
    path: PathBuf,
    source: Source,
    size: u64,
    at: u64,
}

enum Source {
    Lmdb(SnapshotReader),
    /// The recovery area is read as zeros: it changes with each transaction, and would be stored
    /// each time.
    Copy(Copied, LeftOver),
    Bytes(Arc<[u8]>),
    Large(File, Metadata),
}

impl PinnedReader {
    /// The file's size.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Fills the buffer up to the end of the file and returns the number of bytes; 0 at the end.
    /// The buffer's length must be a multiple of 64 KiB.
    ///
    /// # Errors
    /// [`Error::Changed`] if the file changed meanwhile; [`Error::Io`].
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let rest = self.size - self.at;
        let length = rest.min(buffer.len() as u64) as usize;
        let place = buffer.get_mut(..length).unwrap_or_default();
        if !place.is_empty() {
            let read = Error::io("read", &self.path);
            match &mut self.source {
                Source::Lmdb(reader) => {
                    reader.read(place)?;
                }
                Source::Copy(copied, left_over) => {
                    platform::file::read_exact_at(copied.file(), place, self.at).map_err(read)?;
                    left_over.blank(self.at, place);
                }
                Source::Bytes(bytes) => {
                    let at = self.at as usize;
                    place.copy_from_slice(bytes.get(at..at + length).unwrap_or_default());
                }
                Source::Large(file, _) => platform::file::read_exact_at(file, place, self.at)
                    .map_err(|error| match error.kind() {
                        std::io::ErrorKind::UnexpectedEof => self.changed(),
                        _ => read(error),
                    })?,
            }
            self.at += length as u64;
        }
        if self.at == self.size
            && let Source::Large(file, before) = &self.source
        {
            let after = file.metadata().map_err(Error::io("look at", &self.path))?;
            if !is_same(before, &after) {
                return Err(self.changed());
            }
        }
        Ok(length)
    }

    fn changed(&self) -> Error {
        Error::Changed {
            path: self.path.clone(),
            reason: "it changed while it was read".into(),
        }
    }
}
