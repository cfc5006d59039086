//! A file with grains: monolithicSparse, streamOptimized, and the extents of twoGbMaxExtentSparse.

use std::sync::Arc;

use crate::blocks::{Blocks, Place};
use crate::bytes::{ReadAt, array, check_range, vector};
use crate::error::{Error, Result};
use crate::fields::{at, shown, u32_le, u64_le};
use crate::format::SECTOR;
use crate::inflate::{Compression, LastBlock, inflate};

/// The directory is at the end: a stream does not know its place before.
const AT_END: u64 = u64::MAX;
/// Bit of the header: an entry of 1 is a grain of zeros.
const HAS_ZERO_GRAINS: u32 = 1 << 2;
/// Bit of the header: grains are compressed.
const IS_COMPRESSED: u32 = 1 << 16;

/// The header of the file.
pub(super) struct Header {
    name: String,
    flags: u32,
    /// Sectors of the disk.
    capacity: u64,
    /// Sectors of a grain.
    grain: u64,
    /// Sector and number of sectors of the descriptor.
    descriptor: (u64, u64),
    /// Entries of a grain table.
    entries: u64,
    /// Sector of the directory of grain tables.
    directory: u64,
}

impl Header {
    pub(super) fn read(file: &dyn ReadAt) -> Result<Self> {
        let first = Self::at(file, 0)?;
        if first.directory != AT_END {
            return Ok(first);
        }
        // Behind the footer comes the marker of the end.
        let position = file.size().saturating_sub(2 * SECTOR);
        let footer = Self::at(file, position)?;
        match footer.directory {
            AT_END => Err(Error::damaged(
                file.name(),
                "VMDK footer",
                position,
                "the place of the directory",
                "none",
            )),
            _ => Ok(Self {
                descriptor: first.descriptor,
                ..footer
            }),
        }
    }

    fn at(file: &dyn ReadAt, position: u64) -> Result<Self> {
        let bytes: [u8; SECTOR as usize] = array(file, position)?;
        let damaged = |offset: u64, expected: &str, actual: String| {
            let position = position.saturating_add(offset);
            Error::damaged(file.name(), "VMDK header", position, expected, actual)
        };
        if !bytes.starts_with(b"KDMV") {
            return Err(damaged(0, "\"KDMV\"", shown(&bytes[..4])));
        }
        let header = Self {
            name: file.name().to_owned(),
            flags: u32_le(&bytes, 8),
            capacity: u64_le(&bytes, 12),
            grain: u64_le(&bytes, 20),
            descriptor: (u64_le(&bytes, 28), u64_le(&bytes, 36)),
            entries: u64::from(u32_le(&bytes, 44)),
            directory: u64_le(&bytes, 56),
        };
        let version = u32_le(&bytes, 4);
        if !(1..=3).contains(&version) {
            return Err(Error::refused(
                file.name(),
                format_args!("VMDK of version {version}"),
                "convert it with qemu-img convert -O raw",
            ));
        }
        let compression = u16::from_le_bytes(at(&bytes, 77));
        if header.flags & IS_COMPRESSED != 0 && compression != 1 {
            let actual = compression.to_string();
            return Err(damaged(77, "DEFLATE (1) for its grains", actual));
        }
        if !header.grain.is_power_of_two() || !(1..=1 << 15).contains(&header.grain) {
            let actual = format!("{} sectors", header.grain);
            let expected = "grains of a power of two of up to 32768 sectors";
            return Err(damaged(20, expected, actual));
        }
        if !(1..=1 << 16).contains(&header.entries) {
            let actual = header.entries.to_string();
            return Err(damaged(44, "1 to 65536 entries in a grain table", actual));
        }
        if header.capacity > 1 << 47 {
            let actual = format!("{} sectors", header.capacity);
            return Err(damaged(12, "a disk of at most 2^47 sectors", actual));
        }
        Ok(header)
    }

    /// Position and length of the descriptor in the file, if it has one.
    pub(super) fn descriptor(&self) -> Result<Option<(u64, u64)>> {
        let (start, length) = self.descriptor;
        if start == 0 || length == 0 {
            return Ok(None);
        }
        match (start.checked_mul(SECTOR), length.checked_mul(SECTOR)) {
            (Some(start), Some(length)) => Ok(Some((start, length))),
            _ => Err(Error::damaged(
                &self.name,
                "VMDK header",
                28,
                "a descriptor",
                "one that no file could hold",
            )),
        }
    }
}

/// The disk, or the extent, in a file with grains. Its tables stay in the file.
pub(super) struct Sparse {
    file: Arc<dyn ReadAt>,
    parent: Option<Arc<dyn ReadAt>>,
    size: u64,
    /// Bytes of a grain.
    grain: u64,
    /// Entries of a grain table.
    entries: u64,
    /// Position of the directory.
    directory: u64,
    flags: u32,
    last: LastBlock,
}

impl Sparse {
    pub(super) fn open(
        file: Arc<dyn ReadAt>,
        header: Header,
        parent: Option<Arc<dyn ReadAt>>,
    ) -> Result<Self> {
        let size = header.capacity * SECTOR;
        let grain = header.grain * SECTOR;
        // Both factors were bounded.
        let tables = size.div_ceil(grain * header.entries);
        let directory = header.directory.saturating_mul(SECTOR);
        let length = usize::try_from(tables.saturating_mul(4)).unwrap_or(usize::MAX);
        check_range(&*file, directory, length)?;
        Ok(Self {
            parent,
            size,
            grain,
            entries: header.entries,
            directory,
            flags: header.flags,
            last: LastBlock::default(),
            file,
        })
    }

    fn decompress(&self, sector: u64) -> Result<Vec<u8>> {
        let position = sector * SECTOR;
        let damaged = |expected: &str, actual: &str| {
            let structure = "VMDK compressed grain";
            Error::damaged(self.file.name(), structure, position, expected, actual)
        };
        // The first sector of the disk that the grain holds, and the length of its bytes.
        let marker: [u8; 12] = array(&*self.file, position)?;
        let length = u64::from(u32_le(&marker, 8));
        let most = 2 * self.grain as usize + 64;
        let start = position + marker.len() as u64;
        let input = vector(&*self.file, start, length, most, "VMDK compressed grain")?;
        let first = u64_le(&marker, 0).saturating_mul(SECTOR);
        let length = self.size.saturating_sub(first).min(self.grain);
        // The last grain may be shorter, or filled up.
        [self.grain, length]
            .into_iter()
            .find_map(|length| inflate(Compression::Zlib, &input, length as usize))
            .ok_or_else(|| damaged("a grain", "what cannot be decompressed"))
    }
}

impl Blocks for Sparse {
    fn size(&self) -> u64 {
        self.size
    }

    fn place(&self, position: u64) -> Result<(Place, u64)> {
        let number = position / self.grain;
        let inside = position & (self.grain - 1);
        let rest = self.grain - inside;
        let table: [u8; 4] = array(&*self.file, self.directory + number / self.entries * 4)?;
        let table = u64::from(u32_le(&table, 0)) * SECTOR;
        let nowhere = match self.parent {
            Some(_) => Place::Parent,
            None => Place::Zero,
        };
        if table == 0 {
            return Ok((nowhere, rest));
        }
        let entry: [u8; 4] = array(&*self.file, table + number % self.entries * 4)?;
        let place = match u64::from(u32_le(&entry, 0)) {
            0 => nowhere,
            1 if self.flags & HAS_ZERO_GRAINS != 0 => Place::Zero,
            sector if self.flags & IS_COMPRESSED != 0 => Place::Compressed {
                block: sector,
                // Less than a grain.
                offset: inside as usize,
            },
            sector => Place::File(sector * SECTOR + inside),
        };
        Ok((place, rest))
    }

    fn file(&self) -> &dyn ReadAt {
        &*self.file
    }

    fn parent(&self) -> Option<&Arc<dyn ReadAt>> {
        self.parent.as_ref()
    }

    fn read_compressed(&self, block: u64, offset: usize, buffer: &mut [u8]) -> Result<()> {
        (self.last).read(block, offset, buffer, || self.decompress(block))
    }
}
