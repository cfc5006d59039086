//! The size of a database's pages and where each page lies in the file.

/// A page number (PGNO): 1 is the first page after the two header pages, 0 stands for "none".
pub type Pgno = u32;

/// The size of all pages of a database: 2, 4, 8, 16 or 32 KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageSize(u32);

impl PageSize {
    /// The largest page of the format, in bytes.
    pub const MAX: usize = 32 * 1024;

    /// What headers of old databases mean that name no page size.
    pub const DEFAULT: PageSize = PageSize(4096);

    /// The page size of `bytes` bytes; `None` where the format knows no such size.
    pub fn new(bytes: u32) -> Option<Self> {
        matches!(bytes, 2048 | 4096 | 8192 | 16384 | 32768).then_some(Self(bytes))
    }

    /// In bytes.
    pub fn bytes(self) -> usize {
        self.0 as usize
    }

    /// Whether pages have the large form (16 and 32 KiB): an 80-byte header, and node flags inside
    /// the nodes.
    pub fn is_large(self) -> bool {
        self.0 > 8192
    }

    /// Bytes of the page header: 40 on pages up to 8 KiB, 80 above.
    pub fn header_len(self) -> usize {
        if self.is_large() { 80 } else { 40 }
    }

    /// Bytes from the start of the file to page `number`; the two header pages come first.
    pub fn offset_of(self, number: Pgno) -> u64 {
        (u64::from(number) + 1) * u64::from(self.0)
    }

    /// How many pages a file of `file_len` bytes holds after its two header pages.
    pub fn pages_in(self, file_len: u64) -> u32 {
        u32::try_from((file_len / u64::from(self.0)).saturating_sub(2)).unwrap_or(u32::MAX)
    }

    /// The size of a separated long value's chunks where the table names none, in bytes.
    pub fn long_value_chunk_len(self) -> u32 {
        match self.0 {
            32768 => 8150,
            16384 => 4050,
            small => small - 82,
        }
    }
}
