//! Fields of several record types.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// A DBTIME field that was never set.
pub const DBTIME_NIL: u64 = u64::MAX;
/// A DBTIME field without a value, since an earlier record of the same macro has already marked the
/// page.
pub const DBTIME_INVALID: u64 = u64::MAX - 1;

/// The head of every record that changes a page (LRPAGE_).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct PageHead {
    /// The session (PROCID) that logged the record.
    pub session: U16,
    /// The database (DBID); 1 is the first that an instance attaches.
    pub database: u8,
    /// The changed page.
    pub page: U32,
    /// The page's DBTIME after the change.
    pub dbtime: U64,
    /// The page's DBTIME before the change.
    pub dbtime_before: U64,
    /// The transaction (TRX) of the session's outermost level.
    pub transaction: U32,
    /// The transaction level.
    pub level: u8,
    /// The line of the node: its tag, not counting the external header.
    pub line: U16,
    /// `FLAG_...` bits.
    pub flags: u8,
}

impl PageHead {
    /// The node's version is kept for rollback.
    pub const FLAG_VERSIONED: u8 = 0x01;
    /// The node is flag-deleted (no longer logged).
    pub const FLAG_DELETED: u8 = 0x02;
    /// The keys of the tree are unique.
    pub const FLAG_UNIQUE: u8 = 0x04;
    /// The tree is a space tree.
    pub const FLAG_SPACE: u8 = 0x08;
    /// Done for another session's change during the creation of an index.
    pub const FLAG_CONCURRENT_CREATE_INDEX: u8 = 0x10;
    /// Done by a background task of the engine.
    pub const FLAG_SYSTEM_TASK: u8 = 0x20;

    /// Whether all bits of `flag` are set.
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag == flag
    }
}

/// The head of every record that changes a node (LRNODE_).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct NodeHead {
    /// The changed page.
    pub page: PageHead,
    /// The version (RCEID) that the change made; an undo-info record repeats it.
    pub version: U32,
    /// The root page of the tree.
    pub root: U32,
    /// The tree's OBJID.
    pub object: U32,
}

/// A stored name: UTF-16 or, in old records, single bytes; zero-terminated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredName<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) unicode: bool,
}

impl<'a> StoredName<'a> {
    /// A name of these bytes, with the terminating zero.
    pub fn new(bytes: &'a [u8], unicode: bool) -> Self {
        StoredName { bytes, unicode }
    }

    /// The name without the terminating zero; invalid characters are replaced.
    pub fn to_text(&self) -> String {
        if self.unicode {
            let units = self
                .bytes
                .chunks_exact(2)
                .map(|unit| u16::from_le_bytes([unit[0], unit[1]]))
                .take_while(|unit| *unit != 0);
            char::decode_utf16(units)
                .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect()
        } else {
            text(self.bytes)
        }
    }
}

/// Single-byte text up to the terminating zero.
pub(crate) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0);
    String::from_utf8_lossy(&bytes[..end.unwrap_or(bytes.len())]).into_owned()
}
