//! Positions in the stream of log records.

use std::fmt;

/// A log position (LGPOS): generation, segment and byte offset within it, in that order of weight.
///
/// Stored as offset (16 bits), segment (16 bits), generation (32 bits), all little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lgpos {
    /// The log generation, counted from 1; 0 in a position that says "none".
    pub generation: u32,
    /// The segment (version 7: sector) of the log file, counted from the start of the file.
    pub segment: u16,
    /// Bytes from the start of the segment.
    pub offset: u16,
}

impl Lgpos {
    /// The position in its eight stored bytes.
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        let [o0, o1, s0, s1, g0, g1, g2, g3] = bytes;
        Lgpos {
            generation: u32::from_le_bytes([g0, g1, g2, g3]),
            segment: u16::from_le_bytes([s0, s1]),
            offset: u16::from_le_bytes([o0, o1]),
        }
    }

    /// The eight stored bytes.
    pub fn to_bytes(self) -> [u8; 8] {
        let [g0, g1, g2, g3] = self.generation.to_le_bytes();
        let [s0, s1] = self.segment.to_le_bytes();
        let [o0, o1] = self.offset.to_le_bytes();
        [o0, o1, s0, s1, g0, g1, g2, g3]
    }
}

impl fmt::Display for Lgpos {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(
            f,
            "{:08X},{:04X},{:04X}",
            self.generation, self.segment, self.offset
        )
    }
}
