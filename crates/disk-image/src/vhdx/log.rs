//! The log of a file that was not closed: it is replayed in memory, the file stays as it is.

use std::collections::HashMap;
use std::sync::Arc;

use super::patched::{Patched, Patches, SECTOR};
use super::regions::{Header, is_whole};
use crate::bytes::{ReadAt, vector};
use crate::error::{Error, Result};
use crate::fields::{at, u32_le, u64_le};

/// The longest log that is replayed; Hyper-V's have 1 MiB.
const LONGEST: usize = 64 << 20;
/// Bytes that are read to check entries, in lengths of the log: a sound log needs one.
const CHECKED: u64 = 16;
/// The largest file that a log may ask for: twice the largest disk.
const LARGEST: u64 = 128 << 40;
/// Sectors and ranges of zeros that a log may change: as many as fit into the longest one.
const MOST_PATCHES: usize = LONGEST / 4096;
const ENTRY_HEADER: usize = 64;
const DESCRIPTOR: usize = 32;

/// The place of an entry that is whole.
#[derive(Clone, Copy)]
struct Entry {
    start: u64,
    length: u64,
    sequence: u64,
    /// Where the oldest entry begins that is still needed.
    tail: u64,
}

/// The log: a ring of sectors.
struct Log {
    bytes: Vec<u8>,
    id: [u8; 16],
    name: String,
    start: u64,
}

/// The file with its log replayed; the file itself if the log is empty.
pub(super) fn replayed(file: Arc<dyn ReadAt>, header: &Header) -> Result<Arc<dyn ReadAt>> {
    if header.log_id == [0; 16] {
        return Ok(file);
    }
    let (start, length) = (header.log.0, u64::from(header.log.1));
    let log = Log {
        bytes: vector(&*file, start, length, LONGEST, "VHDX log")?,
        id: header.log_id,
        name: file.name().to_owned(),
        start,
    };
    let sequence = log.active_sequence()?;
    let mut patches = Patches::default();
    let mut size = file.size();
    for entry in sequence {
        size = size.max(log.replay(&entry, &mut patches)?);
    }
    Ok(Arc::new(Patched::new(file, patches, size)))
}

impl Log {
    fn damaged(&self, position: u64, expected: &str, actual: impl std::fmt::Display) -> Error {
        let position = self.start.saturating_add(position);
        Error::damaged(&self.name, "VHDX log", position, expected, actual)
    }

    fn length(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// `length` bytes from `start` on, continued at the beginning of the ring.
    fn ring(&self, start: u64, length: u64) -> Vec<u8> {
        // Both are within the log.
        let (start, length) = (start as usize, length as usize);
        let first = length.min(self.bytes.len() - start);
        let mut bytes = self.bytes[start..start + first].to_vec();
        bytes.extend_from_slice(&self.bytes[..length - first]);
        bytes
    }

    /// The entry at a position, if there is a whole one. `budget` are the bytes that may be read.
    fn entry(&self, start: u64, budget: &mut u64) -> Option<Entry> {
        let header = self.bytes.get(start as usize..)?.get(..ENTRY_HEADER)?;
        let entry = Entry {
            start,
            length: u64::from(u32_le(header, 8)),
            sequence: u64_le(header, 16),
            tail: u64::from(u32_le(header, 12)),
        };
        let is_plausible = header.starts_with(b"loge")
            && at::<16>(header, 32) == self.id
            && entry.sequence > 0
            && entry.length >= SECTOR
            && entry.length.is_multiple_of(SECTOR)
            && entry.length <= self.length()
            && entry.tail.is_multiple_of(SECTOR)
            && entry.tail < self.length();
        if !is_plausible {
            return None;
        }
        *budget = budget.checked_sub(entry.length)?;
        is_whole(&self.ring(start, entry.length)).then_some(entry)
    }

    /// The entries to replay, oldest first: those from the tail of the newest entry up to it.
    fn active_sequence(&self) -> Result<Vec<Entry>> {
        let mut budget = CHECKED * self.length();
        let mut entries = HashMap::new();
        let mut start = 0;
        while start < self.length() {
            if let Some(entry) = self.entry(start, &mut budget) {
                entries.insert(start, entry);
            }
            start += SECTOR;
        }
        let mut newest: Vec<Entry> = entries.values().copied().collect();
        newest.sort_by_key(|entry| std::cmp::Reverse(entry.sequence));
        // Of an entry whose sequence is broken the next older one is tried.
        const TRIED: usize = 64;
        for head in newest.iter().take(TRIED) {
            if let Some(sequence) = self.sequence(head, &entries) {
                return Ok(sequence);
            }
        }
        Err(self.damaged(
            0,
            "whole entries from the oldest that is needed to the newest",
            "none, although the header says that the log must be replayed",
        ))
    }

    /// The entries from the tail of `head` up to it, if all are there.
    fn sequence(&self, head: &Entry, entries: &HashMap<u64, Entry>) -> Option<Vec<Entry>> {
        let mut sequence: Vec<Entry> = Vec::new();
        let mut start = head.tail;
        // No more than fit into the ring.
        for _ in 0..=entries.len() {
            let entry = entries.get(&start)?;
            if let Some(before) = sequence.last()
                && Some(entry.sequence) != before.sequence.checked_add(1)
            {
                return None;
            }
            sequence.push(*entry);
            if entry.start == head.start {
                return Some(sequence);
            }
            start = (entry.start + entry.length) % self.length();
        }
        None
    }

    /// Adds what an entry says, and returns the size that the file must have.
    fn replay(&self, entry: &Entry, patches: &mut Patches) -> Result<u64> {
        let bytes = self.ring(entry.start, entry.length);
        let count = u64::from(u32_le(&bytes, 24));
        let described = (ENTRY_HEADER as u64 + count * DESCRIPTOR as u64).next_multiple_of(SECTOR);
        if described > entry.length {
            let actual = format!("{count} in {} bytes", entry.length);
            return Err(self.damaged(entry.start, "descriptors within the entry", actual));
        }
        // Both lengths are within the entry.
        let (descriptors, data) = bytes.split_at(described as usize);
        let mut sectors = data.chunks_exact(SECTOR as usize);
        let descriptors = descriptors[ENTRY_HEADER..].chunks_exact(DESCRIPTOR);
        for descriptor in descriptors.take(count as usize) {
            let position = u64_le(descriptor, 16);
            if u64_le(descriptor, 24) != entry.sequence || !position.is_multiple_of(SECTOR) {
                let actual = format!("{} at {position}", u64_le(descriptor, 24));
                let expected = format!("descriptors of entry {}", entry.sequence);
                return Err(self.damaged(entry.start, &expected, actual));
            }
            if patches.len() >= MOST_PATCHES {
                return Err(self.damaged(entry.start, "fewer changes", "more than fit"));
            }
            match &descriptor[..4] {
                b"zero" => patches.zero(position, u64_le(descriptor, 8)),
                b"desc" => {
                    let sector = sectors.next().filter(|sector| sector.starts_with(b"data"));
                    let Some(sector) = sector else {
                        return Err(self.damaged(entry.start, "a sector of data", "none"));
                    };
                    let sequence =
                        u64::from(u32_le(sector, 4)) << 32 | u64::from(u32_le(sector, 4092));
                    if sequence != entry.sequence {
                        let expected = format!("data of entry {}", entry.sequence);
                        return Err(self.damaged(entry.start, &expected, sequence));
                    }
                    // Signature and number took the place of these bytes.
                    let mut content = [0; SECTOR as usize];
                    content[..8].copy_from_slice(&descriptor[8..16]);
                    content[8..4092].copy_from_slice(&sector[8..4092]);
                    content[4092..].copy_from_slice(&descriptor[4..8]);
                    patches.write(position, Arc::new(content));
                }
                other => {
                    let actual = crate::fields::shown(other);
                    return Err(self.damaged(entry.start, "\"desc\" or \"zero\"", actual));
                }
            }
        }
        match u64_le(&bytes, 56) {
            size if size <= LARGEST => Ok(size),
            size => {
                let actual = format!("{size} bytes");
                Err(self.damaged(entry.start, "a file of at most 128 TiB", actual))
            }
        }
    }
}
