//! The GUID partition table (UEFI specification, chapter 5).

use disk_image::fields::{at, shown, u32_le, u64_le};
use disk_image::{Error, ReadAt, Result, array, crc32, vector};

use super::{DYNAMIC, Partition, PartitionId, STORAGE_SPACE};

/// The longest table that is read: that of 8192 partitions.
const LONGEST: usize = 1 << 20;
/// Types whose partitions cannot be read, as they are stored.
const LDM_DATA: [u8; 16] = [
    0xa0, 0x60, 0x9b, 0xaf, 0x31, 0x14, 0x62, 0x4f, 0xbc, 0x68, 0x33, 0x11, 0x71, 0x4a, 0x69, 0xad,
];
const STORAGE_SPACES: [u8; 16] = [
    0x8f, 0xaf, 0x5c, 0xe7, 0x80, 0xf6, 0xee, 0x4c, 0xaf, 0xa3, 0xb0, 0x01, 0xe5, 0x6e, 0xfc, 0x2d,
];

/// Reads the table, or its copy at the end of the disk.
pub(super) fn read(disk: &dyn ReadAt) -> Result<Vec<Partition>> {
    let mut first = None;
    // Most disks count in sectors of 512 bytes, some in 4096.
    for sector in [512, 4096] {
        let last = (disk.size() / sector).saturating_sub(1) * sector;
        for position in [sector, last] {
            match read_at(disk, position, sector) {
                Ok(partitions) => return Ok(partitions),
                Err(error) => _ = first.get_or_insert(error),
            }
        }
    }
    Err(first.unwrap_or_else(|| Error::not_found(disk.name(), "no GPT", "take another image")))
}

fn read_at(disk: &dyn ReadAt, position: u64, sector: u64) -> Result<Vec<Partition>> {
    let mut header: [u8; 512] = array(disk, position)?;
    let damaged = |structure: &str, position: u64, expected: &str, actual: String| {
        Error::damaged(disk.name(), structure, position, expected, actual)
    };
    if !header.starts_with(b"EFI PART") {
        return Err(damaged(
            "GPT header",
            position,
            "\"EFI PART\"",
            shown(&header[..8]),
        ));
    }
    let length = u32_le(&header, 12) as usize;
    let stored = u32_le(&header, 16);
    header[16..20].fill(0);
    let covered = header.get(..length).filter(|covered| covered.len() >= 92);
    if covered.map(crc32) != Some(stored) {
        let actual = format!("{stored:#010x} over other bytes");
        return Err(damaged("GPT header", position, "its checksum", actual));
    }
    let entry = u32_le(&header, 84);
    let start = u64_le(&header, 72).saturating_mul(sector);
    if !(128..=4096).contains(&entry) {
        let actual = format!("{entry} bytes");
        return Err(damaged(
            "GPT header",
            position + 84,
            "entries of 128 to 4096 bytes",
            actual,
        ));
    }
    let length = u64::from(u32_le(&header, 80)) * u64::from(entry);
    let table = vector(disk, start, length, LONGEST, "GPT table")?;
    if crc32(&table) != u32_le(&header, 88) {
        let actual = format!("{:#010x}", crc32(&table));
        let expected = format!("checksum {:#010x}", u32_le(&header, 88));
        return Err(damaged("GPT table", start, &expected, actual));
    }
    let mut found = Vec::new();
    for (number, entry) in (1..).zip(table.chunks_exact(entry as usize)) {
        let kind: [u8; 16] = at(entry, 0);
        let (first, last) = (u64_le(entry, 32), u64_le(entry, 40));
        if kind == [0; 16] || first == 0 || last < first {
            continue;
        }
        found.push(Partition {
            number,
            start: first.saturating_mul(sector),
            length: (last - first).saturating_add(1).saturating_mul(sector),
            id: PartitionId::Gpt(at(entry, 16)),
            note: match kind {
                LDM_DATA => Some(DYNAMIC),
                STORAGE_SPACES => Some(STORAGE_SPACE),
                _ => None,
            },
        });
    }
    Ok(found)
}
