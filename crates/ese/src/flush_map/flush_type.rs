//! The type of a write, and a write that the disk lost.

/// The kind of the last write of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FlushType {
    /// Not known; agrees with everything.
    Unknown,
    /// The three kinds follow each other in a circle.
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

/// A page that is older than the flush map says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LostFlush {
    /// What the map says of the last write.
    pub expected: FlushType,
    /// What the page says; unknown for a page of zeros.
    pub found: FlushType,
}
