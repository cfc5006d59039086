//! What the disk is: its size, that of its blocks and sectors.

use crate::bytes::{ReadAt, array, check_range};
use crate::error::{Error, Result};
use crate::fields::{at, shown, u16_le, u32_le, u64_le};

/// Identities of items, as they are stored.
const PARAMETERS: [u8; 16] = [
    0x37, 0x67, 0xa1, 0xca, 0x36, 0xfa, 0x43, 0x4d, 0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44, 0xe7, 0x6b,
];
const SIZE: [u8; 16] = [
    0x24, 0x42, 0xa5, 0x2f, 0x1b, 0xcd, 0x76, 0x48, 0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4, 0xb8,
];
const SECTOR: [u8; 16] = [
    0x1d, 0xbf, 0x41, 0x81, 0x6f, 0xa9, 0x09, 0x47, 0xba, 0x47, 0xf2, 0x33, 0xa8, 0xfa, 0xab, 0x5f,
];

/// Properties of the disk.
pub(super) struct Metadata {
    /// Bytes.
    pub(super) size: u64,
    /// Bytes of a block: a power of two from 1 to 256 MiB.
    pub(super) block: u64,
    /// Bytes of a logical sector: 512 or 4096.
    pub(super) sector: u32,
}

impl Metadata {
    /// Reads the region at `start`.
    pub(super) fn read(file: &dyn ReadAt, (start, length): (u64, u32)) -> Result<Self> {
        check_range(file, start, length as usize)?;
        let damaged = |position: u64, expected: &str, actual: String| {
            Error::damaged(file.name(), "VHDX metadata", position, expected, actual)
        };
        let table: [u8; 32] = array(file, start)?;
        if !table.starts_with(b"metadata") {
            return Err(damaged(start, "\"metadata\"", shown(&table[..8])));
        }
        let count = u64::from(u16_le(&table, 10));
        if count > 2047 {
            return Err(damaged(
                start + 10,
                "at most 2047 entries",
                count.to_string(),
            ));
        }
        let (mut size, mut block, mut sector) = (None, None, None);
        for number in 1..=count {
            let entry: [u8; 32] = array(file, start + number * 32)?;
            let place = start + u64::from(u32_le(&entry, 16));
            match at::<16>(&entry, 0) {
                PARAMETERS => {
                    let parameters: [u8; 8] = array(file, place)?;
                    if u32_le(&parameters, 4) & 2 != 0 {
                        return Err(Error::refused(
                            file.name(),
                            "it differs from a parent (a checkpoint of Hyper-V)",
                            "merge it with its parents, where they are (Merge-VHD), or convert \
                             the chain with Convert-VHD, and name the result",
                        ));
                    }
                    block = Some((place, u64::from(u32_le(&parameters, 0))));
                }
                SIZE => size = Some((place, u64_le(&array::<8>(file, place)?, 0))),
                SECTOR => sector = Some((place, u32_le(&array::<4>(file, place)?, 0))),
                _ => {}
            }
        }
        let (Some(size), Some(block), Some(sector)) = (size, block, sector) else {
            let actual = "one of them is missing".into();
            return Err(damaged(start, "sizes of disk, blocks and sectors", actual));
        };
        if !block.1.is_power_of_two() || !(1 << 20..=256 << 20).contains(&block.1) {
            let actual = format!("{} bytes", block.1);
            return Err(damaged(
                block.0,
                "blocks of a power of two from 1 to 256 MiB",
                actual,
            ));
        }
        if ![512, 4096].contains(&sector.1) {
            let actual = format!("{} bytes", sector.1);
            return Err(damaged(sector.0, "sectors of 512 or 4096 bytes", actual));
        }
        if size.1 > 64 << 40 {
            let actual = format!("{} bytes", size.1);
            return Err(damaged(size.0, "a disk of at most 64 TiB", actual));
        }
        Ok(Self {
            size: size.1,
            block: block.1,
            sector: sector.1,
        })
    }
}
