//! A page in the engine's memory, node by node, and its form on disk.

use ese::checksum::seal_page;
use ese::page::{NodeFlags, PageSize, Pgno, Tag};

pub const ROOT: u32 = 0x01;
pub const LEAF: u32 = 0x02;
pub const PARENT_OF_LEAF: u32 = 0x04;
pub const EMPTY: u32 = 0x08;
pub const SPACE_TREE: u32 = 0x20;
pub const INDEX: u32 = 0x40;
pub const NON_UNIQUE: u32 = 0x400;
const NEW_RECORD_FORMAT: u32 = 0x800;
const NEW_CHECKSUM: u32 = 0x2000;
const SCRUBBED: u32 = 0x4000;
const PRE_INIT: u32 = 0x2_0000;

/// The common part of a key is stored in the page's prefix only if it is longer than the reference
/// to it.
const PREFIX_OVERHEAD: usize = 2;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The length of the key's part in the page's prefix, which the node omits.
    pub shared: usize,
    pub suffix: Vec<u8>,
    pub data: Vec<u8>,
    pub deleted: bool,
}

impl Node {
    /// The size on its page in bytes, with its tag.
    pub fn size(&self) -> usize {
        let shared = if self.shared > 0 { 2 } else { 0 };
        Tag::LEN + shared + 2 + self.suffix.len() + self.data.len()
    }
}

/// A node outside a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loose {
    pub key: Vec<u8>,
    pub data: Vec<u8>,
    pub deleted: bool,
}

#[derive(Debug, Clone)]
pub struct Page {
    pub number: Pgno,
    pub dbtime: u64,
    pub previous: Pgno,
    pub next: Pgno,
    pub object: u32,
    pub flags: u32,
    /// Tag 0; `None` if the page has no tags yet.
    pub header: Option<Vec<u8>>,
    pub nodes: Vec<Node>,
}

impl Page {
    /// A page of a tree without nodes.
    pub fn new(number: Pgno, object: u32, flags: u32, header: &[u8]) -> Self {
        Page {
            number,
            dbtime: 0,
            previous: 0,
            next: 0,
            object,
            flags: flags | NEW_RECORD_FORMAT,
            header: Some(header.to_vec()),
            nodes: Vec::new(),
        }
    }

    /// A page taken by a tree, without content.
    pub fn taken(number: Pgno, object: u32) -> Self {
        Page {
            header: None,
            ..Page::new(number, object, PRE_INIT, &[])
        }
    }

    pub fn is(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// The prefix that nodes may share; the header of a root is not a prefix.
    pub fn prefix(&self) -> &[u8] {
        match (&self.header, self.is(ROOT)) {
            (Some(header), false) => header,
            _ => &[],
        }
    }

    pub fn key(&self, line: usize) -> Vec<u8> {
        let node = &self.nodes[line];
        [&self.prefix()[..node.shared], &node.suffix].concat()
    }

    pub fn loose(&self, line: usize) -> Loose {
        let node = &self.nodes[line];
        Loose {
            key: self.key(line),
            data: node.data.clone(),
            deleted: node.deleted,
        }
    }

    pub fn all_loose(&self) -> Vec<Loose> {
        (0..self.nodes.len()).map(|line| self.loose(line)).collect()
    }

    pub fn child(&self, line: usize) -> Pgno {
        let number = self.nodes[line].data[..].try_into();
        u32::from_le_bytes(number.expect("a page number"))
    }

    /// The form of the node on this page.
    pub fn fitted(&self, node: &Loose) -> Node {
        let common = (self.prefix().iter().zip(&node.key))
            .take_while(|(a, b)| a == b)
            .count();
        let shared = if common > PREFIX_OVERHEAD { common } else { 0 };
        Node {
            shared,
            suffix: node.key[shared..].to_vec(),
            data: node.data.clone(),
            deleted: node.deleted,
        }
    }

    pub fn insert(&mut self, line: usize, node: &Loose) {
        let node = self.fitted(node);
        self.nodes.insert(line, node);
    }

    /// Removes all nodes, sets the prefix (except of a root) and inserts others.
    pub fn rebuild(&mut self, prefix: &[u8], nodes: &[Loose]) {
        self.nodes.clear();
        if !self.is(ROOT) {
            self.header = Some(prefix.to_vec());
        }
        for (line, node) in nodes.iter().enumerate() {
            self.insert(line, node);
        }
    }

    pub fn make_empty(&mut self) {
        self.nodes.clear();
        self.header = Some(Vec::new());
        self.flags |= EMPTY;
    }

    /// Records a change at this DBTIME, which clears the mark of scrubbed pages.
    pub fn touch(&mut self, dbtime: u64) {
        self.dbtime = dbtime;
        self.flags &= !SCRUBBED;
    }

    pub fn set_scrubbed(&mut self) {
        self.flags |= SCRUBBED;
    }

    /// The number of bytes of tags and lines.
    pub fn used(&self) -> usize {
        let header = self
            .header
            .as_ref()
            .map_or(0, |header| Tag::LEN + header.len());
        header + self.nodes.iter().map(Node::size).sum::<usize>()
    }

    /// The page in its form on disk.
    pub fn to_bytes(&self, size: PageSize) -> Vec<u8> {
        let mut bytes = vec![0; size.bytes()];
        let area = size.bytes() - size.header_len();
        let mut lines: Vec<(Vec<u8>, u8)> = Vec::new();
        lines.extend(self.header.iter().map(|header| (header.clone(), 0)));
        for node in &self.nodes {
            let mut line = Vec::new();
            let mut flags = if node.deleted { NodeFlags::DELETED } else { 0 };
            if node.shared > 0 {
                line.extend((node.shared as u16).to_le_bytes());
                flags |= NodeFlags::COMPRESSED;
            }
            line.extend((node.suffix.len() as u16).to_le_bytes());
            line.extend(&node.suffix);
            line.extend(&node.data);
            if size.is_large() {
                line[1] |= flags << 5;
                flags = 0;
            }
            lines.push((line, flags));
        }
        let mut end = 0;
        for (index, (line, flags)) in lines.iter().enumerate() {
            let tag = Tag {
                offset: end,
                len: line.len(),
                flags: *flags,
            };
            let at = size.bytes() - (index + 1) * Tag::LEN;
            let entry = tag.encode(size).expect("a line inside the page");
            bytes[at..at + Tag::LEN].copy_from_slice(&entry);
            bytes[size.header_len() + end..][..line.len()].copy_from_slice(line);
            end += line.len();
        }
        let free = area
            .checked_sub(self.used())
            .expect("what is on a page fits it");
        let flags = self.flags | NEW_CHECKSUM;
        let fields: [(usize, &[u8]); 8] = [
            (8, &self.dbtime.to_le_bytes()),
            (16, &self.previous.to_le_bytes()),
            (20, &self.next.to_le_bytes()),
            (24, &self.object.to_le_bytes()),
            (28, &(free as u16).to_le_bytes()),
            (32, &(end as u16).to_le_bytes()),
            (34, &(lines.len() as u16).to_le_bytes()),
            (36, &flags.to_le_bytes()),
        ];
        for (at, field) in fields {
            bytes[at..at + field.len()].copy_from_slice(field);
        }
        if size.is_large() {
            bytes[64..68].copy_from_slice(&self.number.to_le_bytes());
        }
        seal_page(&mut bytes, self.number);
        bytes
    }
}
