//! The header of a page: 40 bytes, or 80 on pages of 16 and 32 KiB (`PGHDR`, `PGHDR2` in
//! `cpage.hxx`).

use super::{PageSize, Pgno, u16_at, u32_at, u64_at};

/// The flags of a page header.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PageFlags(pub u32);

/// The content of a page's nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PageKind {
    /// Records of a table, in the order of its primary index.
    Primary,
    /// Entries of a secondary index.
    Index,
    /// Separated long values.
    LongValue,
    /// Extents of pages that a tree owns, or has available.
    Space,
}

impl PageFlags {
    const ROOT: u32 = 0x0001;
    const LEAF: u32 = 0x0002;
    const PARENT_OF_LEAF: u32 = 0x0004;
    const EMPTY: u32 = 0x0008;
    const REPAIRED: u32 = 0x0010;
    const SPACE_TREE: u32 = 0x0020;
    const INDEX: u32 = 0x0040;
    const LONG_VALUE: u32 = 0x0080;
    const NON_UNIQUE_KEYS: u32 = 0x0400;
    const NEW_RECORD_FORMAT: u32 = 0x0800;
    const NEW_CHECKSUM_FORMAT: u32 = 0x2000;
    const SCRUBBED: u32 = 0x4000;
    const PRE_INIT: u32 = 0x2_0000;
    const FDP_DELETE: u32 = 0x4_0000;

    fn has(self, flag: u32) -> bool {
        self.0 & flag != 0
    }

    /// The page is the root of a tree (its FDP).
    pub fn is_root(self) -> bool {
        self.has(Self::ROOT)
    }

    /// The page is a leaf and holds the tree's data; every other page holds pointers to pages one
    /// level below.
    pub fn is_leaf(self) -> bool {
        self.has(Self::LEAF)
    }

    /// The page's children are leaves.
    pub fn is_parent_of_leaf(self) -> bool {
        self.has(Self::PARENT_OF_LEAF)
    }

    /// The page was returned to its tree's available space.
    pub fn is_empty(self) -> bool {
        self.has(Self::EMPTY)
    }

    /// The page was changed by the engine's repair.
    pub fn is_repaired(self) -> bool {
        self.has(Self::REPAIRED)
    }

    /// The page belongs to a space tree.
    pub fn is_space_tree(self) -> bool {
        self.has(Self::SPACE_TREE)
    }

    /// The page belongs to a secondary index.
    pub fn is_index(self) -> bool {
        self.has(Self::INDEX)
    }

    /// The page belongs to a table's long values.
    pub fn is_long_value(self) -> bool {
        self.has(Self::LONG_VALUE)
    }

    /// The tree may have duplicate keys, so a node is identified by its key and its data together.
    pub fn has_non_unique_keys(self) -> bool {
        self.has(Self::NON_UNIQUE_KEYS)
    }

    /// The records have the form that begins with an array of tagged fields (format revision
    /// 0x620,3 and later).
    pub fn has_new_record_format(self) -> bool {
        self.has(Self::NEW_RECORD_FORMAT)
    }

    /// The header begins with a 64-bit checksum with error correction, not with a checksum and the
    /// page's number.
    pub fn has_new_checksum_format(self) -> bool {
        self.has(Self::NEW_CHECKSUM_FORMAT)
    }

    /// Deleted data was overwritten.
    pub fn is_scrubbed(self) -> bool {
        self.has(Self::SCRUBBED)
    }

    /// The page was allotted to a tree but has no content yet.
    pub fn is_pre_init(self) -> bool {
        self.has(Self::PRE_INIT)
    }

    /// The page's tree was deleted and its pages could not be restored by a revert.
    pub fn is_fdp_delete(self) -> bool {
        self.has(Self::FDP_DELETE)
    }

    /// The flush type, by which lost writes are detected: 1, 2 or 3; 0 if unknown.
    pub fn flush_type(self) -> u8 {
        (self.0 >> 15 & 3) as u8
    }

    /// The content of the page's nodes. The flags of a space tree also name the kind of tree that
    /// owns the space.
    pub fn kind(self) -> PageKind {
        if self.is_space_tree() {
            PageKind::Space
        } else if self.is_long_value() {
            PageKind::LongValue
        } else if self.is_index() {
            PageKind::Index
        } else {
            PageKind::Primary
        }
    }
}

impl std::fmt::Debug for PageFlags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PageFlags({:#x})", self.0)
    }
}

/// The fields of a page header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageHeader {
    /// The stored checksum: 64 bits in the new form. In the old form the low half is the checksum
    /// and the high half the page's number.
    pub checksum: u64,
    /// The DBTIME of the page's last change.
    pub dbtime: u64,
    /// The page before this one on the same level of its tree, or 0.
    pub previous: Pgno,
    /// The page after this one on the same level of its tree, or 0.
    pub next: Pgno,
    /// The object (FDP) that the page belongs to.
    pub objid: u32,
    /// The number of free bytes, contiguous or not.
    pub free: u16,
    /// The number of free bytes that a rollback may need.
    pub uncommitted_free: u16,
    /// The end of the data, in bytes from the end of the header, as the engine last set it.
    pub first_free: u16,
    /// The number of tags.
    pub tag_count: u16,
    /// The number of reserved tags (the external header and any that follow it), which are not
    /// nodes; 1 if the page does not state it.
    pub reserved_tags: u16,
    /// The flags.
    pub flags: PageFlags,
    /// The page's own number, if the header has it: in large pages and in those with the old
    /// checksum.
    pub number: Option<Pgno>,
}

impl PageHeader {
    /// Reads the header of a page of the size `size`; `None` if `page` is shorter than a header.
    pub fn read(page: &[u8], size: PageSize) -> Option<Self> {
        let header = page.get(..size.header_len())?;
        let checksum = u64_at(header, 0)?;
        let flags = PageFlags(u32_at(header, 36)?);
        let tag_state = u16_at(header, 34)?;
        let number = if size.is_large() {
            Some(u32_at(header, 64)?)
        } else if flags.has_new_checksum_format() {
            None
        } else {
            Some((checksum >> 32) as u32)
        };
        Some(Self {
            checksum,
            dbtime: u64_at(header, 8)?,
            previous: u32_at(header, 16)?,
            next: u32_at(header, 20)?,
            objid: u32_at(header, 24)?,
            free: u16_at(header, 28)?,
            uncommitted_free: u16_at(header, 30)?,
            first_free: u16_at(header, 32)?,
            tag_count: tag_state & 0x0fff,
            reserved_tags: (tag_state >> 12 & 7).max(1),
            flags,
            number,
        })
    }
}
