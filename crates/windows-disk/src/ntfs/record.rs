//! Records in several sectors, with the check of each sector's end.

use disk_image::fields::{shown, u16_le, u32_le, u64_le};
use disk_image::{Error, ReadAt, Result, vector};

/// Every so many bytes the last two are a check, whatever a sector of the disk has.
const STRIDE: usize = 512;

/// Bits of a reference to a file that are the number of its record; the others count its uses.
const NUMBER: u64 = (1 << 48) - 1;

/// A reference to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileReference(pub(super) u64);

impl FileReference {
    /// The number of the record.
    pub fn record(self) -> u64 {
        self.0 & NUMBER
    }

    /// Which use of the record.
    pub(super) fn sequence(self) -> u16 {
        (self.0 >> 48) as u16
    }
}

/// Reads a record with the signature `expected`, and puts the last bytes of its sectors back.
pub(super) fn read(
    bytes: &dyn ReadAt,
    position: u64,
    length: u64,
    expected: &[u8; 4],
) -> Result<Vec<u8>> {
    let structure = || format!("record {}", shown(expected));
    let mut record = vector(bytes, position, length, 1 << 16, structure())?;
    let damaged = |position: u64, expected: &str, actual: String| {
        Error::damaged(bytes.name(), structure(), position, expected, actual)
    };
    if !record.starts_with(expected) {
        return Err(damaged(position, &shown(expected), shown(&record[..4])));
    }
    let start = usize::from(u16_le(&record, 4));
    let count = usize::from(u16_le(&record, 6));
    let sectors = record.len() / STRIDE;
    let checks = record.get(start..start + 2 * count).map(<[u8]>::to_vec);
    let Some(checks) = checks.filter(|_| count == sectors + 1) else {
        let expected = format!("checks of {sectors} sectors");
        return Err(damaged(
            position + 4,
            &expected,
            format!("{count} at {start}"),
        ));
    };
    let (check, ends) = checks.split_at(2);
    for (sector, end) in record.chunks_exact_mut(STRIDE).zip(ends.chunks_exact(2)) {
        let place = &mut sector[STRIDE - 2..];
        if place != check {
            let actual = format!("{} (a write that was torn)", shown(place));
            return Err(damaged(
                position,
                &format!("check {}", shown(check)),
                actual,
            ));
        }
        place.copy_from_slice(end);
    }
    Ok(record)
}

/// A record of the master file table.
pub(super) struct Record {
    pub(super) bytes: Vec<u8>,
    /// Of the volume, for messages.
    pub(super) position: u64,
}

impl Record {
    pub(super) fn read(bytes: &dyn ReadAt, position: u64, length: u64) -> Result<Self> {
        Ok(Self {
            bytes: read(bytes, position, length, b"FILE")?,
            position,
        })
    }

    pub(super) fn is_in_use(&self) -> bool {
        u16_le(&self.bytes, 22) & 1 != 0
    }

    pub(super) fn sequence(&self) -> u16 {
        u16_le(&self.bytes, 16)
    }

    /// The record that this one continues; 0 for none.
    pub(super) fn base(&self) -> FileReference {
        FileReference(u64_le(&self.bytes, 32))
    }

    /// The bytes of its attributes.
    pub(super) fn attributes(&self) -> &[u8] {
        let start = usize::from(u16_le(&self.bytes, 20));
        let end = (u32_le(&self.bytes, 24) as usize).min(self.bytes.len());
        self.bytes.get(start..end).unwrap_or(&[])
    }
}
