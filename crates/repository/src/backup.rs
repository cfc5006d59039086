//! Making a snapshot from the caller's files, read one after another.

use std::io::Read;
use std::sync::atomic::Ordering::Relaxed;
use std::time::SystemTime;

use rustic_core::jiff::{Timestamp, Zoned, tz::TimeZone};
use rustic_core::repofile::{SnapshotFile, SnapshotSummary, StringList};
use rustic_core::{FileType, Id, TreeId};

use crate::chunk_size::ChunkSize;
use crate::cipher::Hash;
use crate::error::{BoxError, Error};
use crate::index::Known;
use crate::lock::Lock;
use crate::pipeline::{self, Feed, Shared};
use crate::prover::Prover;
use crate::repository::Repository;
use crate::snapshot::SnapshotInfo;
use crate::storage::Storage;
use crate::tree::Folder;

/// The description of a snapshot.
#[derive(Debug, Clone)]
pub struct BackupRequest {
    /// The computer of the data. `restic forget` applies its rules to each host and path.
    pub host: String,
    /// The backed-up path, as restic shows it: [`WHOLE`] for a backup.
    pub path: String,
    /// Shown by `rustic snapshots`; may be empty.
    pub label: String,
    /// Shown and searched by `restic snapshots --tag`.
    pub tags: Vec<String>,
    /// The point in time of the data.
    pub time: SystemTime,
    /// Program and version, for example `dsbackup 0.1.0`.
    pub program: String,
}

/// The path of snapshots that hold everything that was backed up.
pub const WHOLE: &str = "/";

/// The source of a backup's files.
///
/// Called on the thread that called [`Repository::backup`]. Any error ends the backup without a
/// snapshot, and becomes an [`Error::Source`].
pub trait Source {
    /// The next file; `None` after the last. The file before it was read to its end and dropped.
    ///
    /// # Errors
    /// The caller's own.
    fn next(&mut self) -> Result<Option<SourceFile<'_>>, BoxError>;

    /// Called once after all files were read. Returns further small files for the snapshot.
    ///
    /// # Errors
    /// The caller's own.
    fn finish(&mut self, files: &[StoredFile]) -> Result<Vec<NewFile>, BoxError>;
}

/// A file to be read from start to end.
pub struct SourceFile<'a> {
    /// Path in the snapshot: relative, names joined by `/`.
    pub path: String,
    /// The exact size of `content`. More or fewer bytes end the backup.
    pub size: u64,
    /// Last modification.
    pub modified: SystemTime,
    /// The size of its chunks. Must be the same in each backup; otherwise stored content is not
    /// recognized.
    pub chunk_size: ChunkSize,
    /// Whether chunks in the repository are read and opened before the backup relies on them, and
    /// stored again if they do not open. For files that are deleted at their source afterwards.
    pub prove: bool,
    /// The content. An `io::Error` that wraps an error of the caller's is unwrapped.
    pub content: Box<dyn Read + 'a>,
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    /// Path in the snapshot.
    pub path: String,
    /// Size in bytes.
    pub size: u64,
    /// SHA-256 of the whole content.
    pub sha256: Hash,
}

/// A small file made by the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFile {
    /// Path in the snapshot: relative, names joined by `/`.
    pub path: String,
    /// The content.
    pub content: Vec<u8>,
}

/// A finished backup.
#[derive(Debug, Clone)]
pub struct Backup {
    /// The snapshot, durably stored.
    pub snapshot: SnapshotInfo,
    /// All files in the order in which they were read.
    pub files: Vec<StoredFile>,
    /// Bytes of content that were new to the repository.
    pub new_bytes: u64,
    /// Bytes added to the repository for content and listings: compressed, encrypted, in packs.
    pub stored_bytes: u64,
}

impl Repository {
    /// Reads the files of `source` and makes a snapshot of them.
    ///
    /// Reads every file in full, and stores only content that is new to the repository. Writes the
    /// snapshot last, when everything it refers to is durably stored and still there. `progress`
    /// gets the number of bytes read so far.
    ///
    /// Several backups into one repository may run at once. `lock` keeps others from removing
    /// content that this backup relies on. Both the lock and the packs are checked before and after
    /// the snapshot is written.
    ///
    /// # Errors
    /// After an error there is no snapshot, unless the error names one that was written
    /// ([`Error::Unproven`]). Packs already stored are used by the next attempt or removed by
    /// `restic prune`.
    pub fn backup(
        &self,
        lock: &Lock,
        request: &BackupRequest,
        source: &mut dyn Source,
        progress: &mut dyn FnMut(u64),
    ) -> Result<Backup, Error> {
        let started = Zoned::now();
        let storage = self.storage();
        storage.store.remove_forgotten();
        let Known { data, trees, packs } = Known::load(storage)?;
        let shared = Shared::new(storage, data, &packs);
        let read = std::thread::scope(|scope| {
            let (feed, mut threads) =
                pipeline::start(&shared, self.chunk_bytes(ChunkSize::Standard), scope);
            let mut reading = Reading {
                repository: self,
                feed,
                root: Folder::default(),
                files: Vec::new(),
                times: Vec::new(),
                bytes: 0,
                progress,
            };
            reading.read_all(source, request.time)?;
            let Reading {
                feed,
                mut root,
                files,
                times,
                ..
            } = reading;
            drop(feed);
            let mut content: Vec<Vec<Id>> = vec![Vec::new(); files.len()];
            for chunks in threads.drain(&shared) {
                let Some(ids) = content.get_mut(chunks.file) else {
                    continue;
                };
                let end = chunks.first_chunk + chunks.ids.len();
                ids.resize(ids.len().max(end), Id::default());
                if let Some(place) = ids.get_mut(chunks.first_chunk..end) {
                    place.copy_from_slice(&chunks.ids);
                }
            }
            shared.failure()?;
            for ((file, modified), ids) in files.iter().zip(times).zip(content) {
                root.fill(&file.path, file.size, modified, ids)?;
            }
            let mut listings = Vec::new();
            let mut prover = Prover::new(storage);
            let tree = root.save(request.time, &mut |id: TreeId, json| {
                let known = trees.get(&*id).and_then(|stored| stored.place(&packs));
                if !prover.opens(&id, known) {
                    listings.push((*id, json));
                }
                Ok(())
            })?;
            threads.finish(&shared, listings)?;
            Ok::<_, Error>((tree, files))
        });
        let (tree, files) = match read {
            Ok(read) => read,
            Err(error) => {
                shared.abandon(&error);
                return Err(error);
            }
        };
        let new_blobs = shared.counts.new_blobs.load(Relaxed);
        let new_bytes = shared.counts.new_bytes.load(Relaxed);
        let stored_bytes = shared.counts.stored.load(Relaxed);
        let written = shared.finish()?;
        lock.check()?;
        let needed: Vec<_> = packs.iter().copied().chain(written).collect();
        nothing_vanished(storage, &needed)?;

        let mut summary = SnapshotSummary::default();
        summary.files_new = files.len() as u64;
        summary.total_files_processed = files.len() as u64;
        summary.total_bytes_processed = files.iter().map(|file| file.size).sum();
        summary.data_blobs = new_blobs;
        summary.data_added = new_bytes;
        summary.data_added_files = new_bytes;
        summary.data_added_packed = stored_bytes;
        summary.data_added_files_packed = stored_bytes;
        summary.backup_start = started;
        summary.backup_end = Zoned::now();
        let snapshot = SnapshotFile {
            time: zoned(request.time),
            program_version: request.program.clone(),
            tree,
            label: request.label.clone(),
            paths: strings([request.path.as_str()]),
            hostname: request.host.clone(),
            username: String::new(),
            uid: platform::process::user_number(),
            gid: platform::process::group_number(),
            tags: strings(request.tags.iter().map(String::as_str)),
            summary: Some(summary),
            ..SnapshotFile::default()
        };
        let json = serde_json::to_vec(&snapshot).map_err(|error| Error::Storage {
            doing: "writing the snapshot".to_string(),
            reason: error.to_string(),
        })?;
        let id = storage.save(FileType::Snapshot, &json)?;
        let snapshot = SnapshotInfo::new(id, &snapshot);
        // A program that ignores locks may have removed packs before it could see the snapshot.
        let still_whole = nothing_vanished(storage, &needed).and_then(|()| lock.check());
        still_whole.map_err(|error| storage.unproven(snapshot.short_id(), &error))?;
        Ok(Backup {
            snapshot,
            files,
            new_bytes,
            stored_bytes,
        })
    }
}

/// The part of a backup that reads the caller's files.
struct Reading<'a> {
    repository: &'a Repository,
    feed: Feed<'a>,
    root: Folder,
    files: Vec<StoredFile>,
    times: Vec<SystemTime>,
    bytes: u64,
    progress: &'a mut dyn FnMut(u64),
}

impl Reading<'_> {
    fn read_all(&mut self, source: &mut dyn Source, now: SystemTime) -> Result<(), Error> {
        while let Some(file) = source.next().map_err(Error::Source)? {
            self.read(file)?;
        }
        for file in source.finish(&self.files).map_err(Error::Source)? {
            self.read(SourceFile {
                path: file.path,
                size: file.content.len() as u64,
                modified: now,
                chunk_size: ChunkSize::Standard,
                prove: false,
                content: Box::new(&*file.content),
            })?;
        }
        Ok(())
    }

    fn read(&mut self, mut file: SourceFile<'_>) -> Result<(), Error> {
        self.root.reserve(&file.path)?;
        let number = self.files.len();
        let chunk = self.repository.chunk_bytes(file.chunk_size);
        let mut saw = |length| {
            self.bytes += length as u64;
            (self.progress)(self.bytes);
        };
        let (read, sha256) = self.feed.store(
            number,
            chunk,
            file.prove,
            &mut *file.content,
            file.size,
            &mut saw,
        )?;
        if read != file.size {
            return Err(Error::Size {
                path: file.path,
                announced: file.size,
                read,
            });
        }
        self.times.push(file.modified);
        self.files.push(StoredFile {
            path: file.path,
            size: file.size,
            sha256,
        });
        Ok(())
    }
}

/// Checks that every pack that the snapshot may refer to is still there.
pub(crate) fn nothing_vanished(storage: &Storage, packs: &[(Id, u32)]) -> Result<(), Error> {
    let there: std::collections::HashMap<Id, u32> = storage.packs()?.into_iter().collect();
    for (pack, size) in packs {
        if there.get(pack) != Some(size) {
            return Err(Error::Storage {
                doing: "making the snapshot".to_string(),
                reason: format!(
                    "pack {} vanished while the backup ran (was the repository pruned or removed?)",
                    pack.to_hex().as_str()
                ),
            });
        }
    }
    Ok(())
}

fn zoned(time: SystemTime) -> Zoned {
    Timestamp::try_from(time)
        .unwrap_or(Timestamp::UNIX_EPOCH)
        .to_zoned(TimeZone::UTC)
}

fn strings<'a>(list: impl IntoIterator<Item = &'a str>) -> StringList {
    let mut strings = StringList::default();
    for text in list {
        strings.add(text.to_string());
    }
    strings
}
