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
/// The file type of a log; engines before Windows Server 2003 left zero there.
const FILE_TYPE_LOG: [u32; 2] = [3, 0];

/// The header of a log, as it lies in the file (`LGFILEHDR`, 4096 bytes with the attachments and
/// padding).
#[derive(Debug, Clone, PartialEq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct LogHeader {
    /// Over the first 4096 bytes.
    pub checksum: U32,
    /// The log's number in its sequence, from 1.
    pub generation: U32,
    /// Bytes of a sector; since version 8 of a segment, always 4096.
    pub sector_size: U16,
    /// Sectors of the header.
    pub header_sectors: U16,
    /// Sectors of the file.
    pub file_sectors: U16,
    /// Bytes of a database page; 0 stands for 4096. See [`LogHeader::page_size`].
    pub page_size_field: U16,
    /// When the log was created.
    pub created: LogTime,
    /// When the log before it was created: how the sequence is held together.
    pub previous_created: LogTime,
    /// 7 up to Windows 7, 8 since.
    pub version_major: U32,
    /// 3704 with version 7, 4000 with version 8.
    pub version_minor: U32,
    /// The incompatible part of the format revision.
    pub update_major: U32,
    /// The sequence that the log belongs to.
    pub log_signature: Signature,
    /// The engine's settings.
    pub parameters: EngineParameters,
    /// Bit 0: made from a reserved log, as the disk was full. Bits 1 and 2: circular logging now,
    /// and ever before.
    pub flags: u8,
    /// The checkpoint when the log was created.
    pub checkpoint: Lgpos,
    /// The compatible part of the format revision.
    pub update_minor: U32,
    /// How the disk's sectors compare.
    pub disk_sector_mismatch: u8,
    /// Accumulated checksum of all segments of the log before; 0 where unknown.
    pub previous_segments_checksum: U64,
    /// The engine format version that wrote the log; informs, restricts nothing.
    pub engine_format: U32,
    /// Not used.
    pub reserved: [u8; 2],
    /// 3: a log.
    pub file_type: U32,
    attachments: [u8; ATTACHMENT_AREA],
}

const _: () = assert!(std::mem::offset_of!(LogHeader, file_type) == FILE_TYPE);

impl LogHeader {
    /// Reads the header from the start of a log: give it 4096 bytes or more.
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

    /// Bytes of a database page in the records.
    pub fn page_size(&self) -> usize {
        match self.page_size_field.get() {
            0 => 4096,
            size => size.into(),
        }
    }

    /// Bytes of a full log file.
    pub fn file_size(&self) -> u64 {
        u64::from(self.file_sectors.get()) * u64::from(self.sector_size.get())
    }

    /// The format, as the engine shows it: `8.4000.130.280`.
    pub fn version(&self) -> String {
        format!(
            "{}.{}.{}.{}",
            self.version_major, self.version_minor, self.update_major, self.update_minor
        )
    }

    /// The databases that were in use when the log was created.
    pub fn attachments(&self) -> Vec<Attachment> {
        attachments(&self.attachments)
    }

    /// What the log says of the database with this signature; `None` if it was not in use.
    pub fn attachment_of(&self, database: &Signature) -> Option<Attachment> {
        let mut attachments = self.attachments().into_iter();
        attachments.find(|attachment| attachment.database_signature == *database)
    }
}
