//! The header of a transaction log file.

use super::attachment::{ATTACHMENT_AREA, attachments};
use super::{
    Attachment, EngineParameters, FILE_TYPE, FIXED_HEADER, Fault, Lgpos, LogTime, Signature,
    check_checksum, first_bytes, read_start,
};
use std::path::Path;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

const STRUCTURE: &str = "log header";
/// The file types of a log; engines before Windows Server 2003 wrote zero.
const FILE_TYPE_LOG: [u32; 2] = [3, 0];

/// The header of a log, in its form in the file (`LGFILEHDR`, 4096 bytes with the attachments and
/// padding).
#[derive(Debug, Clone, PartialEq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct LogHeader {
    /// The checksum over the first 4096 bytes.
    pub checksum: U32,
    /// The log's number in its sequence, from 1.
    pub generation: U32,
    /// The size of a sector in bytes; since version 8 that of a segment, always 4096.
    pub sector_size: U16,
    /// The size of the header, in sectors.
    pub header_sectors: U16,
    /// The size of the file, in sectors.
    pub file_sectors: U16,
    /// The size of a database page in bytes; 0 means 4096. See [`LogHeader::page_size`].
    pub page_size_field: U16,
    /// The creation time of the log.
    pub created: LogTime,
    /// The creation time of the log before it, which links the sequence.
    pub previous_created: LogTime,
    /// 7 up to Windows 7, 8 since.
    pub version_major: U32,
    /// 3704 for version 7, 4000 for version 8.
    pub version_minor: U32,
    /// The incompatible part of the format revision.
    pub update_major: U32,
    /// The sequence of the log.
    pub log_signature: Signature,
    /// The engine's settings.
    pub parameters: EngineParameters,
    /// Bit 0: made from a reserved log, since the disk was full. Bits 1 and 2: circular logging
    /// now, and at any time before.
    pub flags: u8,
    /// The checkpoint at the log's creation.
    pub checkpoint: Lgpos,
    /// The compatible part of the format revision.
    pub update_minor: U32,
    /// The disk's sector size compared with the log's: 0 unknown, 1 equal, others the actual size.
    pub disk_sector_mismatch: u8,
    /// The accumulated checksum of all segments of the log before; 0 if unknown.
    pub previous_segments_checksum: U64,
    /// The engine format version that wrote the log; informative only.
    pub engine_format: U32,
    /// Unused.
    pub reserved: [u8; 2],
    /// 3: a log.
    pub file_type: U32,
    attachments: [u8; ATTACHMENT_AREA],
}

const _: () = assert!(std::mem::offset_of!(LogHeader, file_type) == FILE_TYPE);

impl LogHeader {
    /// Reads the header from the start of a log, 4096 bytes or more.
    pub fn parse(start: &[u8]) -> Result<LogHeader, Fault> {
        let bytes = first_bytes(STRUCTURE, start, FIXED_HEADER)?;
        let Ok((header, _)) = LogHeader::read_from_prefix(bytes) else {
            return Err(Fault::damaged(STRUCTURE, 0, "4096 bytes", bytes.len()));
        };
        check_checksum(STRUCTURE, bytes)?;
        if !FILE_TYPE_LOG.contains(&header.file_type.get()) {
            let found = header.file_type.get();
            return Err(Fault::damaged(
                STRUCTURE,
                FILE_TYPE,
                "file type 3 (log)",
                found,
            ));
        }
        if !matches!(header.version_major.get(), 7 | 8) {
            let what = format!("log format {}", header.version());
            return Err(Fault::Unsupported { what });
        }
        let sector_size = header.sector_size.get();
        if !(512..=32768).contains(&sector_size) || !sector_size.is_power_of_two() {
            let expected = "sector size 512 to 32768, a power of two";
            return Err(Fault::damaged(STRUCTURE, 8, expected, sector_size));
        }
        if header.file_sectors.get() <= header.header_sectors.get() {
            let expected = "more sectors than those of the header";
            return Err(Fault::damaged(STRUCTURE, 12, expected, header.file_sectors));
        }
        Ok(header)
    }

    /// Reads the header of a log file.
    pub fn read(path: &Path) -> crate::Result<LogHeader> {
        let start = read_start(path, FIXED_HEADER as u64)?;
        LogHeader::parse(&start).map_err(|fault| fault.in_file(path))
    }

    /// The size of a database page in the records, in bytes.
    pub fn page_size(&self) -> usize {
        match self.page_size_field.get() {
            0 => 4096,
            size => size.into(),
        }
    }

    /// The size of a full log file, in bytes.
    pub fn file_size(&self) -> u64 {
        u64::from(self.file_sectors.get()) * u64::from(self.sector_size.get())
    }

    /// The format in the engine's notation: `8.4000.130.280`.
    pub fn version(&self) -> String {
        format!(
            "{}.{}.{}.{}",
            self.version_major, self.version_minor, self.update_major, self.update_minor
        )
    }

    /// The databases attached at the log's creation.
    pub fn attachments(&self) -> Vec<Attachment> {
        attachments(&self.attachments)
    }

    /// The attachment of the database with this signature at the log's creation; `None` if it was
    /// not attached.
    pub fn attachment_of(&self, database: &Signature) -> Option<Attachment> {
        let mut attachments = self.attachments().into_iter();
        attachments.find(|attachment| attachment.database_signature == *database)
    }
}
