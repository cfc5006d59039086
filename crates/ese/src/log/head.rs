//! The fields of the log file header for verification and reading.

use std::path::Path;

use crate::header::{Fault, LogHeader, LogTime, Signature};
use crate::{Error, Result};

/// The size of a log file header that the engine writes and checksums, in bytes.
pub(super) const HEADER_SIZE: usize = 4096;

/// The last log version with checksum records instead of segment headers.
const LAST_SECTOR_MAJOR: u32 = 7;
/// The update-minor version from which a header holds the checksum of all segments of the log
/// before it.
const PREVIOUS_CHECKSUM_UPDATE_MINOR: u32 = 13;
/// Version 7 logs are held whole in memory; 512-byte sectors counted in 16 bits cannot exceed 32
/// MiB.
const LARGEST_SECTOR_LOG: u64 = 64 << 20;

/// The identity of a log file: generation, version and the links to its neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogIdentity {
    /// The generation, counted from 1.
    pub generation: u32,
    /// Major, minor, update major and update minor version, such as 8.4000.4.3.
    pub version: [u32; 4],
    /// The size of a segment (4096), or of a sector in version 7 logs, in bytes.
    pub sector_size: u32,
    /// The size of the header, in segments.
    pub header_sectors: u32,
    /// The size of the whole file in segments, with the header and the last, spare segment.
    pub file_sectors: u32,
    /// The size of a database page in bytes.
    pub page_size: usize,
    /// The creation time of the file.
    pub created: LogTime,
    /// The creation time of the log before it; not set in the first log of a series.
    pub previous_created: LogTime,
    /// The signature that all logs of a series share.
    pub signature: Signature,
    /// The XOR of all segment checksums of the log before this one, if the version records it.
    pub previous_segments_checksum: Option<u64>,
}

impl LogIdentity {
    /// Reads and checks the first 4096 bytes of a log file.
    ///
    /// # Errors
    /// [`Error::Damaged`] for a wrong checksum or impossible sizes, [`Error::Unsupported`] for
    /// another version.
    pub fn parse(file: &Path, bytes: &[u8]) -> Result<Self> {
        let header = LogHeader::parse(bytes).map_err(|fault: Fault| fault.in_file(file))?;
        let damaged = |offset: u64, expected: &str, found: String| Error::Damaged {
            file: file.to_path_buf(),
            offset,
            structure: "log header".into(),
            expected: expected.into(),
            found,
        };
        let unsupported = |what| Error::Unsupported {
            file: file.to_path_buf(),
            what,
        };
        let version = [
            header.version_major.get(),
            header.version_minor.get(),
            header.update_major.get(),
            header.update_minor.get(),
        ];
        if !matches!(version, [8, 4000, ..] | [7, 3704, ..]) {
            return Err(unsupported(format!("log version {}", header.version())));
        }
        let identity = LogIdentity {
            generation: header.generation.get(),
            version,
            sector_size: header.sector_size.get().into(),
            header_sectors: header.header_sectors.get().into(),
            file_sectors: header.file_sectors.get().into(),
            page_size: header.page_size(),
            created: header.created,
            previous_created: header.previous_created,
            signature: header.log_signature,
            previous_segments_checksum: (version[0] > LAST_SECTOR_MAJOR
                && version[3] >= PREVIOUS_CHECKSUM_UPDATE_MINOR)
                .then(|| header.previous_segments_checksum.get()),
        };
        if identity.generation == 0 || identity.generation > i32::MAX as u32 {
            return Err(damaged(
                4,
                "a generation from 1 to 2147483647",
                identity.generation.to_string(),
            ));
        }
        if identity.has_segments() && identity.sector_size as usize != super::segment::SEGMENT_SIZE
        {
            return Err(damaged(
                8,
                "segments of 4096 bytes",
                identity.sector_size.to_string(),
            ));
        }
        if !identity.has_segments() && identity.file_bytes() > LARGEST_SECTOR_LOG {
            return Err(unsupported(format!(
                "a version 7 log of {} bytes (at most {LARGEST_SECTOR_LOG})",
                identity.file_bytes()
            )));
        }
        if identity.header_bytes() < HEADER_SIZE as u64
            || identity.header_sectors + 1 >= identity.file_sectors
        {
            return Err(damaged(
                10,
                "a header of at least 4096 bytes inside the file",
                format!(
                    "{} header sectors of {}",
                    identity.header_sectors, identity.file_sectors
                ),
            ));
        }
        Ok(identity)
    }

    /// Whether the body consists of segments with a header each (version 8), rather than of sectors
    /// with checksum records.
    pub fn has_segments(&self) -> bool {
        self.version[0] > LAST_SECTOR_MAJOR
    }

    /// The size of the header in bytes, with padding.
    pub(super) fn header_bytes(&self) -> u64 {
        u64::from(self.header_sectors) * u64::from(self.sector_size)
    }

    /// The size of the file in bytes, by the header.
    pub fn file_bytes(&self) -> u64 {
        u64::from(self.file_sectors) * u64::from(self.sector_size)
    }
}
