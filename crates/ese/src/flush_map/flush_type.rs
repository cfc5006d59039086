//! The type of a write, and a lost write.

/// The type of a page's last write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FlushType {
    /// Unknown; equal to every type.
    Unknown,
    /// The first of the three types, which follow each other in a circle.
    Rock,
    /// After rock.
    Paper,
    /// After paper.
    Scissors,
}

impl FlushType {
    pub(super) fn of_bits(bits: u8) -> FlushType {
        match bits & 3 {
            0 => FlushType::Unknown,
            1 => FlushType::Rock,
            2 => FlushType::Paper,
            _ => FlushType::Scissors,
        }
    }
}

/// A page that is older than in the flush map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LostFlush {
    /// The type in the map.
    pub expected: FlushType,
    /// The type in the page; unknown for a page of zeros.
    pub found: FlushType,
}
