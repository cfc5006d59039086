//! The header of a flush map.

use super::{FILE_TYPE, Fault, LogTime, Signature, check_checksum, first_bytes};
use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// The page size of a flush map in bytes, for any page size of the database.
pub const FLUSH_MAP_PAGE: usize = 8192;

const STRUCTURE: &str = "flush map header";
const FILE_TYPE_FLUSH_MAP: u32 = 7;
const VERSION_MAJOR: u32 = 3;

/// The header of a flush map, in its form in the file (`FMFILEHDR`, 671 bytes; zeros follow up to 8
/// KiB).
#[derive(Debug, Clone, PartialEq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct FlushMapHeader {
    /// The checksum over the whole page of 8 KiB.
    pub checksum: U32,
    /// 3.
    pub version_major: U32,
    /// The incompatible part of the format revision.
    pub update_major: U32,
    /// The compatible part of the format revision.
    pub update_minor: U32,
    /// Unused.
    pub reserved: [u8; 20],
    /// Bit 0: closed after the last change. See [`FlushMapHeader::is_clean`].
    pub flags: U32,
    /// The creation time of the map.
    pub created: LogTime,
    /// The time of the last attachment.
    pub attached: LogTime,
    /// The time of the last detachment.
    pub detached: LogTime,
    /// The first log needed to rebuild the map after a crash.
    pub min_required: U32,
    /// The value of `min_required` after the current flush; 0 if there is none.
    pub next_min_required: U32,
    /// The start time of the last flush of the whole map.
    pub flush_started: LogTime,
    /// The end time of the last flush of the whole map.
    pub flush_completed: LogTime,
    /// Equal to the database header's `header_flush_signature`.
    pub database_flush_signature: Signature,
    /// Equal to the database header's `flush_map_flush_signature`.
    pub flush_map_flush_signature: Signature,
    /// Unused.
    pub reserved_2: [u8; 523],
    /// 7: a flush map.
    pub file_type: U32,
}

const _: () = assert!(std::mem::offset_of!(FlushMapHeader, file_type) == FILE_TYPE);

impl FlushMapHeader {
    /// Reads the header from the start of a flush map, 8 KiB or more.
    pub fn parse(start: &[u8]) -> Result<FlushMapHeader, Fault> {
        let page = first_bytes(STRUCTURE, start, FLUSH_MAP_PAGE)?;
        let Ok((header, _)) = FlushMapHeader::read_from_prefix(page) else {
            return Err(Fault::damaged(STRUCTURE, 0, "671 bytes", page.len()));
        };
        check_checksum(STRUCTURE, page)?;
        if header.file_type != FILE_TYPE_FLUSH_MAP {
            let expected = "file type 7 (flush map)";
            return Err(Fault::damaged(
                STRUCTURE,
                FILE_TYPE,
                expected,
                header.file_type,
            ));
        }
        if header.version_major != VERSION_MAJOR || header.update_major != 0 {
            let what = format!("flush map format {}", header.version());
            return Err(Fault::Unsupported { what });
        }
        Ok(header)
    }

    /// The format, such as `3.0.0`.
    pub fn version(&self) -> String {
        format!(
            "{}.{}.{}",
            self.version_major, self.update_major, self.update_minor
        )
    }

    /// Whether the map was closed after its last change.
    pub fn is_clean(&self) -> bool {
        self.flags.get() & 1 == 1
    }
}
