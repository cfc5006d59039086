//! Damage and its place.

use crate::Error;
use crate::checksum::BadChecksum;
use crate::flush_map::LostFlush;
use crate::header::Fault;
use crate::page::Pgno;
use std::fmt;
use std::path::Path;

/// A damaged place in a database file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The offset in bytes from the start of the file.
    pub offset: u64,
    /// The damaged part.
    pub place: Place,
    /// The damage.
    pub damage: Damage,
}

/// Part of a database file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// The primary header.
    Header,
    /// Its shadow copy.
    ShadowHeader,
    /// A page, by number.
    Page(Pgno),
    /// The rest after the last whole page.
    End,
}

/// The kinds of damage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// The header is unusable.
    Header(Fault),
    /// The page's checksum is wrong.
    Checksum(Box<BadChecksum>),
    /// The checksum is right, but the page holds another page number.
    WrongNumber {
        /// The number in the page.
        stored: Pgno,
    },
    /// The page is sound but older than in the flush map: a write never reached the disk.
    LostFlush(LostFlush),
    /// The file ends within a page: it was truncated.
    PartialPage {
        /// The length of the rest in bytes.
        found: usize,
        /// The size of a page in bytes.
        expected: usize,
    },
}

impl Finding {
    /// Whether the error-correcting code locates the flipped bits, so that the page could be
    /// corrected.
    pub fn is_correctable(&self) -> bool {
        matches!(&self.damage, Damage::Checksum(bad) if !bad.correctable_bits.is_empty())
    }

    /// Converts the finding to the error for users.
    pub fn in_file(&self, file: &Path) -> Error {
        let (expected, found) = match &self.damage {
            Damage::Header(fault) => return fault.clone().in_file(file),
            damage => damage.sides(),
        };
        Error::Damaged {
            file: file.to_path_buf(),
            offset: self.offset,
            structure: self.place.to_string(),
            expected,
            found,
        }
    }
}

impl Damage {
    /// The expected and the actual content.
    fn sides(&self) -> (String, String) {
        match self {
            Damage::Header(fault) => ("a sound header".into(), fault.to_string()),
            Damage::Checksum(bad) => {
                let mut found = format!("checksum {}", bad.actual);
                if let [bit] = bad.correctable_bits[..] {
                    found += &format!(" (one flipped bit, in byte {:#x} of the page)", bit / 8);
                } else if !bad.correctable_bits.is_empty() {
                    found += &format!(" ({} flipped bits)", bad.correctable_bits.len());
                } else if let Some(number) = bad.belongs_to {
                    found += &format!(" (this is page {number}, written to the wrong place)");
                }
                (format!("checksum {}", bad.expected), found)
            }
            Damage::WrongNumber { stored } => {
                let expected = "its own page number".into();
                (expected, format!("page number {stored}"))
            }
            Damage::LostFlush(lost) => (
                format!("the write {:?} that the flush map knows of", lost.expected),
                format!("the older write {:?}", lost.found),
            ),
            Damage::PartialPage { found, expected } => (
                format!("a page of {expected} bytes or the end of the file"),
                format!("{found} bytes"),
            ),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (expected, found) = self.damage.sides();
        let Finding { offset, place, .. } = self;
        write!(
            f,
            "offset {offset:#x}: {place}: expected {expected}, found {found}"
        )
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Header => f.write_str("database header"),
            Place::ShadowHeader => f.write_str("shadow header"),
            Place::Page(number) => write!(f, "page {number}"),
            Place::End => f.write_str("end of the file"),
        }
    }
}
