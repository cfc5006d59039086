//! Pages: the unit of storage of a database, as immutable views that never panic on any bytes.
//!
//! A page is a header, data that grows upwards from the header, and an array of tags that grows
//! downwards from the page's end. Tag 0 is the external header: on the root of a tree it describes
//! the tree's space, on every other page it holds the common key prefix of the page's nodes. Each
//! following tag is a node: a key, data and flags.
//!
//! ```
//! use ese::page::{PageSize, PageView};
//!
//! let empty = vec![0; 8192];
//! let page = PageView::new(&empty, 7)?;
//! assert_eq!(page.size(), PageSize::new(8192).unwrap());
//! assert_eq!(page.node_count(), 0);
//! # Ok::<(), ese::page::Fault>(())
//! ```
//!
//! Source of the layout: `cpage.hxx`, `node.hxx` and `space.hxx` of the public engine.

mod fault;
mod header;
mod key;
mod node;
mod root;
mod size;
mod tag;
mod view;

pub use fault::Fault;
pub use header::{PageFlags, PageHeader, PageKind};
pub use key::Key;
pub use node::{Node, NodeFlags};
pub use root::{Extent, ExtentNode, Extents, RootHeader, SpaceHeader, SplitBuffers};
pub use size::{PageSize, Pgno};
pub use tag::Tag;
pub use view::{PageLayout, PageView};

/// The little-endian 16-bit number at `offset`, if within the bytes.
pub(crate) fn u16_at(bytes: &[u8], offset: usize) -> Option<u16> {
    let field = bytes.get(offset..)?.first_chunk()?;
    Some(u16::from_le_bytes(*field))
}

/// The little-endian 32-bit number at `offset`, if within the bytes.
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    let field = bytes.get(offset..)?.first_chunk()?;
    Some(u32::from_le_bytes(*field))
}

/// The little-endian 64-bit number at `offset`, if within the bytes.
pub(crate) fn u64_at(bytes: &[u8], offset: usize) -> Option<u64> {
    let field = bytes.get(offset..)?.first_chunk()?;
    Some(u64::from_le_bytes(*field))
}
