//! What verification and reading need of the log file header (LGFILEHDR of `inc/log.hxx`).

use std::path::Path;

use crate::{Error, Result};

/// Bytes of a log file header as the engine writes and checksums it.
pub(super) const HEADER_SIZE: usize = 4096;

/// The last log version that carries checksum records instead of segment headers.
const LAST_SECTOR_MAJOR: u32 = 7;
/// The update-minor version from which a header holds the checksum of all segments of the log before it.
const PREVIOUS_CHECKSUM_UPDATE_MINOR: u32 = 13;
/// Version 7 logs are held in memory whole; 512-byte sectors counted in 16 bits cannot exceed 32 MiB.
const LARGEST_SECTOR_LOG: u64 = 64 << 20;
/// `le_filetype` of a log file; older headers leave it 0.
const FILE_TYPE_LOG: u32 = 3;

/// Who a log file says it is: generation, version and the links to its neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogIdentity {
    /// The generation, counted from 1.
    pub generation: u32,
    /// Major, minor, update major and update minor version, such as 8.4000.4.3.
    pub version: [u32; 4],
    /// Bytes of a segment (4096), or of a sector in version 7 logs.
    pub sector_size: u32,
    /// Segments that the header fills.
    pub header_sectors: u32,
    /// Segments of the whole file, the header and the last, spare segment included.
    pub file_sectors: u32,
    /// Bytes of a database page.
    pub page_size: u32,
    /// When the file was created (LOGTIME, as stored).
    pub created: [u8; 8],
    /// When the log before it was created (LOGTIME, as stored); zeros in the first log of a series.
    pub previous_created: [u8; 8],
    /// The log signature that all logs of a series share (SIGNATURE, as stored).
    pub signature: [u8; 28],
    /// XOR of all segment checksums of the log before this one, where the version records it.
    pub previous_segments_checksum: Option<u64>,
}

impl LogIdentity {
    /// Reads and checks the first 4096 bytes of a log file.
    ///
    /// # Errors
    /// [`Error::Damaged`] for a wrong checksum or impossible sizes, [`Error::Unsupported`] for another version.
    pub fn parse(file: &Path, bytes: &[u8]) -> Result<Self> {
        let damaged = |offset: u64, expected: String, found: String| Error::Damaged {
            file: file.to_path_buf(),
            offset,
            structure: "log file header".into(),
            expected,
            found,
        };
        let Some(bytes) = bytes.get(..HEADER_SIZE) else {
            return Err(damaged(
                0,
                format!("a header of {HEADER_SIZE} bytes"),
                format!("{} bytes", bytes.len()),
            ));
        };
        let stored = u32_at(bytes, 0);
        let computed = xor_checksum(bytes);
        if stored != computed {
            return Err(damaged(
                0,
                format!("checksum {computed:#010x}"),
                format!("{stored:#010x}"),
            ));
        }
        let file_type = u32_at(bytes, 667);
        if file_type != FILE_TYPE_LOG && file_type != 0 {
            return Err(damaged(
                667,
                format!("file type {FILE_TYPE_LOG} (log)"),
                file_type.to_string(),
            ));
        }
        let version = [
            u32_at(bytes, 32),
            u32_at(bytes, 36),
            u32_at(bytes, 40),
            u32_at(bytes, 648),
        ];
        match version {
            [8, 4000, ..] | [7, 3704, ..] => {}
            [major, minor, update, _] => {
                return Err(Error::Unsupported {
                    file: file.to_path_buf(),
                    what: format!("log version {major}.{minor}.{update}"),
                });
            }
        }
        let identity = LogIdentity {
            generation: u32_at(bytes, 4),
            version,
            sector_size: u16_at(bytes, 8).into(),
            header_sectors: u16_at(bytes, 10).into(),
            file_sectors: u16_at(bytes, 12).into(),
            page_size: match u16_at(bytes, 14) {
                0 => 4096,
                size => size.into(),
            },
            created: array_at(bytes, 16),
            previous_created: array_at(bytes, 24),
            signature: array_at(bytes, 44),
            previous_segments_checksum: (version[0] > LAST_SECTOR_MAJOR
                && version[3] >= PREVIOUS_CHECKSUM_UPDATE_MINOR)
                .then(|| u64::from_le_bytes(array_at(bytes, 653))),
        };
        if identity.generation == 0 || identity.generation > i32::MAX as u32 {
            return Err(damaged(
                4,
                "a generation from 1 to 2147483647".into(),
                identity.generation.to_string(),
            ));
        }
        let sector_fits = if identity.has_segments() {
            identity.sector_size as usize == super::segment::SEGMENT_SIZE
        } else {
            (512..=4096).contains(&identity.sector_size) && identity.sector_size.is_power_of_two()
        };
        if !sector_fits {
            return Err(damaged(
                8,
                "segments of 4096 bytes (version 7: sectors of 512 to 4096)".into(),
                identity.sector_size.to_string(),
            ));
        }
        if !identity.has_segments() && identity.file_bytes() > LARGEST_SECTOR_LOG {
            return Err(Error::Unsupported {
                file: file.to_path_buf(),
                what: format!(
                    "a version 7 log of {} bytes (at most {LARGEST_SECTOR_LOG})",
                    identity.file_bytes()
                ),
            });
        }
        if identity.header_bytes() < HEADER_SIZE as u64
            || identity.header_sectors + 1 >= identity.file_sectors
        {
            return Err(damaged(
                10,
                "a header of at least 4096 bytes inside the file".into(),
                format!(
                    "{} header sectors of {}",
                    identity.header_sectors, identity.file_sectors
                ),
            ));
        }
        Ok(identity)
    }

    /// Whether the body consists of segments with a header each (version 8), rather than of sectors with checksum records.
    pub fn has_segments(&self) -> bool {
        self.version[0] > LAST_SECTOR_MAJOR
    }

    /// Bytes of the header, padding included.
    pub(super) fn header_bytes(&self) -> u64 {
        u64::from(self.header_sectors) * u64::from(self.sector_size)
    }

    /// Bytes of the file as the header states them.
    pub fn file_bytes(&self) -> u64 {
        u64::from(self.file_sectors) * u64::from(self.sector_size)
    }
}

/// The legacy checksum of headers: XOR of all 32-bit words but the first, seeded.
fn xor_checksum(bytes: &[u8]) -> u32 {
    bytes
        .chunks_exact(4)
        .skip(1)
        .fold(0x89ab_cdef, |sum, word| {
            sum ^ u32::from_le_bytes(word.try_into().expect("four bytes"))
        })
}

/// Callers have checked that `bytes` is a whole header.
fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> [u8; N] {
    bytes[offset..offset + N].try_into().expect("N bytes")
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, offset))
}

fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    u16::from_le_bytes(array_at(bytes, offset))
}
