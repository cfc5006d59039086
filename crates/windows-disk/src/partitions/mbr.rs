//! The master boot record, and the chain of records of logical partitions.

use disk_image::fields::u32_le;
use disk_image::{Error, ReadAt, Result, array};

use super::{DYNAMIC, Partition, PartitionId};

const SECTOR: u64 = 512;
/// The first of the four entries.
const ENTRIES: usize = 446;
const ENTRY: usize = 16;
/// The most logical partitions: Windows has 24 letters for them.
const MOST_LOGICAL: usize = 128;

/// What the record says.
pub(super) enum Table {
    Own(Vec<Partition>),
    /// The partitions are in a GPT.
    Protective,
}

struct Entry {
    kind: u8,
    start: u64,
    sectors: u64,
}

impl Entry {
    fn is_extended(&self) -> bool {
        matches!(self.kind, 0x05 | 0x0f | 0x85)
    }
}

fn entries(sector: &[u8; 512]) -> Vec<Entry> {
    let table = sector[ENTRIES..ENTRIES + 4 * ENTRY].chunks_exact(ENTRY);
    table
        .map(|entry| Entry {
            kind: entry[4],
            start: u64::from(u32_le(entry, 8)),
            sectors: u64::from(u32_le(entry, 12)),
        })
        .collect()
}

fn check(disk: &dyn ReadAt, structure: &str, position: u64, sector: &[u8; 512]) -> Result<()> {
    match sector[510..] {
        [0x55, 0xaa] => Ok(()),
        ref found => Err(Error::damaged(
            disk.name(),
            structure,
            position + 510,
            "55aa",
            disk_image::fields::shown(found),
        )),
    }
}

pub(super) fn read(disk: &dyn ReadAt, sector: &[u8; 512]) -> Result<Table> {
    check(disk, "master boot record", 0, sector)?;
    let signature = u32_le(sector, 440);
    let partition = |number: u32, entry: &Entry, start: u64| Partition {
        number,
        start: start * SECTOR,
        length: entry.sectors * SECTOR,
        id: PartitionId::Mbr(signature),
        note: (entry.kind == 0x42).then_some(DYNAMIC),
    };
    let mut found = Vec::new();
    let mut extended = None;
    for (number, entry) in (1..).zip(entries(sector)) {
        match entry.kind {
            0xee => return Ok(Table::Protective),
            _ if entry.kind == 0 || entry.sectors == 0 => {}
            _ if entry.is_extended() => extended = extended.or(Some(entry.start)),
            _ => found.push(partition(number, &entry, entry.start)),
        }
    }
    let Some(first) = extended else {
        return Ok(Table::Own(found));
    };
    // Each record holds one logical partition, and where the next record is.
    let mut at = first;
    for number in (5..).take(MOST_LOGICAL) {
        let position = at * SECTOR;
        let record = array(disk, position)?;
        check(disk, "record of a logical partition", position, &record)?;
        let mut next = None;
        for entry in entries(&record) {
            match entry.is_extended() {
                _ if entry.kind == 0 || entry.sectors == 0 => {}
                true => next = next.or(Some(first + entry.start)),
                false => found.push(partition(number, &entry, at + entry.start)),
            }
        }
        match next {
            // A chain leads forward, so that it ends.
            Some(next) if next > at => at = next,
            Some(next) => {
                return Err(Error::damaged(
                    disk.name(),
                    "record of a logical partition",
                    position,
                    "the next record behind it",
                    format_args!("at byte {}", next * SECTOR),
                ));
            }
            None => break,
        }
    }
    Ok(Table::Own(found))
}
