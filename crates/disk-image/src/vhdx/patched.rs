//! A file with some of its sectors replaced in memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::bytes::{ReadAt, check_range};
use crate::error::Result;

/// Bytes of a sector of the log.
pub(super) const SECTOR: u64 = 4096;

/// What a log says of a file.
#[derive(Default)]
pub(super) struct Patches {
    /// Sectors, by position.
    sectors: BTreeMap<u64, Arc<[u8; SECTOR as usize]>>,
    /// Zeros: start and end. Sectors that the log wrote before are removed, later ones win.
    zeros: Vec<(u64, u64)>,
}

impl Patches {
    /// A sector gets a content.
    pub(super) fn write(&mut self, position: u64, content: Arc<[u8; SECTOR as usize]>) {
        self.sectors.insert(position, content);
    }

    /// A range becomes zeros, those of sectors that were written before, too.
    pub(super) fn zero(&mut self, start: u64, length: u64) {
        let end = start.saturating_add(length);
        let written: Vec<u64> = self.sectors.range(start..end).map(|(at, _)| *at).collect();
        for position in written {
            self.sectors.remove(&position);
        }
        self.zeros.push((start, end));
    }

    /// The bytes that patches take, for a bound.
    pub(super) fn len(&self) -> usize {
        self.sectors.len() + self.zeros.len()
    }
}

/// A file with patches.
pub(super) struct Patched {
    file: Arc<dyn ReadAt>,
    patches: Patches,
    size: u64,
}

impl Patched {
    /// The file as it is with the patches, `size` bytes long where it is shorter.
    pub(super) fn new(file: Arc<dyn ReadAt>, patches: Patches, size: u64) -> Self {
        Self {
            size: size.max(file.size()),
            file,
            patches,
        }
    }
}

impl ReadAt for Patched {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&self, position: u64, buffer: &mut [u8]) -> Result<()> {
        check_range(self, position, buffer.len())?;
        let end = position + buffer.len() as u64;
        // What the file lacks was to become longer by the log.
        let there = usize::try_from(self.file.size().saturating_sub(position))
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        buffer[there..].fill(0);
        self.file
            .read_at(position.min(self.file.size()), &mut buffer[..there])?;
        let inside = |start: u64, stop: u64| {
            let (start, stop) = (start.max(position), stop.min(end));
            (start < stop).then(|| (start - position) as usize..(stop - position) as usize)
        };
        for (start, stop) in &self.patches.zeros {
            if let Some(range) = inside(*start, *stop) {
                buffer[range].fill(0);
            }
        }
        let first = position.saturating_sub(SECTOR - 1);
        for (at, content) in self.patches.sectors.range(first..end) {
            if let Some(range) = inside(*at, at.saturating_add(SECTOR)) {
                let skipped = position.saturating_sub(*at) as usize;
                let length = range.len();
                buffer[range].copy_from_slice(&content[skipped..skipped + length]);
            }
        }
        Ok(())
    }

    fn name(&self) -> &str {
        self.file.name()
    }
}
