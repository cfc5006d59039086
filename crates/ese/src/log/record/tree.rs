//! Records that change the shape of a tree or its pages.

use zerocopy::little_endian::{I16, I32, U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::common::{NodeHead, PageHead};
use super::encode::{Writer, size16, size32};
use super::parse::Cursor;

/// The fixed part of a split record (LRSPLIT_).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct SplitHead {
    /// The split page (or, if `new_page` is 0, a parent that only gets a new child).
    pub page: PageHead,
    /// The page that takes a part of the nodes; 0 if the page is only the parent of a split one.
    pub new_page: U32,
    /// The right sibling of a leaf; 0 if none.
    pub right_page: U32,
    /// The right sibling's DBTIME before.
    pub right_dbtime_before: U64,
    /// The parent; 0 for a root.
    pub parent_page: U32,
    /// The parent's DBTIME before.
    pub parent_dbtime_before: U64,
    /// The root of the tree.
    pub root: U32,
    /// The tree's OBJID.
    pub object: U32,
    /// The division of the nodes: see [`SplitKind`].
    pub kind: u8,
    /// The node operation that caused the split: 0 none, 1 insert, 2 replace, 3 flag-insert and
    /// replace.
    pub operation: u8,
    /// The line of that operation.
    pub operation_line: U16,
    /// The first line that moves.
    pub split_line: U16,
    /// The number of lines before the split, the new one included.
    pub lines: U16,
    /// Page flags of the new page.
    pub new_page_flags: U32,
    /// Page flags of the split page.
    pub split_page_flags: U32,
    /// The uncommitted free space left on the split page.
    pub uncommitted_free_split: I16,
    /// The uncommitted free space moved to the new page.
    pub uncommitted_free_new: I16,
    /// The line whose key gives the split page's new prefix; -1 for none.
    pub prefix_line_split: I32,
    /// The line whose key gives the new page's prefix; -1 for none.
    pub prefix_line_new: I32,
    prefix_split_old_size: U16,
    prefix_split_new_size: U16,
    parent_key_size: U16,
}

/// The division of the nodes in a split (SPLITTYPE).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SplitKind {
    /// A new root level: all nodes move down.
    Vertical,
    /// The right part moves to a new right sibling.
    Right,
    /// The new node alone goes to a new last page.
    Append,
}

/// A page is split (LRSPLITOLD, LRSPLITNEW).
#[derive(Debug, Clone, Copy)]
pub struct Split<'a> {
    /// The fixed part.
    pub head: &'a SplitHead,
    /// The separator key that the parent gets.
    pub parent_key: &'a [u8],
    /// The split page's prefix before.
    pub prefix_split_old: &'a [u8],
    /// The split page's prefix after.
    pub prefix_split_new: &'a [u8],
    /// The page before the split; `None` in records of the older kind.
    pub image: Option<BeforeImage<'a>>,
}

impl Split<'_> {
    /// The division of the nodes; `None` for an unknown number.
    pub fn kind(&self) -> Option<SplitKind> {
        match self.head.kind {
            0 => Some(SplitKind::Vertical),
            1 => Some(SplitKind::Right),
            2 => Some(SplitKind::Append),
            _ => None,
        }
    }
}

/// A page before a split or merge, for redo if the page on disk is already newer.
#[derive(Debug, Clone, Copy)]
pub struct BeforeImage<'a> {
    /// The page's bytes; empty if no image was needed.
    pub bytes: &'a [u8],
    /// `FLAG_...` bits.
    pub flags: u32,
}

impl BeforeImage<'_> {
    /// The gap between data and tags was cut out.
    pub const FLAG_DEHYDRATED: u32 = 1;
    /// The bytes are compressed with XPRESS.
    pub const FLAG_XPRESS: u32 = 2;

    /// Whether all bits of `flag` are set.
    pub fn has(&self, flag: u32) -> bool {
        self.flags & flag == flag
    }
}

/// The fixed part of a merge record (LRMERGE_).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct MergeHead {
    /// The page that loses nodes, or the parent of one.
    pub page: PageHead,
    /// Its right sibling; 0 if none.
    pub right_page: U32,
    /// The right sibling's DBTIME before.
    pub right_dbtime_before: U64,
    /// Its left sibling; 0 if none.
    pub left_page: U32,
    /// The left sibling's DBTIME before.
    pub left_dbtime_before: U64,
    /// Its parent; 0 if none changes.
    pub parent_page: U32,
    /// The parent's DBTIME before.
    pub parent_dbtime_before: U64,
    /// The root of the tree.
    pub root: U32,
    /// The tree's OBJID.
    pub object: U32,
    /// The size of the moved nodes, in bytes.
    pub size_total: U16,
    /// The same with space reserved for rollback.
    pub size_max_total: U16,
    /// The uncommitted free space on the page that takes the nodes.
    pub uncommitted_free: U16,
    /// The first line that moves.
    pub merge_line: U16,
    /// `FLAG_...` bits.
    pub flags: u8,
    /// The kind of merge: see [`MergeKind`].
    pub kind: u8,
    parent_separator_size: U16,
}

impl MergeHead {
    /// The separator key in the parent changes.
    pub const FLAG_KEY_CHANGE: u8 = 1;
    /// The node in the parent is deleted.
    pub const FLAG_DELETE_NODE: u8 = 2;
    /// The page itself is emptied.
    pub const FLAG_EMPTY_PAGE: u8 = 4;

    /// Whether all bits of `flag` are set.
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag == flag
    }
}

/// The kinds of merges (MERGETYPE).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeKind {
    /// No change to this page.
    None,
    /// The page is empty and is removed from the tree.
    EmptyPage,
    /// All nodes move to the right sibling.
    FullRight,
    /// The last nodes move to the right sibling.
    PartialRight,
    /// The tree is empty.
    EmptyTree,
    /// All nodes move to the left sibling.
    FullLeft,
    /// The first nodes move to the left sibling.
    PartialLeft,
    /// The page moves elsewhere.
    PageMove,
}

/// Two pages are merged (LRMERGEOLD, LRMERGENEW).
#[derive(Debug, Clone, Copy)]
pub struct Merge<'a> {
    /// The fixed part.
    pub head: &'a MergeHead,
    /// The separator key that the parent gets.
    pub parent_separator: &'a [u8],
    /// The page before the merge; `None` in records of the older kind.
    pub image: Option<BeforeImage<'a>>,
}

impl Merge<'_> {
    /// The kind of merge; `None` for an unknown number.
    pub fn kind(&self) -> Option<MergeKind> {
        Some(match self.head.kind {
            0 => MergeKind::None,
            1 => MergeKind::EmptyPage,
            2 => MergeKind::FullRight,
            3 => MergeKind::PartialRight,
            4 => MergeKind::EmptyTree,
            5 => MergeKind::FullLeft,
            6 => MergeKind::PartialLeft,
            7 => MergeKind::PageMove,
            _ => return None,
        })
    }
}

/// The fixed part of a page move (LRPAGEMOVE).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct PageMoveHead {
    /// The page that moves.
    pub page: PageHead,
    /// The new place.
    pub destination: U32,
    /// Its left sibling; 0 if none.
    pub left_page: U32,
    /// Its right sibling; 0 if none.
    pub right_page: U32,
    /// Its parent.
    pub parent_page: U32,
    /// The left sibling's DBTIME before.
    pub left_dbtime_before: U64,
    /// The right sibling's DBTIME before.
    pub right_dbtime_before: U64,
    /// The parent's DBTIME before.
    pub parent_dbtime_before: U64,
    /// The root of the tree.
    pub root: U32,
    /// The tree's OBJID.
    pub object: U32,
    /// The parent's line that points to the page.
    pub parent_line: I32,
    /// The root that moves: 1 the tree's, 2 the owned extents', 4 the available extents'; 0 for
    /// none.
    pub root_flags: U32,
    header_size: U32,
    trailer_size: U32,
}

/// A page moves to another place in the file (LRPAGEMOVE).
#[derive(Debug, Clone, Copy)]
pub struct PageMove<'a> {
    /// The fixed part.
    pub head: &'a PageMoveHead,
    /// The first bytes of the page before.
    pub page_header: &'a [u8],
    /// The last bytes of the page before; the bytes between the two are unused.
    pub page_trailer: &'a [u8],
}

/// The root of a tree moved (LRROOTPAGEMOVE); page moves of the same macro precede it.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct RootPageMove {
    /// The DBTIME of all pages after.
    pub dbtime: U64,
    /// The database (DBID).
    pub database: u8,
    /// The tree's OBJID.
    pub object: U32,
    /// The session (PROCID).
    pub session: U16,
}

/// The creation of an empty page of a tree (LRNEWPAGE).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct NewPage {
    /// The session (PROCID).
    pub session: U16,
    /// The database (DBID).
    pub database: u8,
    /// The page.
    pub page: U32,
    /// The tree's OBJID.
    pub object: U32,
    /// The page's DBTIME after.
    pub dbtime: U64,
}

/// All pages of a tree but its root are freed at once (LREMPTYTREE).
#[derive(Debug, Clone, Copy)]
pub struct EmptyTree<'a> {
    /// The root.
    pub head: &'a NodeHead,
    /// The freed pages.
    pub pages: &'a [EmptyPage],
    /// The bytes of the list in the record.
    pub list: &'a [u8],
}

/// One page of [`EmptyTree`].
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct EmptyPage {
    /// Its DBTIME before.
    pub dbtime_before: U64,
    /// The page.
    pub page: U32,
    /// Its page flags.
    pub flags: U32,
}

/// A tree with space trees of its own is created (LRCREATEMEFDP).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct CreateMultipleExtent {
    /// The tree's root page.
    pub page: PageHead,
    /// The tree's OBJID.
    pub object: U32,
    /// Root of the owned extents.
    pub owned_root: U32,
    /// Root of the available extents.
    pub available_root: U32,
    /// The root of the tree that the space came from.
    pub parent_root: U32,
    /// Pages of the first extent.
    pub primary_pages: U32,
    /// Page flags of the root.
    pub page_flags: U32,
}

/// A small tree that manages its space in its root is created (LRCREATESEFDP).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct CreateSingleExtent {
    /// The tree's root page.
    pub page: PageHead,
    /// The tree's OBJID.
    pub object: U32,
    /// Root of the tree that the space came from.
    pub parent_root: U32,
    /// Pages of its only extent.
    pub primary_pages: U32,
    /// Page flags of the root.
    pub page_flags: U32,
}

/// A small tree gets space trees of its own (LRCONVERTFDP).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct ConvertHead {
    /// The tree's root page.
    pub page: PageHead,
    /// The tree's OBJID.
    pub object: U32,
    /// Root of the owned extents, the first page of the second extent.
    pub owned_root: U32,
    /// Root of the available extents.
    pub available_root: U32,
    /// Root of the tree that the space came from.
    pub parent_root: U32,
    /// First page of the second extent.
    pub secondary_first: U32,
    /// Pages of the first extent.
    pub primary_pages: U32,
    /// Pages of the second extent.
    pub secondary_pages: U32,
}

/// The fields that newer convert records add.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct ConvertTail {
    /// The free pages of the first extent, one bit per page.
    pub available: U32,
    /// Page flags of the space trees' roots.
    pub page_flags: U32,
}

/// A small tree gets space trees of its own.
#[derive(Debug, Clone, Copy)]
pub struct Convert<'a> {
    /// The fixed part of all versions.
    pub head: &'a ConvertHead,
    /// The additions of newer records; without them the root page must be read.
    pub tail: Option<&'a ConvertTail>,
}

/// The announcement that a tree's space will be freed (LRFREEFDP); no redo.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct FreeTree {
    /// The database (DBID).
    pub database: u8,
    /// The tree's root page.
    pub root: U32,
    /// The transaction that deleted the tree.
    pub transaction: U32,
    /// 1 a table, 2 an index.
    pub kind: u8,
}

/// Pages that their tree no longer owns (LREXTENTFREED); no redo.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct ExtentFreedHead {
    /// The database (DBID).
    pub database: u8,
    /// The first page.
    pub first_page: U32,
    /// The number of pages.
    pub pages: I32,
    /// 1 the root of a table, 2 an empty page of a deleted tree.
    pub flags: u8,
}

/// Pages that their tree no longer owns.
#[derive(Debug, Clone, Copy)]
pub struct ExtentFreed<'a> {
    /// The fixed part of both versions.
    pub head: &'a ExtentFreedHead,
    /// DBTIME of the change, in newer records.
    pub dbtime: Option<u64>,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct ImageHead {
    flags: U32,
    size: U32,
}

pub(super) fn split<'a>(cursor: &mut Cursor<'a>, with_image: bool) -> Option<Split<'a>> {
    let head: &SplitHead = cursor.head()?;
    let image = image_head(cursor, with_image)?;
    Some(Split {
        head,
        parent_key: cursor.take16(head.parent_key_size)?,
        prefix_split_old: cursor.take16(head.prefix_split_old_size)?,
        prefix_split_new: cursor.take16(head.prefix_split_new_size)?,
        image: before_image(cursor, image)?,
    })
}

pub(super) fn merge<'a>(cursor: &mut Cursor<'a>, with_image: bool) -> Option<Merge<'a>> {
    let head: &MergeHead = cursor.head()?;
    let image = image_head(cursor, with_image)?;
    Some(Merge {
        head,
        parent_separator: cursor.take16(head.parent_separator_size)?,
        image: before_image(cursor, image)?,
    })
}

fn image_head<'a>(cursor: &mut Cursor<'a>, present: bool) -> Option<Option<&'a ImageHead>> {
    match present {
        true => Some(Some(cursor.head()?)),
        false => Some(None),
    }
}

fn before_image<'a>(
    cursor: &mut Cursor<'a>,
    head: Option<&ImageHead>,
) -> Option<Option<BeforeImage<'a>>> {
    let Some(head) = head else {
        return Some(None);
    };
    Some(Some(BeforeImage {
        bytes: cursor.take(head.size.get() as usize)?,
        flags: head.flags.get(),
    }))
}

pub(super) fn page_move<'a>(cursor: &mut Cursor<'a>) -> Option<PageMove<'a>> {
    let head: &PageMoveHead = cursor.head()?;
    Some(PageMove {
        head,
        page_header: cursor.take(head.header_size.get() as usize)?,
        page_trailer: cursor.take(head.trailer_size.get() as usize)?,
    })
}

pub(super) fn empty_tree<'a>(cursor: &mut Cursor<'a>) -> Option<EmptyTree<'a>> {
    let head = cursor.head()?;
    let size: &U16 = cursor.head()?;
    let list = cursor.take16(*size)?;
    Some(EmptyTree {
        head,
        pages: <[EmptyPage]>::ref_from_bytes(list).ok()?,
        list,
    })
}

pub(super) fn convert<'a>(cursor: &mut Cursor<'a>, with_tail: bool) -> Option<Convert<'a>> {
    Some(Convert {
        head: cursor.head()?,
        tail: match with_tail {
            true => Some(cursor.head()?),
            false => None,
        },
    })
}

pub(super) fn extent_freed<'a>(
    cursor: &mut Cursor<'a>,
    with_dbtime: bool,
) -> Option<ExtentFreed<'a>> {
    Some(ExtentFreed {
        head: cursor.head()?,
        dbtime: match with_dbtime {
            true => Some(cursor.head::<U64>()?.get()),
            false => None,
        },
    })
}

impl Split<'_> {
    pub(super) fn write(&self, writer: &mut Writer, with_image: bool) -> Option<()> {
        let mut head = *self.head;
        head.parent_key_size = size16(self.parent_key)?;
        head.prefix_split_old_size = size16(self.prefix_split_old)?;
        head.prefix_split_new_size = size16(self.prefix_split_new)?;
        writer.head(&head)?;
        write_image_head(writer, self.image.as_ref(), with_image)?;
        writer.bytes(self.parent_key)?;
        writer.bytes(self.prefix_split_old)?;
        writer.bytes(self.prefix_split_new)?;
        writer.bytes(self.image.map_or(&[], |image| image.bytes))
    }
}

impl Merge<'_> {
    pub(super) fn write(&self, writer: &mut Writer, with_image: bool) -> Option<()> {
        let mut head = *self.head;
        head.parent_separator_size = size16(self.parent_separator)?;
        writer.head(&head)?;
        write_image_head(writer, self.image.as_ref(), with_image)?;
        writer.bytes(self.parent_separator)?;
        writer.bytes(self.image.map_or(&[], |image| image.bytes))
    }
}

fn write_image_head(
    writer: &mut Writer,
    image: Option<&BeforeImage<'_>>,
    with_image: bool,
) -> Option<()> {
    match (image, with_image) {
        (Some(image), true) => writer.head(&ImageHead {
            flags: U32::new(image.flags),
            size: size32(image.bytes)?,
        }),
        (None, false) => Some(()),
        _ => None,
    }
}

impl PageMove<'_> {
    pub(super) fn write(&self, writer: &mut Writer) -> Option<()> {
        let mut head = *self.head;
        head.header_size = size32(self.page_header)?;
        head.trailer_size = size32(self.page_trailer)?;
        writer.head(&head)?;
        writer.bytes(self.page_header)?;
        writer.bytes(self.page_trailer)
    }
}

impl EmptyTree<'_> {
    pub(super) fn write(&self, writer: &mut Writer) -> Option<()> {
        writer.head(self.head)?;
        writer.head(&size16(self.pages.as_bytes())?)?;
        writer.head(self.pages)
    }
}

impl Convert<'_> {
    pub(super) fn write(&self, writer: &mut Writer, with_tail: bool) -> Option<()> {
        writer.head(self.head)?;
        match (self.tail, with_tail) {
            (Some(tail), true) => writer.head(tail),
            (None, false) => Some(()),
            _ => None,
        }
    }
}

impl ExtentFreed<'_> {
    pub(super) fn write(&self, writer: &mut Writer, with_dbtime: bool) -> Option<()> {
        writer.head(self.head)?;
        match (self.dbtime, with_dbtime) {
            (Some(dbtime), true) => writer.head(&U64::new(dbtime)),
            (None, false) => Some(()),
            _ => None,
        }
    }
}
