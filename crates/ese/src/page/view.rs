//! Reads a page without a copy.

use std::cmp::Ordering;

use super::{
    Fault, Key, Node, NodeFlags, PageFlags, PageHeader, PageSize, Pgno, SplitBuffers, Tag,
};

/// The layout of a page: the part of a [`PageView`] that can be kept without the page's bytes.
#[derive(Debug, Clone, Copy)]
pub struct PageLayout {
    number: Pgno,
    size: PageSize,
    header: PageHeader,
    /// The range of the prefix that nodes may share; empty if there is none.
    prefix: (u16, u16),
}

/// A borrowed page: header, tags and nodes.
///
/// A view can be made of any bytes with the length of a page. Every access checks the bytes that it
/// reads, so damage is found at its place.
#[derive(Debug, Clone, Copy)]
pub struct PageView<'a> {
    bytes: &'a [u8],
    layout: PageLayout,
}

impl PageLayout {
    /// The layout of the page `number` in `bytes`, whose length must be a page size of the format.
    pub fn new(bytes: &[u8], number: Pgno) -> Result<Self, Fault> {
        let size = u32::try_from(bytes.len()).ok().and_then(PageSize::new);
        let read = size.and_then(|size| Some((size, PageHeader::read(bytes, size)?)));
        let Some((size, header)) = read else {
            return Err(Fault::new(
                number,
                "page",
                "2, 4, 8, 16 or 32 KiB",
                format!("{} bytes", bytes.len()),
            ));
        };
        let mut layout = Self {
            number,
            size,
            header,
            prefix: (0, 0),
        };
        layout.prefix = layout.find_prefix(bytes).unwrap_or_default();
        Ok(layout)
    }

    /// Views the bytes of the same page. Bytes of another page give wrong content, but no panic.
    #[inline]
    pub fn view<'a>(&self, bytes: &'a [u8]) -> PageView<'a> {
        PageView {
            bytes,
            layout: *self,
        }
    }

    /// The page's header.
    pub fn header(&self) -> &PageHeader {
        &self.header
    }

    /// The page's number.
    pub fn number(&self) -> Pgno {
        self.number
    }

    /// The number of nodes.
    #[inline]
    pub fn node_count(&self) -> usize {
        usize::from(
            self.header
                .tag_count
                .saturating_sub(self.header.reserved_tags),
        )
    }

    fn find_prefix(&self, bytes: &[u8]) -> Option<(u16, u16)> {
        if self.header.tag_count == 0 {
            return None;
        }
        let tag = Tag::read(bytes, self.size, 0)?;
        let skipped = match (
            self.header.flags.is_root(),
            self.header.flags.is_space_tree(),
        ) {
            (false, _) => 0,
            (true, true) => SplitBuffers::LEN,
            (true, false) => return None,
        };
        let start = self.size.header_len() + tag.offset + skipped;
        let end = self.size.header_len() + tag.offset + tag.len;
        if start > end || end > self.data_end(bytes.len()) {
            return None;
        }
        Some((u16::try_from(start).ok()?, u16::try_from(end).ok()?))
    }

    /// The start of the tag array.
    #[inline]
    fn data_end(&self, page_len: usize) -> usize {
        page_len.saturating_sub(usize::from(self.header.tag_count) * Tag::LEN)
    }
}

impl<'a> PageView<'a> {
    /// Views `bytes` as the page `number`. Their length must be a page size of the format.
    pub fn new(bytes: &'a [u8], number: Pgno) -> Result<Self, Fault> {
        Ok(PageLayout::new(bytes, number)?.view(bytes))
    }

    /// The page's number.
    pub fn number(&self) -> Pgno {
        self.layout.number
    }

    /// The page's size.
    pub fn size(&self) -> PageSize {
        self.layout.size
    }

    /// The whole page.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The header.
    pub fn header(&self) -> &PageHeader {
        &self.layout.header
    }

    /// The header's flags.
    #[inline]
    pub fn flags(&self) -> PageFlags {
        self.layout.header.flags
    }

    /// The layout, to keep while the bytes are owned elsewhere.
    pub fn layout(&self) -> PageLayout {
        self.layout
    }

    /// The number of nodes.
    #[inline]
    pub fn node_count(&self) -> usize {
        self.layout.node_count()
    }

    /// Whether every byte of the page is zero: the page was never written.
    pub fn is_blank(&self) -> bool {
        // By words: bytes take several times as long, and a database can hold many such pages.
        let (words, rest) = self.bytes.as_chunks();
        words.iter().all(|word| u64::from_ne_bytes(*word) == 0)
            && rest.iter().all(|byte| *byte == 0)
    }

    /// The line of the tag `tag`, counted with the reserved tags; empty if its length is 0.
    #[inline]
    pub fn line(&self, tag: usize) -> Result<&'a [u8], Fault> {
        self.tagged_line(tag).map(|(line, _)| line)
    }

    #[inline]
    fn tagged_line(&self, tag: usize) -> Result<(&'a [u8], Tag), Fault> {
        if tag >= usize::from(self.layout.header.tag_count) {
            return Err(self.no_such_tag(tag));
        }
        let data_end = self.layout.data_end(self.bytes.len());
        let entry = Tag::read(self.bytes, self.layout.size, tag);
        let entry = entry.filter(|_| data_end >= self.layout.size.header_len());
        let Some(entry) = entry else {
            return Err(self.tags_overlap_header(tag));
        };
        if entry.len == 0 {
            return Ok((&[], entry));
        }
        let start = self.layout.size.header_len() + entry.offset;
        let end = start + entry.len;
        match self.bytes.get(start..end) {
            Some(line) if end <= data_end => Ok((line, entry)),
            _ => Err(self.line_outside(tag, start, end, data_end)),
        }
    }

    /// The external header: tag 0.
    pub fn external_header(&self) -> Result<&'a [u8], Fault> {
        if self.layout.header.tag_count == 0 {
            return Ok(&[]);
        }
        self.line(0)
    }

    /// The external header of a root page that is not the root of a space tree.
    pub fn root_header(&self) -> Result<super::RootHeader, Fault> {
        super::RootHeader::read(self.layout.number, self.external_header()?)
    }

    /// The key prefix that the page's nodes may share.
    pub fn prefix(&self) -> &'a [u8] {
        let (start, end) = self.layout.prefix;
        self.bytes
            .get(usize::from(start)..usize::from(end))
            .unwrap_or_default()
    }

    /// The node `index`, counted from 0 after the reserved tags.
    #[inline]
    pub fn node(&self, index: usize) -> Result<Node<'a>, Fault> {
        let tag = index + usize::from(self.layout.header.reserved_tags);
        let (line, entry) = self.tagged_line(tag)?;
        let flags = if self.layout.size.is_large() {
            line.get(1).map_or(0, |byte| byte >> 5)
        } else {
            entry.flags
        };
        let prefix = self.prefix();
        Node::parse(line, NodeFlags(flags), prefix)
            .map_err(|problem| problem.fault(self.layout.number, tag, line.len(), prefix.len()))
    }

    /// The nodes in order.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = Result<Node<'a>, Fault>> + use<'a> {
        let page = *self;
        (0..self.node_count()).map(move |index| page.node(index))
    }

    /// The child page of the node `index` of a branch page.
    pub fn child(&self, index: usize) -> Result<Pgno, Fault> {
        let node = self.node(index)?;
        node.child().ok_or_else(|| {
            let found = format!("{} bytes", node.data.len());
            Fault::new(
                self.layout.number,
                "branch node",
                "a page number of 4 bytes",
                found,
            )
            .at_tag(index + 1)
        })
    }

    /// Finds the first node that is not less than `key` followed by `data`, by binary search;
    /// returns the number of nodes if all are less. In trees with unique keys, `data` is empty.
    ///
    /// The second value is whether that node is equal.
    pub fn seek(&self, key: &[u8], data: &[u8]) -> Result<(usize, bool), Fault> {
        let non_unique = !data.is_empty();
        let (mut low, mut high) = (0, self.node_count());
        let mut equal = false;
        while low < high {
            let middle = low + (high - low) / 2;
            let node = self.node(middle)?;
            let order = match node.key.cmp_pieces(&[key]) {
                Ordering::Equal if non_unique => node.data.cmp(data),
                order => order,
            };
            if order == Ordering::Less {
                low = middle + 1;
            } else {
                high = middle;
                equal = order == Ordering::Equal;
            }
        }
        Ok((low, equal))
    }

    /// Finds the node of a branch page whose child holds, or would hold, `key` followed by `data`.
    ///
    /// A separator is greater than everything below it; the null key at the end of a level means
    /// infinity.
    pub fn seek_branch(&self, key: &[u8], data: &[u8]) -> Result<usize, Fault> {
        let (mut low, mut high) = (0, self.node_count().saturating_sub(1));
        while low < high {
            let middle = low + (high - low) / 2;
            let separator: Key<'_> = self.node(middle)?.key;
            let beyond =
                separator.is_empty() || separator.cmp_pieces(&[key, data]) == Ordering::Greater;
            if beyond {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok(low)
    }

    #[cold]
    fn no_such_tag(&self, tag: usize) -> Fault {
        let expected = format!("one of {} tags", self.layout.header.tag_count);
        Fault::new(
            self.layout.number,
            "tag array",
            expected,
            format!("tag {tag}"),
        )
        .at_tag(tag)
    }

    #[cold]
    fn tags_overlap_header(&self, tag: usize) -> Fault {
        let expected = format!("an array inside a page of {} bytes", self.bytes.len());
        let found = format!("{} tags", self.layout.header.tag_count);
        Fault::new(self.layout.number, "tag array", expected, found).at_tag(tag)
    }

    #[cold]
    fn line_outside(&self, tag: usize, start: usize, end: usize, data_end: usize) -> Fault {
        let expected = format!("a line between the header and byte {data_end}");
        Fault::new(
            self.layout.number,
            "tag",
            expected,
            format!("bytes {start} to {end}"),
        )
        .at_tag(tag)
    }
}
