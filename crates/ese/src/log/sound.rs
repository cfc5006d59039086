//! The properties of a verified log file.

use super::head::LogIdentity;
use crate::header::Lgpos;

/// The rules for a log file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogKind {
    /// A log with a generation in its name (`edb00012.log`): finished, so it must be complete.
    Numbered,
    /// The current log (`edb.log`): a crash may have left a torn last write.
    Current,
}

/// The end of a log's written part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// The log is written to the last usable segment.
    Complete,
    /// Segments from this one on were not written in this generation.
    Unwritten {
        /// The first such segment, counted from the start of the file.
        sector: u32,
    },
    /// A torn write of this segment. The engine recovers it from its spare copy (version 8), or
    /// drops it as the write that the crash interrupted (version 7).
    Torn {
        /// The torn segment, counted from the start of the file.
        sector: u32,
    },
}

/// The properties of a sound log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoundLog {
    /// Generation, version and links.
    pub identity: LogIdentity,
    /// The end of the written part.
    pub tail: Tail,
    /// The first segment (version 7: sector) after the written part.
    pub end_sector: u32,
    /// The first position after the written part; all records are before it.
    pub end: Lgpos,
    /// The XOR of the checksums of all written segments, which the next log's header repeats (0 in
    /// version 7).
    pub segments_checksum: u64,
    /// The flipped bits in the file, to be corrected before use; at most one per segment. Only
    /// [`OpenLog`](super::OpenLog) accepts any.
    pub flipped_bits: Vec<FlippedBit>,
}

/// A flipped bit of a log file, located by its segment's error-correcting code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlippedBit {
    /// The segment, counted from the start of the file.
    pub segment: u32,
    /// The bit, counted from the start of the segment.
    pub bit: u32,
}
