//! Stores the content of files on all cores: one thread reads, several seal, two write packs.
//!
//! ```text
//! feed (caller's thread): SHA-256 ─batches─▶ workers: known?, zstd, encrypt
//!        ▲                                      │       │
//!        └──────────── empty buffers ───────────┘       └─packs─▶ writers: backend, index
//! ```
//!
//! The numbers of buffers (1 MiB each) and of packs (16 MiB each) bound the memory.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::Read;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::Scope;

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use rustic_core::{FileType, Id};

use crate::cipher::{Hash, sha256};
use crate::error::{BoxError, Error};
use crate::hash::FileHasher;
use crate::index::{self, IndexWriter, Stored};
use crate::pack::{BlobKind, Pack};
use crate::prover::Prover;
use crate::seal::{Sealer, Verify};
use crate::storage::Storage;

/// Size of a batch in bytes.
const BATCH: usize = 1 << 20;
/// Threads that write packs: while one waits for the disk, the other takes the next pack.
const WRITERS: usize = 2;
/// Packs in memory: one in progress, two being written, one waiting.
const PACKS: usize = 4;

/// The state shared by all threads.
pub(crate) struct Shared<'a> {
    storage: &'a Storage,
    /// The positions of chunks that the repository had before; `None` for chunks stored by this
    /// backup.
    known: Mutex<HashMap<Id, Option<Stored>>>,
    /// The packs of these positions.
    packs: &'a [(Id, u32)],
    pack: Mutex<Pack>,
    /// Buffers for packs. Limits the workers to the speed of the writers.
    pack_buffers: (Sender<Vec<u8>>, Receiver<Vec<u8>>),
    index: Mutex<IndexWriter>,
    written: Mutex<Vec<(Id, u32)>>,
    failure: Mutex<Option<Error>>,
    failed: AtomicBool,
    pub(crate) counts: Counts,
}

/// The additions of a backup.
#[derive(Default)]
pub(crate) struct Counts {
    /// New blobs of file content, and their size before compression.
    pub(crate) new_blobs: AtomicU64,
    pub(crate) new_bytes: AtomicU64,
    /// Bytes written to the repository for file content and listings.
    pub(crate) stored: AtomicU64,
}

/// Part of a file: the file's number, the size of its chunks, the number of the first chunk in this
/// part, the chunks' hashes, and the content in the first `length` bytes of `buffer`.
struct Batch {
    file: usize,
    chunk: usize,
    /// Whether known chunks are opened before the backup relies on them.
    prove: bool,
    first_chunk: usize,
    hashes: Vec<Hash>,
    buffer: Vec<u8>,
    length: usize,
}

/// The ids of a batch's chunks.
pub(crate) struct Chunks {
    pub(crate) file: usize,
    pub(crate) first_chunk: usize,
    pub(crate) ids: Vec<Id>,
}

impl<'a> Shared<'a> {
    pub(crate) fn new(
        storage: &'a Storage,
        known: HashMap<Id, Stored>,
        packs: &'a [(Id, u32)],
    ) -> Self {
        let known = known.into_iter().map(|(id, stored)| (id, Some(stored)));
        Self {
            storage,
            known: Mutex::new(known.collect()),
            packs,
            pack: Mutex::default(),
            pack_buffers: {
                let (give, take) = bounded(PACKS);
                for _ in 0..PACKS {
                    let _ = give.send(Vec::new());
                }
                (give, take)
            },
            index: Mutex::default(),
            written: Mutex::default(),
            failure: Mutex::default(),
            failed: AtomicBool::new(false),
            counts: Counts::default(),
        }
    }

    fn fail(&self, error: Error) {
        lock(&self.failure).get_or_insert(error);
        self.failed.store(true, Relaxed);
    }

    /// The first failure of any thread.
    pub(crate) fn failure(&self) -> Result<(), Error> {
        match lock(&self.failure).take() {
            Some(error) => Err(error),
            None if self.failed.load(Relaxed) => Err(ended()),
            None => Ok(()),
        }
    }

    /// Cleans up after a failed backup. If the source failed, the written packs are indexed, so
    /// that the next attempt need not store their content again. If the repository failed (a full
    /// disk, for example), they are removed. If that fails, too, they are harmless, because no
    /// index names them.
    pub(crate) fn abandon(self, error: &Error) {
        let mut index = lock(&self.index);
        if matches!(error, Error::Storage { .. }) {
            for pack in index.packs() {
                let _ = self.storage.backend.remove(FileType::Pack, pack, false);
            }
        } else {
            let _ = index::save(self.storage, index.take());
        }
    }

    /// Saves the rest of the index, and returns the written packs.
    pub(crate) fn finish(self) -> Result<Vec<(Id, u32)>, Error> {
        let rest = lock(&self.index).take();
        index::save(self.storage, rest)?;
        Ok(std::mem::take(&mut *lock(&self.written)))
    }
}

/// The reading end, for the caller's thread.
pub(crate) struct Feed<'a> {
    shared: &'a Shared<'a>,
    batches: Sender<Batch>,
    empty: Receiver<Vec<u8>>,
}

/// The threads behind a [`Feed`].
pub(crate) struct Threads<'scope> {
    workers: Vec<std::thread::ScopedJoinHandle<'scope, ()>>,
    writers: Vec<std::thread::ScopedJoinHandle<'scope, ()>>,
    packs: Sender<Pack>,
    chunks: Receiver<Chunks>,
}

/// Starts the threads. `largest_chunk` must be a multiple of every other chunk size.
pub(crate) fn start<'scope>(
    shared: &'scope Shared<'scope>,
    largest_chunk: usize,
    scope: &'scope Scope<'scope, '_>,
) -> (Feed<'scope>, Threads<'scope>) {
    let count = std::thread::available_parallelism()
        .map_or(2, usize::from)
        .clamp(1, 8);
    let batch = BATCH.next_multiple_of(largest_chunk);
    let (batches, batches_in) = bounded::<Batch>(count);
    let (empty_out, empty) = bounded(count + 2);
    let (chunks_out, chunks) = unbounded();
    let (packs, packs_in) = bounded::<Pack>(PACKS);
    for _ in 0..count + 2 {
        let _ = empty_out.send(vec![0; batch]);
    }
    let workers = (0..count)
        .map(|_| {
            let (batches, empty) = (batches_in.clone(), empty_out.clone());
            let (chunks, packs) = (chunks_out.clone(), packs.clone());
            scope.spawn(move || {
                let mut worker = Worker::new(shared);
                for batch in batches {
                    if !shared.failed.load(Relaxed) {
                        match worker.store(&batch, &packs) {
                            Ok(ids) => {
                                let _ = chunks.send(Chunks {
                                    file: batch.file,
                                    first_chunk: batch.first_chunk,
                                    ids,
                                });
                            }
                            Err(error) => shared.fail(error),
                        }
                    }
                    let _ = empty.send(batch.buffer);
                }
            })
        })
        .collect();
    let writers = (0..WRITERS)
        .map(|_| {
            let packs = packs_in.clone();
            scope.spawn(move || {
                for pack in packs {
                    let mut buffer = Vec::new();
                    if !shared.failed.load(Relaxed) {
                        match write(shared, pack) {
                            Ok(used) => buffer = used,
                            Err(error) => shared.fail(error),
                        }
                    }
                    let _ = shared.pack_buffers.0.try_send(buffer);
                }
            })
        })
        .collect();
    let feed = Feed {
        shared,
        batches,
        empty,
    };
    let threads = Threads {
        workers,
        writers,
        packs,
        chunks,
    };
    (feed, threads)
}

impl Feed<'_> {
    /// Reads `content` to its end and stores it as file number `file`, in chunks of `chunk` bytes.
    /// With `prove`, chunks in the repository are opened before the backup relies on them. Calls
    /// `saw` with the length of every part. Returns the number of bytes read, at most one batch
    /// more than `limit`, and their SHA-256.
    pub(crate) fn store(
        &self,
        file: usize,
        chunk: usize,
        prove: bool,
        content: &mut dyn Read,
        limit: u64,
        saw: &mut dyn FnMut(usize),
    ) -> Result<(u64, Hash), Error> {
        let mut hasher = FileHasher::new(chunk);
        let mut total = 0u64;
        let mut first_chunk = 0;
        loop {
            let mut buffer = self.empty.recv().map_err(|_| ended())?;
            if self.shared.failed.load(Relaxed) {
                self.shared.failure()?;
            }
            let length = fill(content, &mut buffer).map_err(Error::Source)?;
            let part = buffer.get(..length).unwrap_or_default();
            let hashes = hasher.update(part);
            saw(length);
            total += length as u64;
            let ended_here = length < buffer.len();
            if length > 0 && total <= limit {
                let batch = Batch {
                    file,
                    chunk,
                    prove,
                    first_chunk,
                    hashes,
                    buffer,
                    length,
                };
                first_chunk += length / chunk;
                self.batches.send(batch).map_err(|_| ended())?;
            } else {
                self.give_back(buffer);
            }
            if ended_here || total > limit {
                return Ok((total, hasher.finish()));
            }
        }
    }

    /// Returns an unused buffer through an empty batch, because only the workers own the sending
    /// end.
    fn give_back(&self, buffer: Vec<u8>) {
        let _ = self.batches.send(Batch {
            file: 0,
            chunk: 1,
            prove: false,
            first_chunk: 0,
            hashes: Vec::new(),
            buffer,
            length: 0,
        });
    }
}

impl<'scope> Threads<'scope> {
    /// Waits for the workers after the feed was dropped, and returns the ids of all chunks.
    pub(crate) fn drain(&mut self, shared: &Shared<'_>) -> impl Iterator<Item = Chunks> {
        for worker in self.workers.drain(..) {
            join(worker);
        }
        // No further look-ups follow. In a large repository the listings need this memory now.
        *lock(&shared.known) = HashMap::new();
        self.chunks.try_iter()
    }

    /// Packs the rest of the content and the listings, and waits for the writers.
    pub(crate) fn finish(
        self,
        shared: &Shared<'_>,
        trees: Vec<(Id, Vec<u8>)>,
    ) -> Result<(), Error> {
        let rest = std::mem::take(&mut *lock(&shared.pack));
        if !rest.is_empty() {
            let _ = self.packs.send(rest);
        }
        let mut sealer = shared.storage.sealer(Verify::Every);
        let mut sealed = Vec::new();
        let mut pack = Pack::default();
        for (id, json) in trees {
            sealed.clear();
            let uncompressed = sealer.seal(&json, &mut sealed)?;
            pack.add(hash_of(&json, &id)?, BlobKind::Tree, &sealed, uncompressed);
            if pack.is_full() {
                let _ = self.packs.send(std::mem::take(&mut pack));
            }
        }
        if !pack.is_empty() {
            let _ = self.packs.send(pack);
        }
        self.join_writers();
        shared.failure()
    }

    /// Waits for the writers without more packs.
    pub(crate) fn join_writers(self) {
        drop(self.packs);
        for writer in self.writers {
            join(writer);
        }
    }
}

/// Propagates a thread's panic.
fn join(thread: std::thread::ScopedJoinHandle<'_, ()>) {
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

fn hash_of(json: &[u8], id: &Id) -> Result<Hash, Error> {
    let hash = sha256(json);
    if Id::new(hash) == *id {
        Ok(hash)
    } else {
        Err(Error::Storage {
            doing: "writing a folder listing".to_string(),
            reason: "its content changed in memory".to_string(),
        })
    }
}

/// The state of a worker thread.
struct Worker<'a> {
    shared: &'a Shared<'a>,
    sealer: Sealer<'a>,
    sealed: Vec<u8>,
    prover: Prover<'a>,
}

impl<'a> Worker<'a> {
    fn new(shared: &'a Shared<'a>) -> Self {
        Self {
            shared,
            sealer: shared.storage.sealer(shared.storage.verify),
            sealed: Vec::new(),
            prover: Prover::new(shared.storage),
        }
    }

    /// Whether a chunk is to be stored: it is new, or must be proven and does not open.
    fn is_wanted(&mut self, id: Id, prove: bool) -> bool {
        let stored = match lock(&self.shared.known).entry(id) {
            Entry::Vacant(place) => {
                place.insert(None);
                return true;
            }
            Entry::Occupied(place) => *place.get(),
        };
        let Some(stored) = stored.filter(|_| prove) else {
            return false;
        };
        if self.prover.opens(&id, stored.place(self.shared.packs)) {
            return false;
        }
        // Another thread may have stored it meanwhile.
        let before = lock(&self.shared.known).insert(id, None);
        before.flatten().is_some()
    }

    fn store(&mut self, batch: &Batch, packs: &Sender<Pack>) -> Result<Vec<Id>, Error> {
        let content = batch.buffer.get(..batch.length).unwrap_or_default();
        let mut ids = Vec::with_capacity(batch.hashes.len());
        let mut blobs = Vec::new();
        self.sealed.clear();
        for (chunk, &hash) in content.chunks(batch.chunk).zip(&batch.hashes) {
            let id = Id::new(hash);
            ids.push(id);
            if self.is_wanted(id, batch.prove) {
                let start = self.sealed.len();
                let uncompressed = self.sealer.seal(chunk, &mut self.sealed)?;
                blobs.push((hash, start..self.sealed.len(), uncompressed));
                let counts = &self.shared.counts;
                counts.new_blobs.fetch_add(1, Relaxed);
                counts.new_bytes.fetch_add(chunk.len() as u64, Relaxed);
            }
        }
        if blobs.is_empty() {
            return Ok(ids);
        }
        let mut pack = lock(&self.shared.pack);
        if pack.is_empty() {
            *pack = Pack::within(self.shared.pack_buffers.1.recv().unwrap_or_default());
        }
        for (hash, range, uncompressed) in blobs {
            let sealed = self.sealed.get(range).unwrap_or_default();
            pack.add(hash, BlobKind::Data, sealed, uncompressed);
        }
        if pack.is_full() {
            let _ = packs.send(std::mem::take(&mut *pack));
        }
        Ok(ids)
    }
}

/// Finishes and stores a pack, and adds it to the index. Returns its buffer.
fn write(shared: &Shared<'_>, pack: Pack) -> Result<Vec<u8>, Error> {
    let pack = pack
        .finish(&shared.storage.cipher)
        .map_err(|error| Error::Storage {
            doing: "encrypting a pack's header".to_string(),
            reason: error.to_string(),
        })?;
    let id = Id::new(pack.id);
    let size = pack.content.len();
    let content = Bytes::from(pack.content);
    shared
        .storage
        .write(FileType::Pack, &id, content.clone(), || {
            "storing a pack".to_string()
        })?;
    shared.counts.stored.fetch_add(size as u64, Relaxed);
    lock(&shared.written).push((id, size as u32));
    let json = lock(&shared.index).add(&id, &pack.entries);
    index::save(shared.storage, json)?;
    Ok(Vec::from(content))
}

/// Reads until the buffer is full or the content ends.
fn fill(content: &mut dyn Read, buffer: &mut [u8]) -> Result<usize, BoxError> {
    let mut length = 0;
    while let Some(rest) = buffer.get_mut(length..)
        && !rest.is_empty()
    {
        match content.read(rest) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unwrap(error)),
        }
    }
    Ok(length)
}

/// Unwraps the caller's own error from an `io::Error`, if it holds one.
fn unwrap(error: std::io::Error) -> BoxError {
    if error.get_ref().is_some() {
        match error.into_inner() {
            Some(inner) => inner,
            None => "an error without a cause".into(),
        }
    } else {
        Box::new(error)
    }
}

fn ended() -> Error {
    Error::Storage {
        doing: "storing the backup".to_string(),
        reason: "a thread ended unexpectedly".to_string(),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
