//! Ranges of log generations, as a restore registers them.

use std::fmt;

/// A closed range of log generations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Generations {
    /// The lowest generation.
    pub low: u32,
    /// The highest generation, at least `low`.
    pub high: u32,
}

/// `0x1-0x5`, or `0x5` for a single one.
impl fmt::Display for Generations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.low == self.high {
            write!(f, "{:#x}", self.low)
        } else {
            write!(f, "{:#x}-{:#x}", self.low, self.high)
        }
    }
}
