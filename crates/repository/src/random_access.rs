//! Random access to a file of a snapshot: chunks are fetched and decrypted on demand, and the last
//! ones are kept.
//!
//! ```text
//! offset ─▶ chunk number ─▶ kept? ─▶ bytes
//!                             │ no
//!                             ▼
//!               pack, offset ─▶ fetch ─▶ decrypt, decompress, compare with its SHA-256
//! ```

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustic_core::Id;

use crate::blob::{Opener, read_blob};
use crate::cipher::OVERHEAD;
use crate::error::Error;
use crate::index::{Place, Places};
use crate::kept_chunks::{Chunk, KeptChunks};
use crate::read::{OpenSnapshot, Run};
use crate::storage::Storage;

/// Memory for decrypted chunks of one file, in bytes.
const KEPT: usize = 32 << 20;

/// A file of a snapshot, open for random access. Threads can share it.
pub struct SnapshotFile {
    name: String,
    size: u64,
    storage: Arc<Storage>,
    places: Arc<Places>,
    /// The chunks, in the order of the file.
    chunks: Vec<Id>,
    /// The offset of each chunk in the file, and the file's size as the last.
    offsets: Vec<u64>,
    kept: Mutex<KeptChunks>,
    /// Idle buffers and contexts.
    openers: Mutex<Vec<Opener>>,
}

impl OpenSnapshot {
    /// Opens a file for random access. Each chunk is checked when it is fetched: its authentication
    /// tag, its SHA-256 and its size.
    ///
    /// # Errors
    /// [`Error::NoSuchFile`]; [`Error::Damaged`] if a chunk of the file is in no pack, or if the
    /// chunks together do not have the file's size.
    pub fn random_access(&self, path: &str) -> Result<SnapshotFile, Error> {
        let (size, chunks) = self.parts(path)?;
        let mut offsets = Vec::with_capacity(chunks.len() + 1);
        let mut end = 0u64;
        for id in chunks {
            let place = self.place(id, path)?;
            place.not_too_large()?;
            offsets.push(end);
            end = end.saturating_add(plain_length(&place));
        }
        offsets.push(end);
        if end != size {
            return Err(Error::Damaged {
                what: format!("{path} should have {size} bytes, its parts have {end}"),
            });
        }
        Ok(SnapshotFile {
            name: format!("snapshot {}: {path}", self.info().short_id()),
            size,
            storage: self.storage().clone(),
            places: self.places().clone(),
            chunks: chunks.to_vec(),
            offsets,
            kept: Mutex::new(KeptChunks::new(KEPT)),
            openers: Mutex::default(),
        })
    }
}

/// The size of a blob's content in bytes.
fn plain_length(place: &Place) -> u64 {
    match place.uncompressed {
        Some(length) => length.into(),
        None => u64::from(place.length).saturating_sub(OVERHEAD as u64),
    }
}

impl SnapshotFile {
    /// The snapshot and the path, for messages.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file's size in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Fills `buffer` with the bytes from `offset` on.
    ///
    /// # Errors
    /// [`Error::Damaged`] if a chunk is missing or damaged, or if the file ends before `buffer` is
    /// full; [`Error::Storage`] if the repository is unreadable.
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), Error> {
        let end = offset.checked_add(buffer.len() as u64);
        if end.is_none_or(|end| end > self.size) {
            return Err(Error::Damaged {
                what: format!(
                    "{}: expected {} bytes at {offset}, found the end of the file at {}",
                    self.name,
                    buffer.len(),
                    self.size
                ),
            });
        }
        let mut rest = buffer;
        let mut at = offset;
        // The last chunk that begins at or before the offset; empty ones before it are passed over.
        let mut number = self.offsets.partition_point(|start| *start <= at);
        number = number.saturating_sub(1);
        while !rest.is_empty() {
            let chunk = self.chunk(number)?;
            let start = self.offsets.get(number).copied().unwrap_or(self.size);
            let within = chunk.get((at - start) as usize..).unwrap_or_default();
            let length = within.len().min(rest.len());
            let (filled, remaining) = rest.split_at_mut(length);
            filled.copy_from_slice(&within[..length]);
            rest = remaining;
            at += length as u64;
            number += 1;
        }
        Ok(())
    }

    /// A chunk by its number in the file.
    fn chunk(&self, number: usize) -> Result<Chunk, Error> {
        let (found, is_sequential) = {
            let mut kept = lock(&self.kept);
            let before = number.checked_sub(1);
            let is_sequential = before.is_some_and(|before| kept.has(before));
            (kept.get(number), is_sequential)
        };
        match found {
            Some(chunk) => Ok(chunk),
            None => self.fetch(number, is_sequential),
        }
    }

    /// Fetches a chunk; while the file is read in order, also the chunks that follow it in the same
    /// pack.
    fn fetch(&self, number: usize, is_sequential: bool) -> Result<Chunk, Error> {
        let mut opener = lock(&self.openers).pop().unwrap_or_default();
        let ahead = match is_sequential {
            true => self.run_from(number).and_then(|run| {
                let plain = run.read(&self.storage, &self.places, &mut opener).ok()?;
                Some((plain, run.len()))
            }),
            false => None,
        };
        let (plain, count) = match ahead {
            Some(read) => read,
            // Also if a later chunk of the run cannot be read: this one may be sound.
            None => (self.read_one(number, &mut opener)?, 1),
        };
        lock(&self.openers).push(opener);
        let mut kept = lock(&self.kept);
        let mut rest = &plain[..];
        let mut first = None;
        for number in number..number + count {
            let length = self.length(number);
            let (content, after) = rest
                .split_at_checked(length)
                .ok_or_else(|| self.odd(number))?;
            rest = after;
            let chunk: Chunk = content.into();
            first.get_or_insert_with(|| chunk.clone());
            kept.keep(number, chunk);
        }
        match rest.is_empty() {
            true => first.ok_or_else(|| self.odd(number)),
            false => Err(self.odd(number)),
        }
    }

    fn read_one(&self, number: usize, opener: &mut Opener) -> Result<Vec<u8>, Error> {
        let id = self.chunks.get(number).ok_or_else(|| self.odd(number))?;
        let mut plain = Vec::with_capacity(self.length(number));
        let what = || format!("part {} of {}", id.to_hex().as_str(), self.name);
        read_blob(&self.storage, &self.places, opener, id, what, &mut plain)?;
        Ok(plain)
    }

    /// The chunks from `number` on that are adjacent in a pack.
    fn run_from(&self, number: usize) -> Option<Run> {
        let mut run: Option<Run> = None;
        for id in self.chunks.get(number..)? {
            let place = *self.places.first(id)?;
            match &mut run {
                None => run = Some(Run::new(*id, place)),
                Some(run) if run.continues(&place) => run.add(*id, place),
                Some(_) => break,
            }
        }
        run
    }

    /// A chunk's size in bytes, by the index.
    fn length(&self, number: usize) -> usize {
        match self.offsets.get(number..number + 2) {
            Some([start, end]) => (end - start) as usize,
            _ => 0,
        }
    }

    /// The error for a chunk whose size is not that of the index.
    fn odd(&self, number: usize) -> Error {
        Error::Damaged {
            what: format!(
                "{}: expected {} bytes in part {number}, found another number",
                self.name,
                self.length(number)
            ),
        }
    }
}

impl std::fmt::Debug for SnapshotFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SnapshotFile")
            .field("name", &self.name)
            .field("size", &self.size)
            .finish_non_exhaustive()
    }
}

/// What is kept stays valid if a thread ends unexpectedly.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
