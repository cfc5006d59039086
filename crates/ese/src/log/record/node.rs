//! Records that change one node of one page.

use zerocopy::little_endian::{I16, U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::common::NodeHead;
use super::encode::{Writer, size16};
use super::parse::Cursor;

/// A node is inserted (LRINSERT).
#[derive(Debug, Clone, Copy)]
pub struct Insert<'a> {
    /// Page and tree.
    pub head: &'a NodeHead,
    /// The first bytes of the key, shared with the page's external header; empty if the node is not
    /// compressed.
    pub prefix: &'a [u8],
    /// The rest of the key.
    pub suffix: &'a [u8],
    /// The node's data.
    pub data: &'a [u8],
}

/// A flag-deleted node with the same key and data becomes valid again (LRFLAGINSERT).
#[derive(Debug, Clone, Copy)]
pub struct FlagInsert<'a> {
    /// Page and tree.
    pub head: &'a NodeHead,
    /// The whole key.
    pub key: &'a [u8],
    /// The node's data.
    pub data: &'a [u8],
}

/// A flag-deleted node becomes valid again with other data (LRFLAGINSERTANDREPLACEDATA).
#[derive(Debug, Clone, Copy)]
pub struct FlagInsertReplace<'a> {
    /// Page and tree; its version is that of the insertion.
    pub head: &'a NodeHead,
    /// The version of the replacement.
    pub replace_version: u32,
    /// The whole key.
    pub key: &'a [u8],
    /// The new data.
    pub data: &'a [u8],
}

/// The bit of a size for three-byte heads of differences.
const WIDE: u16 = 0x8000;

/// A node's data is replaced (LRREPLACE).
#[derive(Debug, Clone, Copy)]
pub struct Replace<'a> {
    /// Page and tree.
    pub head: &'a NodeHead,
    /// The size of the data before, in bytes.
    pub old_size: u16,
    /// The size of the data after, in bytes.
    pub new_size: u16,
    /// The new data, or (in a delta record) the differences: see
    /// [`differences`](Replace::differences).
    pub content: &'a [u8],
    /// Whether differences have three-byte heads (DIFFHDR2) rather than two-byte ones.
    pub wide_differences: bool,
}

/// One difference of a delta replacement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference<'a> {
    /// The start in the old data.
    pub offset: usize,
    /// The number of replaced bytes of the old data.
    pub old_size: usize,
    /// The new bytes.
    pub new: &'a [u8],
}

impl<'a> Replace<'a> {
    /// The differences of a delta record, in order of offset; the last item is `None` if the bytes
    /// are invalid.
    pub fn differences(&self) -> impl Iterator<Item = Option<Difference<'a>>> + use<'a> {
        let wide = self.wide_differences;
        let mut cursor = Cursor::new(self.content);
        std::iter::from_fn(move || {
            if cursor.is_at_end() {
                return None;
            }
            let difference = difference(&mut cursor, wide);
            if difference.is_none() {
                cursor = Cursor::new(&[]);
            }
            Some(difference)
        })
    }
}

fn difference<'a>(cursor: &mut Cursor<'a>, wide: bool) -> Option<Difference<'a>> {
    const SAME_LENGTH: u16 = 0x2000;
    const INSERT: u16 = 0x4000;
    const TWO_BYTE_LENGTHS: u16 = 0x8000;
    let first = cursor.head::<U16>()?.get();
    let (offset, flags) = match wide {
        true => (first, u16::from(*cursor.head::<u8>()?) << 8),
        false => (first & 0x1FFF, first),
    };
    let mut length = || -> Option<usize> {
        Some(match flags & TWO_BYTE_LENGTHS {
            0 => (*cursor.head::<u8>()?).into(),
            _ => cursor.head::<U16>()?.get().into(),
        })
    };
    let new_size = length()?;
    let old_size = match flags {
        flags if flags & INSERT != 0 => 0,
        flags if flags & SAME_LENGTH != 0 => new_size,
        _ => length()?,
    };
    Some(Difference {
        offset: offset.into(),
        old_size,
        new: cursor.take(new_size)?,
    })
}

/// A change of a number in a node's data by a sum that does not conflict with others (LRDELTA).
#[derive(Debug, Clone, Copy)]
pub struct Delta<'a> {
    /// Page and tree.
    pub head: &'a NodeHead,
    /// The node's whole key.
    pub key: &'a [u8],
    /// The data part of the node's bookmark (trees with duplicate keys).
    pub bookmark_data: &'a [u8],
    /// The sum to add.
    pub delta: i64,
    /// The offset of the number in the node's data.
    pub offset: u16,
    /// Whether the number has 64 bits rather than 32.
    pub is_64_bit: bool,
}

/// The rollback of a change (LRUNDO).
#[derive(Debug, Clone, Copy)]
pub struct Undo<'a> {
    /// Page and tree; its version is the change to roll back.
    pub head: &'a NodeHead,
    /// The kind of the change (OPER).
    pub operation: u16,
    /// The transaction level of the change.
    pub level: u8,
    /// The node's whole key.
    pub key: &'a [u8],
    /// The data part of the node's bookmark.
    pub bookmark_data: &'a [u8],
}

/// A before-image that had not been logged when its page was about to be written (LRUNDOINFO).
#[derive(Debug, Clone, Copy)]
pub struct UndoInfo<'a> {
    /// Page and tree; its version is the change that the image belongs to. No DBTIME: the page does
    /// not change.
    pub head: &'a NodeHead,
    /// The kind of the change (OPER).
    pub operation: u16,
    /// For a replacement: the largest size of the node during the transaction, in bytes.
    pub largest_size: i16,
    /// For a replacement: the growth of the node in bytes.
    pub delta: i16,
    /// The node's whole key.
    pub key: &'a [u8],
    /// The data part of the node's bookmark.
    pub bookmark_data: &'a [u8],
    /// The data before the change.
    pub data: &'a [u8],
}

/// The page's external header (tag 0) is replaced (LRSETEXTERNALHEADER).
#[derive(Debug, Clone, Copy)]
pub struct SetExternalHeader<'a> {
    /// Page and tree.
    pub head: &'a NodeHead,
    /// The new header.
    pub data: &'a [u8],
}

/// Unused parts of a page are overwritten (LRSCRUB).
#[derive(Debug, Clone, Copy)]
pub struct Scrub<'a> {
    /// Page and tree.
    pub head: &'a NodeHead,
    /// Whether the page belongs to no tree, so that all of it is scrubbed.
    pub unused_page: bool,
    /// The number of operations.
    pub operations: u32,
    /// The operations, one byte each.
    pub data: &'a [u8],
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct InsertSizes {
    suffix: U16,
    prefix: U16,
    data: U16,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct KeyDataSizes {
    key: U16,
    data: U16,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct ReplaceSizes {
    content: U16,
    old: U16,
    new: U16,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct UndoTail {
    operation: U16,
    level: u8,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct UndoInfoTail {
    operation: U16,
    largest_size: I16,
    delta: I16,
    data: U16,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct ScrubTail {
    flags: U32,
    operations: U32,
    data: U16,
}

pub(super) fn insert<'a>(cursor: &mut Cursor<'a>) -> Option<Insert<'a>> {
    let head = cursor.head()?;
    let sizes: &InsertSizes = cursor.head()?;
    Some(Insert {
        head,
        prefix: cursor.take16(sizes.prefix)?,
        suffix: cursor.take16(sizes.suffix)?,
        data: cursor.take16(sizes.data)?,
    })
}

pub(super) fn flag_insert<'a>(cursor: &mut Cursor<'a>) -> Option<FlagInsert<'a>> {
    let head = cursor.head()?;
    let sizes: &KeyDataSizes = cursor.head()?;
    Some(FlagInsert {
        head,
        key: cursor.take16(sizes.key)?,
        data: cursor.take16(sizes.data)?,
    })
}

pub(super) fn flag_insert_replace<'a>(cursor: &mut Cursor<'a>) -> Option<FlagInsertReplace<'a>> {
    let head = cursor.head()?;
    let sizes: &KeyDataSizes = cursor.head()?;
    let replace_version = cursor.head::<U32>()?.get();
    Some(FlagInsertReplace {
        head,
        replace_version,
        key: cursor.take16(sizes.key)?,
        data: cursor.take16(sizes.data)?,
    })
}

pub(super) fn replace<'a>(cursor: &mut Cursor<'a>) -> Option<Replace<'a>> {
    let head = cursor.head()?;
    let sizes: &ReplaceSizes = cursor.head()?;
    let content = sizes.content.get();
    Some(Replace {
        head,
        old_size: sizes.old.get(),
        new_size: sizes.new.get(),
        content: cursor.take((content & !WIDE).into())?,
        wide_differences: content & WIDE != 0,
    })
}

pub(super) fn delta<'a>(cursor: &mut Cursor<'a>, is_64_bit: bool) -> Option<Delta<'a>> {
    let head = cursor.head()?;
    let sizes: &KeyDataSizes = cursor.head()?;
    let delta = match is_64_bit {
        true => cursor.head::<zerocopy::little_endian::I64>()?.get(),
        false => cursor.head::<zerocopy::little_endian::I32>()?.get().into(),
    };
    let offset = cursor.head::<U16>()?.get();
    Some(Delta {
        head,
        key: cursor.take16(sizes.key)?,
        bookmark_data: cursor.take16(sizes.data)?,
        delta,
        offset,
        is_64_bit,
    })
}

pub(super) fn undo<'a>(cursor: &mut Cursor<'a>) -> Option<Undo<'a>> {
    let head = cursor.head()?;
    let sizes: &KeyDataSizes = cursor.head()?;
    let tail: &UndoTail = cursor.head()?;
    Some(Undo {
        head,
        operation: tail.operation.get(),
        level: tail.level,
        key: cursor.take16(sizes.key)?,
        bookmark_data: cursor.take16(sizes.data)?,
    })
}

pub(super) fn undo_info<'a>(cursor: &mut Cursor<'a>) -> Option<UndoInfo<'a>> {
    let head = cursor.head()?;
    let sizes: &KeyDataSizes = cursor.head()?;
    let tail: &UndoInfoTail = cursor.head()?;
    Some(UndoInfo {
        head,
        operation: tail.operation.get(),
        largest_size: tail.largest_size.get(),
        delta: tail.delta.get(),
        key: cursor.take16(sizes.key)?,
        bookmark_data: cursor.take16(sizes.data)?,
        data: cursor.take16(tail.data)?,
    })
}

pub(super) fn set_external_header<'a>(cursor: &mut Cursor<'a>) -> Option<SetExternalHeader<'a>> {
    let head = cursor.head()?;
    let size: &U16 = cursor.head()?;
    Some(SetExternalHeader {
        head,
        data: cursor.take16(*size)?,
    })
}

pub(super) fn scrub<'a>(cursor: &mut Cursor<'a>) -> Option<Scrub<'a>> {
    let head = cursor.head()?;
    let tail: &ScrubTail = cursor.head()?;
    Some(Scrub {
        head,
        unused_page: tail.flags.get() & 1 != 0,
        operations: tail.operations.get(),
        data: cursor.take16(tail.data)?,
    })
}

impl Insert<'_> {
    pub(super) fn write(&self, writer: &mut Writer) -> Option<()> {
        writer.head(self.head)?;
        writer.head(&InsertSizes {
            suffix: size16(self.suffix)?,
            prefix: size16(self.prefix)?,
            data: size16(self.data)?,
        })?;
        writer.bytes(self.prefix)?;
        writer.bytes(self.suffix)?;
        writer.bytes(self.data)
    }
}

impl KeyDataSizes {
    fn of(key: &[u8], data: &[u8]) -> Option<Self> {
        Some(KeyDataSizes {
            key: size16(key)?,
            data: size16(data)?,
        })
    }
}

impl FlagInsert<'_> {
    pub(super) fn write(&self, writer: &mut Writer) -> Option<()> {
        writer.head(self.head)?;
        writer.head(&KeyDataSizes::of(self.key, self.data)?)?;
        writer.bytes(self.key)?;
        writer.bytes(self.data)
    }
}

impl FlagInsertReplace<'_> {
    pub(super) fn write(&self, writer: &mut Writer) -> Option<()> {
        writer.head(self.head)?;
        writer.head(&KeyDataSizes::of(self.key, self.data)?)?;
        writer.head(&U32::new(self.replace_version))?;
        writer.bytes(self.key)?;
        writer.bytes(self.data)
    }
}

impl Replace<'_> {
    pub(super) fn write(&self, writer: &mut Writer) -> Option<()> {
        let size = size16(self.content)?.get();
        if size & WIDE != 0 {
            return None;
        }
        let wide = if self.wide_differences { WIDE } else { 0 };
        writer.head(self.head)?;
        writer.head(&ReplaceSizes {
            content: U16::new(size | wide),
            old: U16::new(self.old_size),
            new: U16::new(self.new_size),
        })?;
        writer.bytes(self.content)
    }
}

impl Delta<'_> {
    pub(super) fn write(&self, writer: &mut Writer, is_64_bit: bool) -> Option<()> {
        writer.head(self.head)?;
        writer.head(&KeyDataSizes::of(self.key, self.bookmark_data)?)?;
        match is_64_bit {
            _ if is_64_bit != self.is_64_bit => return None,
            true => writer.head(&self.delta.to_le_bytes())?,
            false => writer.head(&i32::try_from(self.delta).ok()?.to_le_bytes())?,
        }
        writer.head(&U16::new(self.offset))?;
        writer.bytes(self.key)?;
        writer.bytes(self.bookmark_data)
    }
}

impl Undo<'_> {
    pub(super) fn write(&self, writer: &mut Writer) -> Option<()> {
        writer.head(self.head)?;
        writer.head(&KeyDataSizes::of(self.key, self.bookmark_data)?)?;
        writer.head(&UndoTail {
            operation: U16::new(self.operation),
            level: self.level,
        })?;
        writer.bytes(self.key)?;
        writer.bytes(self.bookmark_data)
    }
}

impl UndoInfo<'_> {
    pub(super) fn write(&self, writer: &mut Writer) -> Option<()> {
        writer.head(self.head)?;
        writer.head(&KeyDataSizes::of(self.key, self.bookmark_data)?)?;
        writer.head(&UndoInfoTail {
            operation: U16::new(self.operation),
            largest_size: I16::new(self.largest_size),
            delta: I16::new(self.delta),
            data: size16(self.data)?,
        })?;
        writer.bytes(self.key)?;
        writer.bytes(self.bookmark_data)?;
        writer.bytes(self.data)
    }
}

impl SetExternalHeader<'_> {
    pub(super) fn write(&self, writer: &mut Writer) -> Option<()> {
        writer.head(self.head)?;
        writer.head(&size16(self.data)?)?;
        writer.bytes(self.data)
    }
}

impl Scrub<'_> {
    pub(super) fn write(&self, writer: &mut Writer) -> Option<()> {
        writer.head(self.head)?;
        writer.head(&ScrubTail {
            flags: U32::new(self.unused_page.into()),
            operations: U32::new(self.operations),
            data: size16(self.data)?,
        })?;
        writer.bytes(self.data)
    }
}
