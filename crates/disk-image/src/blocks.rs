//! What the formats have in common: a disk in blocks, each of which is somewhere, or nowhere.

use std::sync::Arc;

use crate::bytes::ReadAt;
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
    /// Where the bytes at `position` are, and for how many bytes from there on (at least 1) that
    /// holds.
    fn place(&self, position: u64) -> Result<(Place, u64)>;

    /// The file with the blocks.
    fn file(&self) -> &dyn ReadAt;

    /// What the disk differs from.
    fn parent(&self) -> Option<&Arc<dyn ReadAt>>;

    /// Reads from a compressed block.
    fn read_compressed(&self, block: u64, offset: usize, buffer: &mut [u8]) -> Result<()>;
}

/// Reads from a disk in blocks. The caller keeps within its size.
pub(crate) fn read_blocks(
    disk: &(impl Blocks + ?Sized),
    mut position: u64,
    mut buffer: &mut [u8],
) -> Result<()> {
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

/// The end of the hole at `position` of a disk; `position` if there is none.
pub(crate) fn hole_end(disk: &(impl Blocks + ReadAt + ?Sized), position: u64) -> Result<u64> {
    if position >= disk.size() {
        return Ok(position);
    }
    let (place, length) = disk.place(position)?;
    Ok(match (place, disk.parent()) {
        (Place::Zero, _) | (Place::Parent, None) => {
            position.saturating_add(length).min(disk.size())
        }
        _ => position,
    })
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
