//! The page size of a database, and the place of each page in the file.

/// A page number (PGNO): 1 is the first page after the two header pages, 0 means "none".
pub type Pgno = u32;

/// The size of all pages of a database: 2, 4, 8, 16 or 32 KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageSize(u32);

impl PageSize {
    /// The largest page of the format, in bytes.
    pub const MAX: usize = 32 * 1024;

    /// The page size of old databases whose headers do not state it.
    pub const DEFAULT: PageSize = PageSize(4096);

    /// The page size of `bytes` bytes; `None` if the format has no such size.
    pub fn new(bytes: u32) -> Option<Self> {
        matches!(bytes, 2048 | 4096 | 8192 | 16384 | 32768).then_some(Self(bytes))
    }

    /// The size in bytes.
    pub fn bytes(self) -> usize {
        self.0 as usize
    }

    /// Whether pages have the large form (16 and 32 KiB): an 80-byte header, and node flags inside
    /// the nodes.
    pub fn is_large(self) -> bool {
        self.0 > 8192
    }

    /// The size of the page header in bytes: 40 on pages up to 8 KiB, 80 above.
    pub fn header_len(self) -> usize {
        if self.is_large() { 80 } else { 40 }
    }

    /// The offset of page `number` in the file, in bytes; the two header pages come first.
    pub fn offset_of(self, number: Pgno) -> u64 {
        (u64::from(number) + 1) * u64::from(self.0)
    }

    /// The number of pages in a file of `file_len` bytes, after its two header pages.
    pub fn pages_in(self, file_len: u64) -> u32 {
        u32::try_from((file_len / u64::from(self.0)).saturating_sub(2)).unwrap_or(u32::MAX)
    }

    /// The size of a separated long value's chunks if the table does not state it, in bytes.
    pub fn long_value_chunk_len(self) -> u32 {
        match self.0 {
            32768 => 8150,
            16384 => 4050,
            small => small - 82,
        }
    }
}
