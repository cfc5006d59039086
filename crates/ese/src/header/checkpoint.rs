//! The checkpoint file: the position in the logs where recovery starts.

use super::attachment::{ATTACHMENT_AREA, attachments};
use super::{
    Attachment, EngineParameters, FILE_TYPE, FIXED_HEADER, Fault, Lgpos, LogTime, Signature,
    check_checksum, first_bytes, read_start,
};
use std::path::Path;
use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

const STRUCTURE: &str = "checkpoint";
/// The file types of a checkpoint; engines before Windows Server 2003 wrote zero.
const FILE_TYPE_CHECKPOINT: [u32; 2] = [4, 0];

/// A checkpoint, in its form in the file (`CHECKPOINT`, 4096 bytes, written twice).
#[derive(Debug, Clone, PartialEq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Checkpoint {
    /// The checksum over 4096 bytes.
    pub checksum: U32,
    /// The checkpoint of the last full backup.
    pub last_full_backup_checkpoint: Lgpos,
    /// All changes before this position are in the databases.
    pub checkpoint: Lgpos,
    /// The sequence of logs.
    pub log_signature: Signature,
    /// The engine's settings.
    pub parameters: EngineParameters,
    /// The position of the last full backup.
    pub full_backup: Lgpos,
    /// The time of the last full backup.
    pub full_backup_time: LogTime,
    /// The position of the last incremental backup.
    pub incremental_backup: Lgpos,
    /// The time of the last incremental backup.
    pub incremental_backup_time: LogTime,
    /// Bit 0: the list of attachments is present.
    pub version: u8,
    /// Replay from this position makes the databases consistent.
    pub database_consistency: Lgpos,
    /// Unused.
    pub reserved: [u8; 11],
    /// 4: a checkpoint.
    pub file_type: U32,
    /// Unused.
    pub reserved_2: [u8; 8],
    attachments: [u8; ATTACHMENT_AREA],
}

const _: () = assert!(std::mem::offset_of!(Checkpoint, file_type) == FILE_TYPE);

impl Checkpoint {
    /// Parses the content of a checkpoint file: the first copy, or the second if the first is
    /// damaged.
    pub fn parse(file: &[u8]) -> Result<Checkpoint, Fault> {
        Checkpoint::parse_copy(file).or_else(|fault| {
            let second = file.get(FIXED_HEADER..).unwrap_or_default();
            Checkpoint::parse_copy(second).map_err(|_| fault)
        })
    }

    /// Reads a checkpoint file.
    pub fn read(path: &Path) -> crate::Result<Checkpoint> {
        let file = read_start(path, 2 * FIXED_HEADER as u64)?;
        Checkpoint::parse(&file).map_err(|fault| fault.in_file(path))
    }

    fn parse_copy(start: &[u8]) -> Result<Checkpoint, Fault> {
        let bytes = first_bytes(STRUCTURE, start, FIXED_HEADER)?;
        let Ok((checkpoint, _)) = Checkpoint::read_from_prefix(bytes) else {
            return Err(Fault::damaged(STRUCTURE, 0, "4096 bytes", bytes.len()));
        };
        check_checksum(STRUCTURE, bytes)?;
        if !FILE_TYPE_CHECKPOINT.contains(&checkpoint.file_type.get()) {
            let found = checkpoint.file_type.get();
            return Err(Fault::damaged(
                STRUCTURE,
                FILE_TYPE,
                "file type 4 (checkpoint)",
                found,
            ));
        }
        Ok(checkpoint)
    }

    /// The attached databases.
    pub fn attachments(&self) -> Vec<Attachment> {
        match self.version & 1 {
            0 => Vec::new(),
            _ => attachments(&self.attachments),
        }
    }
}
