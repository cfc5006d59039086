//! Nodes: the content of a page's lines (`node.hxx`).

use super::{Fault, Key};

/// The three flags of a node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct NodeFlags(pub u8);

impl NodeFlags {
    /// The node may have older versions in the engine's memory.
    pub const VERSIONED: u8 = 1;
    /// The node is deleted and awaits clean-up.
    pub const DELETED: u8 = 2;
    /// The node's key begins with a part of the page's prefix.
    pub const COMPRESSED: u8 = 4;

    /// The node may have older versions in the engine's memory; on disk the flag has no meaning.
    pub fn is_versioned(self) -> bool {
        self.0 & Self::VERSIONED != 0
    }

    /// The node was deleted; it awaits clean-up and is not data.
    pub fn is_deleted(self) -> bool {
        self.0 & Self::DELETED != 0
    }

    /// The key begins with a part of the page's prefix.
    pub fn is_compressed(self) -> bool {
        self.0 & Self::COMPRESSED != 0
    }
}

impl std::fmt::Debug for NodeFlags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NodeFlags({:#x})", self.0)
    }
}

/// A node: key, data and flags, borrowed from its page.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    /// The key.
    pub key: Key<'a>,
    /// The data: a record, a bookmark, a part of a long value, an extent, or in a branch page a
    /// page number.
    pub data: &'a [u8],
    /// The flags.
    pub flags: NodeFlags,
}

/// Key lengths keep their upper three bits for the node flags of large pages.
const LENGTH_MASK: u16 = 0x1fff;

impl<'a> Node<'a> {
    /// The child page of a node of a branch page.
    pub fn child(&self) -> Option<u32> {
        let number = self.data.first_chunk().copied().map(u32::from_le_bytes)?;
        (self.data.len() == 4).then_some(number)
    }

    /// Splits a line into its parts.
    #[inline]
    pub(super) fn parse(
        line: &'a [u8],
        flags: NodeFlags,
        prefix: &'a [u8],
    ) -> Result<Self, Problem> {
        let (prefix, rest) = if flags.is_compressed() {
            let (len, rest) = take_length(line).ok_or(Problem::TooShort)?;
            (prefix.get(..len).ok_or(Problem::Prefix(len))?, rest)
        } else {
            (&[][..], line)
        };
        let (len, rest) = take_length(rest).ok_or(Problem::TooShort)?;
        let (suffix, data) = rest.split_at_checked(len).ok_or(Problem::Suffix(len))?;
        Ok(Self {
            key: Key { prefix, suffix },
            data,
            flags,
        })
    }
}

#[inline]
fn take_length(line: &[u8]) -> Option<(usize, &[u8])> {
    let (length, rest) = line.split_first_chunk()?;
    Some((usize::from(u16::from_le_bytes(*length) & LENGTH_MASK), rest))
}

/// The reason why a line is not a node.
pub(super) enum Problem {
    TooShort,
    Prefix(usize),
    Suffix(usize),
}

impl Problem {
    #[cold]
    pub(super) fn fault(self, page: u32, tag: usize, line: usize, prefix: usize) -> Fault {
        let (what, expected, found) = match self {
            Problem::TooShort => (
                "node",
                "a key length".into(),
                format!("a line of {line} bytes"),
            ),
            Problem::Prefix(len) => (
                "node key",
                format!("at most the {prefix} bytes of the page's prefix"),
                format!("{len} bytes of it"),
            ),
            Problem::Suffix(len) => (
                "node key",
                format!("a key inside the line of {line} bytes"),
                format!("a key of {len} bytes"),
            ),
        };
        Fault::new(page, what, expected, found).at_tag(tag)
    }
}
