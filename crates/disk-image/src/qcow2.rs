//! qcow2, the format of QEMU: <https://qemu-project.gitlab.io/qemu/interop/qcow2.html>.

use std::sync::Arc;

use crate::blocks::{Blocks, Place};
use crate::bytes::{ReadAt, array, check_range, vector};
use crate::error::{Error, Result};
use crate::fields::{u32_be, u64_be};
use crate::inflate::{Compression, LastBlock, inflate};
use crate::siblings::Siblings;

/// What can be done with an image of a form that is not read.
const CONVERT: &str = "convert it with qemu-img convert -O raw";
/// Bits of a table entry that are a position.
const POSITION: u64 = 0x00ff_ffff_ffff_fe00;
/// The longest name of a backing file.
const LONGEST_NAME: usize = 1023;

/// The disk in a qcow2 image. Nothing of its tables is kept in memory.
pub(crate) struct Qcow2 {
    file: Arc<dyn ReadAt>,
    backing: Option<Arc<dyn ReadAt>>,
    size: u64,
    cluster_bits: u32,
    /// The first-level table.
    table: u64,
    compression: Compression,
    last: LastBlock,
}

impl Qcow2 {
    pub(crate) fn open(file: Arc<dyn ReadAt>, siblings: &dyn Siblings) -> Result<Self> {
        let header: [u8; 112] = start_of(&*file)?;
        let name = file.name();
        let damaged = |structure, position, expected: &str, actual: String| {
            Error::damaged(name, structure, position, expected, actual)
        };
        let version = u32_be(&header, 4);
        if !(2..=3).contains(&version) {
            let what = format!("qcow2 of version {version}");
            return Err(Error::refused(name, what, CONVERT));
        }
        let cluster_bits = u32_be(&header, 20);
        if !(9..=21).contains(&cluster_bits) {
            let actual = format!("2^{cluster_bits} bytes");
            return Err(damaged(
                "size of a cluster",
                20,
                "2^9 to 2^21 bytes",
                actual,
            ));
        }
        if u32_be(&header, 32) != 0 {
            return Err(Error::refused(
                name,
                "the image is encrypted",
                "decrypt it with qemu-img convert --object secret,... -O raw",
            ));
        }
        let mut compression = Compression::Deflate;
        let features = if version == 2 { 0 } else { u64_be(&header, 72) };
        // Bit 0, an image that was not closed, concerns counts of references only, which are not
        // read; bit 1 says that such a count was seen to be wrong.
        if features & 4 != 0 {
            let what = "its data is in a file of its own";
            return Err(Error::refused(name, what, CONVERT));
        }
        if features & 16 != 0 {
            let what = "it has subclusters (extended entries)";
            return Err(Error::refused(name, what, CONVERT));
        }
        if features & !0x1f != 0 {
            let what = format!("it has features that are not known ({features:#x})");
            return Err(Error::refused(name, what, CONVERT));
        }
        if features & 8 != 0 {
            compression = match header[104] {
                0 => Compression::Deflate,
                1 => Compression::Zstd,
                other => {
                    let what = format!("its clusters are compressed in an unknown way ({other})");
                    return Err(Error::refused(name, what, CONVERT));
                }
            };
        }
        let size = u64_be(&header, 24);
        let table = u64_be(&header, 40);
        // Each entry leads to a cluster of entries.
        let mapped = 1u128 << (2 * cluster_bits - 3);
        let entries = u32_be(&header, 36);
        if u128::from(entries) * mapped < u128::from(size) {
            let actual = format!("{entries} entries of its first table");
            let expected = format!("as many as {size} bytes need");
            return Err(damaged("header", 36, &expected, actual));
        }
        check_range(&*file, table, (entries as usize).saturating_mul(8))?;
        let backing = backing_file(&*file, &header, version)?;
        let backing = match backing {
            None => None,
            Some((name, true)) => Some(siblings.file(&name)?),
            Some((name, false)) => Some(siblings.image(&name)?),
        };
        Ok(Self {
            backing,
            size,
            cluster_bits,
            table,
            compression,
            last: LastBlock::default(),
            file,
        })
    }

    fn decompress(&self, entry: u64) -> Result<Vec<u8>> {
        // The position has as many bits as the entry leaves beside the number of sectors.
        let bits = 62 - (self.cluster_bits - 8);
        let position = entry & ((1 << bits) - 1);
        let sectors = ((entry & ((1 << 62) - 1)) >> bits) + 1;
        let length = sectors * 512 - (position & 511);
        // The last cluster of a file may end before its last sector.
        let length = length.min(self.file.size().saturating_sub(position));
        let most = 2 << self.cluster_bits;
        let input = vector(&*self.file, position, length, most, "compressed cluster")?;
        inflate(self.compression, &input, 1 << self.cluster_bits).ok_or_else(|| {
            Error::damaged(
                self.file.name(),
                "compressed cluster",
                position,
                format_args!("{} bytes in it", 1u64 << self.cluster_bits),
                "what cannot be decompressed",
            )
        })
    }
}

/// The first bytes of a file, and zeros where it is shorter.
fn start_of<const N: usize>(file: &dyn ReadAt) -> Result<[u8; N]> {
    let mut start = [0; N];
    let length = usize::try_from(file.size()).unwrap_or(N).min(N);
    file.read_at(0, &mut start[..length])?;
    Ok(start)
}

/// The name of the file that the image differs from, and whether its bytes are the disk: what an
/// unknown disk begins with is no proof of its format.
fn backing_file(file: &dyn ReadAt, header: &[u8], version: u32) -> Result<Option<(String, bool)>> {
    /// The header extension with the format of the backing file.
    const BACKING_FORMAT: u32 = 0xe279_2aca;
    let position = u64_be(header, 8);
    if position == 0 {
        return Ok(None);
    }
    let length = u64::from(u32_be(header, 16));
    let name = vector(
        file,
        position,
        length,
        LONGEST_NAME,
        "name of the backing file",
    )?;
    let name = String::from_utf8_lossy(&name).into_owned();
    let mut is_raw = false;
    let mut at = match version {
        2 => 72,
        _ => u64::from(u32_be(header, 100)),
    };
    // They end before the name, each has at least 8 bytes.
    while at.saturating_add(8) <= position.min(1 << 21) {
        let extension: [u8; 8] = array(file, at)?;
        let length = u64::from(u32_be(&extension, 4));
        match u32_be(&extension, 0) {
            0 => break,
            BACKING_FORMAT => {
                let format = vector(file, at + 8, length, 64, "format of the backing file")?;
                is_raw = format == b"raw";
            }
            _ => {}
        }
        at += 8 + length.next_multiple_of(8);
    }
    Ok(Some((name, is_raw)))
}

impl Blocks for Qcow2 {
    fn size(&self) -> u64 {
        self.size
    }

    fn place(&self, position: u64) -> Result<(Place, u64)> {
        let cluster = 1 << self.cluster_bits;
        let inside = position & (cluster - 1);
        let rest = cluster - inside;
        let number = position >> self.cluster_bits;
        let bits = self.cluster_bits - 3;
        let first: [u8; 8] = array(&*self.file, self.table + (number >> bits) * 8)?;
        let table = u64_be(&first, 0) & POSITION;
        if table == 0 {
            // All that the missing table would map.
            let mapped = 1 << (self.cluster_bits + bits);
            return Ok((Place::Parent, mapped - (position & (mapped - 1))));
        }
        let entry = table + (number & ((1 << bits) - 1)) * 8;
        let entry = u64_be(&array::<8>(&*self.file, entry)?, 0);
        let place = match (entry >> 62 & 1, entry & 1, entry & POSITION) {
            (1, ..) => Place::Compressed {
                block: entry,
                // Less than a cluster.
                offset: inside as usize,
            },
            (_, 1, _) => Place::Zero,
            (_, _, 0) => Place::Parent,
            (_, _, start) => Place::File(start + inside),
        };
        Ok((place, rest))
    }

    fn file(&self) -> &dyn ReadAt {
        &*self.file
    }

    fn parent(&self) -> Option<&Arc<dyn ReadAt>> {
        self.backing.as_ref()
    }

    fn read_compressed(&self, block: u64, offset: usize, buffer: &mut [u8]) -> Result<()> {
        (self.last).read(block, offset, buffer, || self.decompress(block))
    }
}
