//! What the formats have in common: a disk in blocks, each of which is somewhere, or nowhere.

use std::sync::Arc;

use crate::bytes::{ReadAt, check_range};
use crate::error::Result;

/// Where the bytes of a disk from a position on are, as far as one rule holds for them.
pub(crate) enum Place {
    /// In the file, from this byte on.
    File(u64),
    /// Nowhere: zeros.
    Zero,
    /// In the parent, at the same position; zeros where it has none or ends before.
    Parent,
    /// In the compressed block of this number, from this byte of it on.
    Compressed { block: u64, offset: usize },
}

/// A disk in blocks.
pub(crate) trait Blocks: Send + Sync {
    /// The size of the disk, in bytes.
    fn size(&self) -> u64;

    /// Where the bytes at `position` are, and for how many bytes from there on (at least 1) that
    /// holds.
    fn place(&self, position: u64) -> Result<(Place, u64)>;

    /// The file with the blocks.
    fn file(&self) -> &dyn ReadAt;

    /// What the disk differs from.
    fn parent(&self) -> Option<&Arc<dyn ReadAt>>;

    /// Reads from a compressed block. A format without them need not have this.
    fn read_compressed(&self, _block: u64, _offset: usize, buffer: &mut [u8]) -> Result<()> {
        buffer.fill(0);
        Ok(())
    }
}

/// A disk in blocks, read as a whole.
pub(crate) struct Mapped<B>(pub B);

impl<B: Blocks> ReadAt for Mapped<B> {
    fn size(&self) -> u64 {
        self.0.size()
    }

    fn read_at(&self, position: u64, buffer: &mut [u8]) -> Result<()> {
        check_range(self, position, buffer.len())?;
        read_blocks(&self.0, position, buffer)
    }

    fn name(&self) -> &str {
        self.0.file().name()
    }

    fn hole_end(&self, position: u64) -> Result<u64> {
        if position >= self.size() {
            return Ok(position);
        }
        let (place, length) = self.0.place(position)?;
        Ok(match (place, self.0.parent()) {
            (Place::Zero, _) | (Place::Parent, None) => {
                position.saturating_add(length).min(self.size())
            }
            _ => position,
        })
    }
}

/// Reads from a disk in blocks. The caller keeps within its size.
fn read_blocks(disk: &impl Blocks, mut position: u64, mut buffer: &mut [u8]) -> Result<()> {
    while !buffer.is_empty() {
        let (place, length) = disk.place(position)?;
        let length = usize::try_from(length.max(1)).unwrap_or(usize::MAX);
        let (now, rest) = buffer.split_at_mut(length.min(buffer.len()));
        match (place, disk.parent()) {
            (Place::File(start), _) => disk.file().read_at(start, now)?,
            (Place::Compressed { block, offset }, _) => {
                disk.read_compressed(block, offset, now)?;
            }
            (Place::Parent, Some(parent)) => read_to_end(parent, position, now)?,
            (Place::Parent, None) | (Place::Zero, _) => now.fill(0),
        }
        position = position.saturating_add(now.len() as u64);
        buffer = rest;
    }
    Ok(())
}

/// Reads from a parent, which may be smaller than what differs from it: then zeros follow.
fn read_to_end(parent: &Arc<dyn ReadAt>, position: u64, buffer: &mut [u8]) -> Result<()> {
    let rest = parent.size().saturating_sub(position);
    let length = usize::try_from(rest)
        .unwrap_or(usize::MAX)
        .min(buffer.len());
    let (inside, outside) = buffer.split_at_mut(length);
    outside.fill(0);
    match inside.is_empty() {
        true => Ok(()),
        false => parent.read_at(position, inside),
    }
}
