//! Changes the nodes of a page, as the engine's `node.cxx` does: a node is a key, of which a part
//! may be in the page's prefix, and data.

use crate::page::{Fault, Key, NodeFlags};

use super::EditPage;

/// The common part of a key is stored in the page's prefix only if it is longer than the reference
/// to it.
const PREFIX_OVERHEAD: usize = 2;

/// Key lengths share their bits with the flags of large pages.
const LENGTH_MASK: u16 = 0x1fff;

/// A node outside a page, to be inserted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LooseNode<'a> {
    pub key: Key<'a>,
    pub data: &'a [u8],
    /// [`NodeFlags::DELETED`] or 0; the other flags depend on the page.
    pub flags: u8,
}

impl<'a> LooseNode<'a> {
    pub fn new(key: &'a [u8], data: &'a [u8]) -> Self {
        LooseNode {
            key: Key::whole(key),
            data,
            flags: 0,
        }
    }
}

/// The tag of a line: the external header is tag 0.
const fn tag_of(line: usize) -> usize {
    line + 1
}

impl EditPage {
    /// The start of the data within the line.
    fn data_start(&self, line: usize) -> Result<usize, Fault> {
        let tag = tag_of(line);
        let bytes = self.line(tag)?;
        let length = |at: usize| {
            let bytes = bytes.get(at..)?.first_chunk()?;
            Some(usize::from(u16::from_le_bytes(*bytes) & LENGTH_MASK))
        };
        let at = match self.line_flags(tag)? & NodeFlags::COMPRESSED {
            0 => 0,
            _ => 2,
        };
        length(at)
            .map(|suffix| at + 2 + suffix)
            .filter(|start| *start <= bytes.len())
            .ok_or_else(|| {
                let found = format!("a line of {} bytes", bytes.len());
                self.fault("node", "a key and data", found).at_tag(tag)
            })
    }

    /// The data of a node.
    pub fn node_data(&self, line: usize) -> Result<&[u8], Fault> {
        let start = self.data_start(line)?;
        Ok(&self.line(tag_of(line))?[start..])
    }

    /// The mutable data of a node.
    pub fn node_data_mut(&mut self, line: usize) -> Result<&mut [u8], Fault> {
        let start = self.data_start(line)?;
        Ok(&mut self.line_mut(tag_of(line))?[start..])
    }

    /// All nodes, to insert into other pages.
    pub fn loose_nodes(&self) -> Result<Vec<LooseNode<'_>>, Fault> {
        let view = self.view()?;
        let mut nodes = Vec::with_capacity(view.node_count());
        for node in view.nodes() {
            let node = node?;
            nodes.push(LooseNode {
                key: node.key,
                data: node.data,
                flags: node.flags.0 & NodeFlags::DELETED,
            });
        }
        Ok(nodes)
    }

    /// Inserts a node whose key is `prefix` (the start of the page's prefix) and `suffix`.
    pub fn insert_divided(
        &mut self,
        line: usize,
        prefix: &[u8],
        suffix: &[u8],
        data: &[u8],
        flags: u8,
    ) -> Result<(), Fault> {
        let suffix_len = self.key_len(suffix.len())?;
        if prefix.is_empty() {
            return self.insert_tag(tag_of(line), &[&suffix_len, suffix, data], flags);
        }
        if !self.view()?.prefix().starts_with(prefix) {
            let expected = format!("the page's prefix begins with {} bytes of it", prefix.len());
            return Err(self.fault("inserted key", expected, "another prefix"));
        }
        let prefix_len = self.key_len(prefix.len())?;
        self.insert_tag(
            tag_of(line),
            &[&prefix_len, &suffix_len, suffix, data],
            flags | NodeFlags::COMPRESSED,
        )
    }

    /// Inserts a node; omits the part of its key in the page's prefix if that saves space.
    pub fn insert_node(&mut self, line: usize, node: &LooseNode<'_>) -> Result<(), Fault> {
        let prefix = self.view()?.prefix();
        let common = prefix.iter().zip(node.key.bytes());
        let common = common.take_while(|(a, b)| **a == *b).count();
        let common = if common > PREFIX_OVERHEAD { common } else { 0 };
        let flags = node.flags & NodeFlags::DELETED;
        let suffix_len = self.key_len(node.key.len() - common)?;
        let head = node.key.prefix.get(common..).unwrap_or_default();
        let from = common.saturating_sub(node.key.prefix.len());
        let tail = &node.key.suffix[from..];
        if common == 0 {
            return self.insert_tag(tag_of(line), &[&suffix_len, head, tail, node.data], flags);
        }
        let prefix_len = self.key_len(common)?;
        self.insert_tag(
            tag_of(line),
            &[&prefix_len, &suffix_len, head, tail, node.data],
            flags | NodeFlags::COMPRESSED,
        )
    }

    fn key_len(&self, len: usize) -> Result<[u8; 2], Fault> {
        u16::try_from(len)
            .ok()
            .filter(|len| len & !LENGTH_MASK == 0)
            .map(u16::to_le_bytes)
            .ok_or_else(|| self.fault("key", "at most 8191 bytes", format!("{len} bytes")))
    }

    /// Replaces the data of a node.
    pub fn replace_data(&mut self, line: usize, data: &[u8]) -> Result<(), Fault> {
        let start = self.data_start(line)?;
        if start + data.len() != self.line(tag_of(line))?.len() {
            self.resize_tag(tag_of(line), start + data.len(), start)?;
        }
        self.line_mut(tag_of(line))?[start..].copy_from_slice(data);
        Ok(())
    }

    /// Sets or clears the mark of a deleted node.
    pub fn set_deleted(&mut self, line: usize, deleted: bool) -> Result<(), Fault> {
        let tag = tag_of(line);
        let flags = self.line_flags(tag)? & !NodeFlags::DELETED;
        let mark = if deleted { NodeFlags::DELETED } else { 0 };
        self.set_line_flags(tag, flags | mark)
    }

    /// Clears the mark of a node that may have versions.
    pub fn clear_versioned(&mut self, line: usize) -> Result<(), Fault> {
        let flags = self.line_flags(tag_of(line))?;
        self.set_line_flags(tag_of(line), flags & !NodeFlags::VERSIONED)
    }

    pub fn delete_node(&mut self, line: usize) -> Result<(), Fault> {
        self.delete_tag(tag_of(line))
    }

    /// Removes all nodes from `line` on.
    pub fn delete_nodes_from(&mut self, line: usize) -> Result<(), Fault> {
        while self.node_count() > line {
            self.delete_node(self.node_count() - 1)?;
        }
        Ok(())
    }

    /// Changes the key of a node; its data stays.
    pub fn change_key(&mut self, line: usize, key: &[u8]) -> Result<(), Fault> {
        let data = self.node_data(line)?.to_vec();
        self.delete_node(line)?;
        self.insert_node(line, &LooseNode::new(key, &data))
    }

    /// Makes a node of a branch page point to `child`.
    pub fn set_child(&mut self, line: usize, child: u32) -> Result<(), Fault> {
        let data = self.node_data_mut(line)?;
        match data.len() {
            4 => {
                data.copy_from_slice(&child.to_le_bytes());
                Ok(())
            }
            len => {
                let found = format!("{len} bytes");
                let fault = self.fault("branch node", "a page number of 4 bytes", found);
                Err(fault.at_tag(tag_of(line)))
            }
        }
    }

    /// Adds to the number of 4 or 8 bytes at `offset` in a node's data.
    pub fn add_to_number(
        &mut self,
        line: usize,
        offset: usize,
        delta: i64,
        is_64_bit: bool,
    ) -> Result<(), Fault> {
        let size = if is_64_bit { 8 } else { 4 };
        let place = offset
            .checked_add(size)
            .and_then(|end| self.node_data_mut(line).ok()?.get_mut(offset..end));
        let Some(place) = place else {
            let expected = format!("a number of {size} bytes at {offset}");
            let found = format!("{} bytes", self.node_data(line)?.len());
            return Err(self
                .fault("node data", expected, found)
                .at_tag(tag_of(line)));
        };
        let mut number = [0; 8];
        number[..size].copy_from_slice(place);
        let sum = u64::from_le_bytes(number).wrapping_add(delta as u64);
        place.copy_from_slice(&sum.to_le_bytes()[..size]);
        Ok(())
    }

    /// Replaces the whole external header.
    pub fn set_external_header(&mut self, header: &[u8]) -> Result<(), Fault> {
        self.replace_tag(0, &[header])
    }

    /// Removes all nodes, sets the prefix and inserts `nodes` instead.
    ///
    /// Roots keep their external header and have no prefix.
    pub fn rebuild(&mut self, prefix: &[u8], nodes: &[LooseNode<'_>]) -> Result<(), Fault> {
        self.delete_nodes_from(0)?;
        if !self.flags().is_root() {
            self.set_external_header(prefix)?;
        }
        for (line, node) in nodes.iter().enumerate() {
            self.insert_node(line, node)?;
        }
        Ok(())
    }
}

/// Whether a key equals `other`, which is in one piece.
pub(crate) fn same_key(key: Key<'_>, other: &[u8]) -> bool {
    key.len() == other.len() && key.starts_with(other)
}
