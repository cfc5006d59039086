//! The headers, and the table that says where log, table of blocks and metadata are.

use crate::bytes::{ReadAt, array, vector};
use crate::checksum::crc32c;
use crate::error::{Error, Result};
use crate::fields::{at, shown, u16_le, u32_le, u64_le};

/// The two headers, and the two copies of the table of regions.
const HEADERS: [u64; 2] = [64 << 10, 128 << 10];
const TABLES: [u64; 2] = [192 << 10, 256 << 10];
const TABLE_LENGTH: usize = 64 << 10;

/// Identities of regions, as they are stored.
const BLOCK_TABLE: [u8; 16] = [
    0x66, 0x77, 0xc2, 0x2d, 0x23, 0xf6, 0x00, 0x42, 0x9d, 0x64, 0x11, 0x5e, 0x9b, 0xfd, 0x4a, 0x08,
];
const METADATA: [u8; 16] = [
    0x06, 0xa2, 0x7c, 0x8b, 0x90, 0x47, 0x9a, 0x4b, 0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e,
];

/// The current header.
pub(super) struct Header {
    sequence: u64,
    /// The identity of the log's entries; zeros if the log is empty.
    pub(super) log_id: [u8; 16],
    /// Of the log.
    pub(super) log: (u64, u32),
}

/// A structure whose checksum is in the four bytes behind its signature.
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    let (Some(start), Some(rest)) = (bytes.get(..4), bytes.get(8..)) else {
        return false;
    };
    crc32c(crc32c(crc32c(0, start), &[0; 4]), rest) == u32_le(bytes, 4)
}

/// The header with the higher number of those that are whole.
pub(super) fn header(file: &dyn ReadAt) -> Result<Header> {
    let mut best: Option<Header> = None;
    for position in HEADERS {
        let Ok(bytes) = array::<4096>(file, position) else {
            continue;
        };
        if !bytes.starts_with(b"head") || !is_whole(&bytes) {
            continue;
        }
        let version = u16_le(&bytes, 66);
        if version != 1 {
            return Err(Error::refused(
                file.name(),
                format_args!("VHDX of version {version}"),
                "convert it with Convert-VHD to a VHD, or with qemu-img convert -O raw",
            ));
        }
        let found = Header {
            sequence: u64_le(&bytes, 8),
            log_id: at(&bytes, 48),
            log: (u64_le(&bytes, 72), u32_le(&bytes, 68)),
        };
        if best
            .as_ref()
            .is_none_or(|best| best.sequence < found.sequence)
        {
            best = Some(found);
        }
    }
    best.ok_or_else(|| {
        Error::damaged(
            file.name(),
            "VHDX headers",
            HEADERS[0],
            "\"head\" with its checksum, here or at the second header's place",
            "neither",
        )
    })
}

/// Where the regions are, in bytes.
pub(super) struct Regions {
    pub(super) table: (u64, u32),
    pub(super) metadata: (u64, u32),
}

/// Reads the table of regions, or its copy.
pub(super) fn read(file: &dyn ReadAt) -> Result<Regions> {
    let mut first = None;
    for position in TABLES {
        match read_at(file, position) {
            Ok(regions) => return Ok(regions),
            Err(error) => _ = first.get_or_insert(error),
        }
    }
    Err(first.unwrap_or_else(|| Error::not_found(file.name(), "no regions", "take another image")))
}

fn read_at(file: &dyn ReadAt, position: u64) -> Result<Regions> {
    let length = TABLE_LENGTH as u64;
    let bytes = vector(
        file,
        position,
        length,
        TABLE_LENGTH,
        "VHDX table of regions",
    )?;
    let damaged = |expected: &str, actual: String| {
        Error::damaged(
            file.name(),
            "VHDX table of regions",
            position,
            expected,
            actual,
        )
    };
    if !bytes.starts_with(b"regi") {
        return Err(damaged("\"regi\"", shown(&bytes[..4])));
    }
    if !is_whole(&bytes) {
        let stored = u32_le(&bytes, 4);
        return Err(damaged(
            "its checksum",
            format!("{stored:#010x} over other bytes"),
        ));
    }
    let count = u32_le(&bytes, 8);
    if count > 2047 {
        return Err(damaged("at most 2047 regions", count.to_string()));
    }
    let (mut table, mut metadata) = (None, None);
    for entry in bytes[16..].chunks_exact(32).take(count as usize) {
        let place = Some((u64_le(entry, 16), u32_le(entry, 24)));
        match at::<16>(entry, 0) {
            BLOCK_TABLE => table = place,
            METADATA => metadata = place,
            _ if u32_le(entry, 28) & 1 == 0 => {}
            other => {
                return Err(Error::refused(
                    file.name(),
                    format_args!("it has a region that is not known ({})", shown(&other)),
                    "convert it with qemu-img convert -O raw",
                ));
            }
        }
    }
    match (table, metadata) {
        (Some(table), Some(metadata)) => Ok(Regions { table, metadata }),
        _ => Err(damaged(
            "a table of blocks and metadata",
            "one of them is missing".into(),
        )),
    }
}
