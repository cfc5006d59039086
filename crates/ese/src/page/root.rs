//! The external header of a tree's root: its space (`SPACE_HEADER` in `space.hxx`), its highest
//! auto-increment value, and on the roots of space trees the pages reserved for their own growth
//! (`SPLIT_BUFFER` in `fcb.hxx`).

use super::{Fault, Key, Pgno, u32_at, u64_at};

/// A run of consecutive pages, identified by its last page as in the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// The last page of the run.
    pub last: Pgno,
    /// The number of pages; 0 is an empty run.
    pub count: u32,
}

impl Extent {
    /// The pages of the run; empty if it would begin before page 1.
    pub fn pages(self) -> std::ops::RangeInclusive<Pgno> {
        match self.last.checked_sub(self.count) {
            Some(before) if self.count > 0 => before + 1..=self.last,
            #[allow(clippy::reversed_empty_ranges)]
            _ => 1..=0,
        }
    }
}

/// A node of a space tree: a run of pages that the tree owns or has available.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExtentNode {
    /// The run.
    pub extent: Extent,
    /// The pool of an available run; 0 in trees of owned runs and in databases without pools.
    pub pool: u8,
}

impl ExtentNode {
    /// The pool of runs that are kept together; an empty run is a marker in it.
    pub const CONTIGUOUS: u8 = 1;
    /// The pool of pages that a shrinking file keeps out of use: they are after its end, or soon
    /// will be.
    pub const SHELVED: u8 = 2;

    /// Reads a node of the tree of available runs, or else of owned ones. The error is the expected
    /// content.
    pub fn read(key: &Key<'_>, data: &[u8], available: bool) -> Result<Self, &'static str> {
        const POOL: u8 = 0x80;
        let key = key.to_vec();
        let (pool, last) = match (&key[..], available) {
            ([a, b, c, d], _) => (0, [*a, *b, *c, *d]),
            ([pool, a, b, c, d], true) if pool & POOL != 0 => (pool & 7, [*a, *b, *c, *d]),
            _ => return Err("a key of four bytes, or five with a pool"),
        };
        let count = <[u8; 4]>::try_from(data).map_err(|_| "a number of pages in four bytes")?;
        Ok(Self {
            extent: Extent {
                last: u32::from_be_bytes(last),
                count: u32::from_le_bytes(count),
            },
            pool,
        })
    }
}

/// The space of a tree: its first extent and the roots of its space trees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpaceHeader {
    /// The size of the tree's first extent in pages, or, if [`Self::is_version_2`], of the last
    /// allotment.
    pub primary_pages: u32,
    /// The root of the tree that the space came from: a table for its indices, 1 for a table, 0 for
    /// the database.
    pub parent: Pgno,
    /// Whether the tree may have duplicate keys.
    pub non_unique: bool,
    /// Whether the first field counts the last allotment instead of the first extent.
    pub is_version_2: bool,
    /// The record of the tree's extents.
    pub extents: Extents,
}

/// The record of a tree's extents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extents {
    /// One run from the root page on. Bit N of the number is set if the Nth page after the root is
    /// available.
    Single(u32),
    /// Two space trees: the owned extents with the root at this page, the available extents at the
    /// page after it.
    Trees(Pgno),
}

/// The external header of a root page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RootHeader {
    /// The tree's space.
    pub space: SpaceHeader,
    /// The highest auto-increment value in use, if the table keeps it here.
    pub auto_increment: Option<u64>,
}

impl RootHeader {
    const SPACE_LEN: usize = 16;

    /// Reads tag 0 of the root page `page`.
    pub fn read(page: Pgno, line: &[u8]) -> Result<Self, Fault> {
        let bad = |found: String| {
            Fault::new(page, "external header", "a space header of 16 bytes", found).at_tag(0)
        };
        if line.len() == Self::SPACE_LEN {
            let space =
                SpaceHeader::read(line).ok_or_else(|| bad(format!("{} bytes", line.len())))?;
            return Ok(Self {
                space,
                auto_increment: None,
            });
        }
        // Longer headers begin with a byte of bits for the fields that follow: 1 the space header,
        // 2 the auto-increment value.
        let (fields, rest) = match line.split_first() {
            Some((fields, rest)) if line.len() > Self::SPACE_LEN => (*fields, rest),
            _ => return Err(bad(format!("{} bytes", line.len()))),
        };
        if fields & 1 == 0 {
            return Err(bad(format!("fields {fields:#x} without one")));
        }
        let space = SpaceHeader::read(rest).ok_or_else(|| bad(format!("{} bytes", line.len())))?;
        let auto_increment = match fields & 2 {
            0 => None,
            _ => Some(
                u64_at(rest, Self::SPACE_LEN)
                    .ok_or_else(|| bad(format!("{} bytes", line.len())))?,
            ),
        };
        Ok(Self {
            space,
            auto_increment,
        })
    }
}

impl SpaceHeader {
    fn read(line: &[u8]) -> Option<Self> {
        const MULTIPLE: u8 = 1;
        const NON_UNIQUE: u8 = 2;
        const VERSION_2: u8 = 4;
        let flags = *line.get(8)?;
        let last = u32_at(line, 12)?;
        Some(Self {
            primary_pages: u32_at(line, 0)?,
            parent: u32_at(line, 4)?,
            non_unique: flags & NON_UNIQUE != 0,
            is_version_2: flags & VERSION_2 != 0,
            extents: if flags & MULTIPLE == 0 {
                Extents::Single(last)
            } else {
                Extents::Trees(last)
            },
        })
    }
}

/// The pages that a space tree reserves for its own growth, in the external header of its root.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SplitBuffers(pub [Extent; 2]);

impl SplitBuffers {
    /// The size of the structure in bytes.
    pub const LEN: usize = 16;

    /// Reads tag 0 of the root of a space tree; `None` if it is too short, as in the oldest
    /// databases.
    pub fn read(line: &[u8]) -> Option<Self> {
        let extent = |offset| {
            Some(Extent {
                last: u32_at(line, offset)?,
                count: u32_at(line, offset + 4)?,
            })
        };
        Some(Self([extent(0)?, extent(8)?]))
    }
}
