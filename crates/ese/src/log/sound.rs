//! What a log file is found to be.

use super::head::LogIdentity;
use crate::header::Lgpos;

/// Which rules a log file must meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogKind {
    /// A log with a generation in its name (`edb00012.log`): finished, so it must be whole.
    Numbered,
    /// The log that was being written (`edb.log`): a crash may have torn its last write.
    Current,
}

/// How the written part of a log ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    /// Written to the last usable segment.
    Complete,
    /// Segments from this one on were not written in this generation.
    Unwritten {
        /// The first such segment, counted from the start of the file.
        sector: u32,
    },
    /// The write of this segment was torn; the engine recovers it from its spare copy (version 8),
    /// or drops it as the write that the crash interrupted (version 7).
    Torn {
        /// The torn segment, counted from the start of the file.
        sector: u32,
    },
}

/// What a sound log says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoundLog {
    /// Generation, version and links.
    pub identity: LogIdentity,
    /// How the written part ends.
    pub tail: Tail,
    /// The first segment (version 7: sector) after the written part.
    pub end_sector: u32,
    /// The first position after the written part; records lie below it.
    pub end: Lgpos,
    /// XOR of the checksums of all written segments, which the next log's header repeats (0 in
    /// version 7).
    pub segments_checksum: u64,
    /// Bits that were flipped in the file, and are to be flipped back before it is used; of a
    /// segment at most one. Only [`OpenLog`](super::OpenLog) puts up with any.
    pub flipped_bits: Vec<FlippedBit>,
}

/// A bit of a log file that was flipped, as its segment's error-correcting code tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlippedBit {
    /// The segment, counted from the start of the file.
    pub segment: u32,
    /// The bit, counted from the start of the segment.
    pub bit: u32,
}
