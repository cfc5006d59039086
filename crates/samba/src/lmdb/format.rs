//! LMDB's file format, version 1 (LMDB 0.9), of a 64-bit little-endian machine. Source: the public
//! `mdb.c`.
//!
//! A file is a sequence of pages. Pages 0 and 1 are meta pages, written alternately; the one with
//! the higher transaction number holds the current state. It refers to two trees of branch and leaf
//! pages: the free list and the data. Values too long for a leaf are in runs of overflow pages.
//!
//! Page: number (8), padding (2), flags (2), then end of the pointers (2) and start of the nodes
//! (2), or for overflow pages the length of the run (4). Then the pointers to the nodes, two bytes
//! each, from the start of the page.
//!
//! Node: low half (2) and high half (2) of the value's size, or of the child's number; flags (2),
//! in a branch bits 32 to 47 of the child's number; size of the key (2); key; value.
//!
//! Meta, after the page's first 16 bytes: magic (4), version (4), address (8), map size (8), two
//! trees (48 each, the free list first), last page (8), transaction (8). Tree: padding, in the
//! first one the size of a page (4), flags (2), depth (2), branch, leaf and overflow pages (8
//! each), entries (8), root (8).

/// Size of a page's header.
pub const PAGE_HEADER: usize = 16;
/// End of the magic number in a file.
pub const MAGIC_END: usize = 24;
/// End of the used bytes in a meta page.
pub const META_END: usize = 152;

const MAGIC: u32 = 0xBEEF_C0DE;
const VERSION: u32 = 1;

/// Page flags.
pub const BRANCH: u16 = 0x01;
pub const LEAF: u16 = 0x02;
pub const OVERFLOW: u16 = 0x04;
pub const META: u16 = 0x08;
/// Page of keys of one size, without nodes. Only in trees of duplicates.
pub const LEAF_OF_KEYS: u16 = 0x20;

/// Node flags: the value is the number of an overflow page.
pub const BIG: u16 = 0x01;
/// The value is a tree.
pub const TREE: u16 = 0x02;
/// Tree flag: a key may have several values.
pub const DUPLICATES_ALLOWED: u16 = 0x04;

/// The root of a tree without entries.
pub const NO_PAGE: u64 = u64::MAX;

/// Whether the first [`MAGIC_END`] bytes of a file are those of an LMDB database.
pub fn has_magic(start: &[u8]) -> bool {
    u32_at(start, PAGE_HEADER) == Some(MAGIC)
}

/// A state of the database, described by a meta page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meta {
    /// Bytes in a page.
    pub page_size: u32,
    /// The maximum size of the file.
    pub map_size: u64,
    /// The tree of the free list.
    pub free: Tree,
    /// The tree of the data.
    pub data: Tree,
    /// The highest page number in use.
    pub last_page: u64,
    /// The transaction that committed this state.
    pub transaction: u64,
}

/// A tree of pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tree {
    pub flags: u16,
    pub depth: u16,
    pub branch_pages: u64,
    pub leaf_pages: u64,
    pub overflow_pages: u64,
    pub entries: u64,
    pub root: u64,
}

impl Meta {
    /// Parses a meta page.
    ///
    /// # Errors
    /// Returns what is wrong, in words.
    pub fn parse(page: &[u8]) -> Result<Self, String> {
        let short = || "the meta page is truncated".to_owned();
        let number = |at| u32_at(page, at).ok_or_else(short);
        let long = |at| u64_at(page, at).ok_or_else(short);
        if number(16)? != MAGIC || u16_at(page, 10).ok_or_else(short)? & META == 0 {
            return Err("it is no meta page".into());
        }
        let version = number(20)?;
        if version != VERSION {
            return Err(format!("LMDB format version {version}; expected {VERSION}"));
        }
        let page_size = number(40)?;
        if !page_size.is_power_of_two() || !(512..=65536).contains(&page_size) {
            return Err(format!(
                "pages of {page_size} bytes; expected a power of two from 512 to 65536"
            ));
        }
        Ok(Self {
            page_size,
            map_size: long(32)?,
            free: Tree::parse(page.get(40..88).ok_or_else(short)?).ok_or_else(short)?,
            data: Tree::parse(page.get(88..136).ok_or_else(short)?).ok_or_else(short)?,
            last_page: long(136)?,
            transaction: long(144)?,
        })
    }
}

impl Tree {
    /// Parses the 48 bytes of a tree.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            flags: u16_at(bytes, 4)?,
            depth: u16_at(bytes, 6)?,
            branch_pages: u64_at(bytes, 8)?,
            leaf_pages: u64_at(bytes, 16)?,
            overflow_pages: u64_at(bytes, 24)?,
            entries: u64_at(bytes, 32)?,
            root: u64_at(bytes, 40)?,
        })
    }
}

/// A page of a tree.
#[derive(Clone, Copy)]
pub struct Page<'a> {
    bytes: &'a [u8],
}

/// A node of a leaf: its key, and its value or the page of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf<'a> {
    pub flags: u16,
    pub key: &'a [u8],
    /// Size of the whole value, overflow pages included.
    pub value_size: u32,
    /// The value, or the number of its first overflow page, or a tree.
    pub value: &'a [u8],
}

impl<'a> Page<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub fn number(self) -> Option<u64> {
        u64_at(self.bytes, 0)
    }

    pub fn flags(self) -> Option<u16> {
        u16_at(self.bytes, 10)
    }

    /// The length of a run of overflow pages; read from its first page.
    pub fn run(self) -> Option<u32> {
        u32_at(self.bytes, 12)
    }

    /// The number of nodes. `None` if the header is invalid.
    pub fn nodes(self) -> Option<usize> {
        let end = usize::from(u16_at(self.bytes, 12)?);
        let pointers = end.checked_sub(PAGE_HEADER)?;
        (end <= self.bytes.len() && pointers.is_multiple_of(2)).then_some(pointers / 2)
    }

    fn node(self, index: usize) -> Option<&'a [u8]> {
        let at = usize::from(u16_at(self.bytes, PAGE_HEADER + 2 * index)?);
        self.bytes.get(at..)
    }

    /// The child in a node of a branch.
    pub fn child(self, index: usize) -> Option<u64> {
        let node = self.node(index)?;
        let part = |at| u16_at(node, at).map(u64::from);
        Some(part(0)? | part(2)? << 16 | part(4)? << 32)
    }

    /// A node of a leaf.
    pub fn leaf(self, index: usize) -> Option<Leaf<'a>> {
        let node = self.node(index)?;
        let value_size = u32::from(u16_at(node, 0)?) | u32::from(u16_at(node, 2)?) << 16;
        let flags = u16_at(node, 4)?;
        let start = 8 + usize::from(u16_at(node, 6)?);
        let length = if flags & BIG != 0 {
            8
        } else {
            value_size as usize
        };
        Some(Leaf {
            flags,
            key: node.get(8..start)?,
            value_size,
            value: node.get(start..start.checked_add(length)?)?,
        })
    }
}

pub fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(
        bytes.get(at..at.checked_add(2)?)?.try_into().ok()?,
    ))
}

pub fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(
        bytes.get(at..at.checked_add(4)?)?.try_into().ok()?,
    ))
}

pub fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(
        bytes.get(at..at.checked_add(8)?)?.try_into().ok()?,
    ))
}
