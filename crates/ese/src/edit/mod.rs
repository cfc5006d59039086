//! Changes a page: its header, its tag array and its lines, as the engine's `cpage.cxx` does.
//!
//! The content of a page is never trusted: an invalid tag or count is a [`Fault`], not a panic.

mod node;
mod space_header;

pub(crate) use node::{LooseNode, same_key};
pub(crate) use space_header::NewSpaceHeader;

use std::borrow::Cow;

use crate::page::{Fault, PageFlags, PageSize, PageView, Pgno, Tag};

/// Offsets of the header's fields (`PGHDR` in `cpage.hxx`).
mod field {
    pub const DBTIME: usize = 8;
    pub const PREVIOUS: usize = 16;
    pub const NEXT: usize = 20;
    pub const OBJECT: usize = 24;
    pub const FREE: usize = 28;
    pub const UNCOMMITTED_FREE: usize = 30;
    pub const FIRST_FREE: usize = 32;
    pub const TAG_STATE: usize = 34;
    pub const FLAGS: usize = 36;
    pub const NUMBER: usize = 64;
}

const TAG_COUNT: u16 = 0x0fff;
const FLAG_EMPTY: u32 = 0x0008;
const FLAG_NEW_RECORD_FORMAT: u32 = 0x0800;
const FLAG_NEW_CHECKSUM: u32 = 0x2000;
const FLAG_SCRUBBED: u32 = 0x4000;
const FLAG_PRE_INIT: u32 = 0x2_0000;
const FLAG_FDP_DELETE: u32 = 0x4_0000;

/// A page that can be changed.
#[derive(Debug, Clone)]
pub(crate) struct EditPage {
    number: Pgno,
    size: PageSize,
    bytes: Box<[u8]>,
}

impl EditPage {
    /// The page `number` with this content; `bytes` is as long as a page.
    pub fn new(number: Pgno, size: PageSize, bytes: Box<[u8]>) -> Self {
        debug_assert_eq!(bytes.len(), size.bytes());
        EditPage {
            number,
            size,
            bytes,
        }
    }

    pub fn zeroed(number: Pgno, size: PageSize) -> Self {
        EditPage::new(number, size, vec![0; size.bytes()].into())
    }

    pub fn number(&self) -> Pgno {
        self.number
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// A view of the page in its present state.
    pub fn view(&self) -> Result<PageView<'_>, Fault> {
        PageView::new(&self.bytes, self.number)
    }

    // --- header ----------------------------------------------------------------------------------

    pub fn dbtime(&self) -> u64 {
        u64::from_le_bytes(self.array(field::DBTIME))
    }

    pub fn set_dbtime(&mut self, dbtime: u64) {
        self.put(field::DBTIME, &dbtime.to_le_bytes());
    }

    pub fn set_next(&mut self, page: Pgno) {
        self.put(field::NEXT, &page.to_le_bytes());
    }

    pub fn set_previous(&mut self, page: Pgno) {
        self.put(field::PREVIOUS, &page.to_le_bytes());
    }

    pub fn object(&self) -> u32 {
        self.u32(field::OBJECT)
    }

    pub fn flags(&self) -> PageFlags {
        PageFlags(self.u32(field::FLAGS))
    }

    pub fn set_flags(&mut self, flags: u32) {
        self.put(field::FLAGS, &flags.to_le_bytes());
    }

    /// Sets all flags to those of a split record; the mark of a deleted tree stays.
    pub fn set_split_flags(&mut self, flags: u32) {
        let kept = self.flags().0 & FLAG_FDP_DELETE;
        self.set_flags(flags | kept);
    }

    pub fn add_flags(&mut self, flags: u32) {
        self.set_flags(self.flags().0 | flags);
    }

    pub fn remove_flags(&mut self, flags: u32) {
        self.set_flags(self.flags().0 & !flags);
    }

    /// Records a change at `dbtime`. Uncommitted free space is set to 0: after recovery there is
    /// none.
    pub fn touch(&mut self, dbtime: u64) {
        self.set_dbtime(dbtime);
        self.put(field::UNCOMMITTED_FREE, &[0, 0]);
        self.remove_flags(FLAG_SCRUBBED);
    }

    /// Marks the page's unused parts as overwritten.
    pub fn set_scrubbed(&mut self) {
        self.add_flags(FLAG_SCRUBBED);
    }

    /// The number of free bytes, contiguous or not.
    pub fn free(&self) -> usize {
        self.u16(field::FREE).into()
    }

    fn set_free(&mut self, free: usize) -> Result<(), Fault> {
        let free = self.small(free, "free bytes")?;
        self.put(field::FREE, &free.to_le_bytes());
        Ok(())
    }

    fn first_free(&self) -> usize {
        self.u16(field::FIRST_FREE).into()
    }

    fn set_first_free(&mut self, offset: usize) -> Result<(), Fault> {
        let offset = self.small(offset, "end of the data")?;
        self.put(field::FIRST_FREE, &offset.to_le_bytes());
        Ok(())
    }

    /// The number of tags, with the external header's.
    pub fn tag_count(&self) -> usize {
        (self.u16(field::TAG_STATE) & TAG_COUNT).into()
    }

    fn set_tag_count(&mut self, count: usize) -> Result<(), Fault> {
        let state = self.u16(field::TAG_STATE);
        let new = u16::try_from(count)
            .ok()
            .filter(|count| *count <= TAG_COUNT)
            .ok_or_else(|| self.fault("tag array", "at most 4095 tags", format!("{count} tags")))?;
        self.put(field::TAG_STATE, &(state & !TAG_COUNT | new).to_le_bytes());
        Ok(())
    }

    /// The number of nodes.
    pub fn node_count(&self) -> usize {
        self.tag_count().saturating_sub(1)
    }

    /// Fails for more reserved tags than the external header, which no public engine writes.
    pub fn check_reserved_tags(&self) -> Result<(), Fault> {
        match self.u16(field::TAG_STATE) >> 12 & 7 {
            0 | 1 => Ok(()),
            more => Err(self.fault("reserved tags", "one", more.to_string())),
        }
    }

    /// Initialises the page as a new one without content.
    pub fn initialise(&mut self, object: u32, dbtime: u64) {
        self.bytes.fill(0);
        let area = self.area() as u16;
        self.put(field::OBJECT, &object.to_le_bytes());
        self.put(field::FREE, &area.to_le_bytes());
        self.set_dbtime(dbtime);
        self.set_flags(FLAG_PRE_INIT | FLAG_NEW_RECORD_FORMAT);
        if self.size.is_large() {
            self.put(field::NUMBER, &self.number.to_le_bytes());
        }
    }

    /// Initialises the page as a new one with an empty external header and these flags.
    pub fn initialise_with_flags(&mut self, object: u32, dbtime: u64, flags: u32) {
        self.initialise(object, dbtime);
        let area = (self.area() - Tag::LEN) as u16;
        self.put(field::FREE, &area.to_le_bytes());
        self.put(field::TAG_STATE, &1u16.to_le_bytes());
        self.set_flags((flags | FLAG_NEW_RECORD_FORMAT) & !FLAG_PRE_INIT);
    }

    /// Copies the content of another page, at `dbtime`, but keeps the page's own number.
    pub fn copy_from(&mut self, other: &EditPage, dbtime: u64) {
        self.bytes.copy_from_slice(&other.bytes);
        self.set_dbtime(dbtime);
        if self.size.is_large() {
            self.put(field::NUMBER, &self.number.to_le_bytes());
        }
    }

    /// Removes all nodes and the prefix, and marks the page as empty.
    pub fn make_empty(&mut self) -> Result<(), Fault> {
        self.replace_tag(0, &[])?;
        while self.tag_count() > 1 {
            self.delete_tag(self.tag_count() - 1)?;
        }
        self.add_flags(FLAG_EMPTY);
        Ok(())
    }

    /// Writes number and checksum, as needed before the page goes to disk.
    pub fn seal(&mut self) {
        if !self.is_blank() {
            self.add_flags(FLAG_NEW_CHECKSUM);
            crate::checksum::seal_page(&mut self.bytes, self.number);
        }
    }

    /// Whether every byte is zero.
    pub fn is_blank(&self) -> bool {
        crate::checksum::is_zero(&self.bytes)
    }

    // --- tags and lines --------------------------------------------------------------------------

    /// The number of bytes between the header and the page's end.
    fn area(&self) -> usize {
        self.size.bytes() - self.size.header_len()
    }

    /// The number of bytes between the end of the data and the tag array.
    fn contiguous_free(&self) -> usize {
        (self.area())
            .saturating_sub(self.tag_count() * Tag::LEN)
            .saturating_sub(self.first_free())
    }

    fn tag(&self, index: usize) -> Result<Tag, Fault> {
        let count = self.tag_count();
        if index >= count {
            let expected = format!("one of {count} tags");
            return Err(self.fault("tag array", expected, format!("tag {index}")));
        }
        let data_end = self.area().checked_sub(count * Tag::LEN);
        let tag = Tag::read(&self.bytes, self.size, index)
            .filter(|tag| data_end.is_some_and(|end| tag.offset + tag.len <= end));
        tag.ok_or_else(|| {
            self.fault("tag", "a line inside the page", "one outside")
                .at_tag(index)
        })
    }

    fn put_tag(&mut self, index: usize, tag: Tag) -> Result<(), Fault> {
        let entry = tag.encode(self.size).ok_or_else(|| {
            self.fault("tag", "a line inside the page", format!("{tag:?}"))
                .at_tag(index)
        })?;
        let at = self.bytes.len() - (index + 1) * Tag::LEN;
        self.put(at, &entry);
        Ok(())
    }

    /// The line of a tag.
    pub fn line(&self, index: usize) -> Result<&[u8], Fault> {
        let tag = self.tag(index)?;
        let start = self.size.header_len() + tag.offset;
        Ok(&self.bytes[start..start + tag.len])
    }

    /// The mutable line of a tag.
    pub fn line_mut(&mut self, index: usize) -> Result<&mut [u8], Fault> {
        let tag = self.tag(index)?;
        let start = self.size.header_len() + tag.offset;
        Ok(&mut self.bytes[start..start + tag.len])
    }

    /// The flags of a node's line.
    pub fn line_flags(&self, index: usize) -> Result<u8, Fault> {
        if self.size.is_large() {
            Ok(self.line(index)?.get(1).map_or(0, |byte| byte >> 5))
        } else {
            Ok(self.tag(index)?.flags)
        }
    }

    /// Sets the flags of a node's line.
    pub fn set_line_flags(&mut self, index: usize, flags: u8) -> Result<(), Fault> {
        if self.size.is_large() {
            if let Some(byte) = self.line_mut(index)?.get_mut(1) {
                *byte = *byte & 0x1f | flags << 5;
            }
            Ok(())
        } else {
            let tag = self.tag(index)?;
            self.put_tag(index, Tag { flags, ..tag })
        }
    }

    /// Inserts a line, which consists of `pieces`, before the tag `index`.
    pub fn insert_tag(&mut self, index: usize, pieces: &[&[u8]], flags: u8) -> Result<(), Fault> {
        let len: usize = pieces.iter().map(|piece| piece.len()).sum();
        let count = self.tag_count();
        if index > count {
            let expected = format!("one of {} places", count + 1);
            return Err(self.fault("inserted node", expected, format!("place {index}")));
        }
        self.make_room(len + Tag::LEN)?;
        let tags = self.bytes.len() - count * Tag::LEN;
        let after = self.bytes.len() - index * Tag::LEN;
        self.bytes.copy_within(tags..after, tags - Tag::LEN);
        self.set_tag_count(count + 1)?;
        let offset = self.first_free();
        self.write_line(index, offset, pieces, flags, len)?;
        self.set_first_free(offset + len)?;
        self.set_free(self.free() - len - Tag::LEN)
    }

    /// Replaces the line of a tag; its flags stay. `pieces` are not part of the page.
    pub fn replace_tag(&mut self, index: usize, pieces: &[&[u8]]) -> Result<(), Fault> {
        let len = pieces.iter().map(|piece| piece.len()).sum();
        let flags = match index {
            0 => 0,
            _ => self.line_flags(index)?,
        };
        self.resize_tag(index, len, 0)?;
        let offset = self.tag(index)?.offset;
        self.write_line(index, offset, pieces, flags, len)
    }

    /// Changes the length of a tag's line; its first `keep` bytes stay, the others are undefined.
    pub fn resize_tag(&mut self, index: usize, len: usize, keep: usize) -> Result<(), Fault> {
        let tag = self.tag(index)?;
        let end = tag.offset + tag.len;
        let is_last = end == self.first_free();
        let grown = len.saturating_sub(tag.len);
        if grown == 0 || (is_last && grown <= self.contiguous_free().min(self.free())) {
            self.put_tag(index, Tag { len, ..tag })?;
            self.set_free(self.free() + tag.len - len)?;
            if is_last {
                self.set_first_free(tag.offset + len)?;
            }
            return Ok(());
        }
        if grown > self.free() {
            return Err(self.no_room(grown));
        }
        let kept = (keep.min(tag.len) > 0).then(|| {
            self.line(index)
                .map(|line| line[..keep.min(tag.len)].to_vec())
        });
        let kept = kept.transpose()?.unwrap_or_default();
        let nothing = Tag {
            offset: 0,
            len: 0,
            flags: tag.flags,
        };
        self.put_tag(index, nothing)?;
        self.set_free(self.free() + tag.len)?;
        self.make_room(len)?;
        let offset = self.first_free();
        self.put_tag(index, Tag { offset, len, ..tag })?;
        self.set_first_free(offset + len)?;
        self.set_free(self.free() - len)?;
        self.line_mut(index)?[..kept.len()].copy_from_slice(&kept);
        Ok(())
    }

    /// Removes a tag and its line.
    pub fn delete_tag(&mut self, index: usize) -> Result<(), Fault> {
        let tag = self.tag(index)?;
        let count = self.tag_count();
        if tag.offset + tag.len == self.first_free() {
            self.set_first_free(tag.offset)?;
        }
        let tags = self.bytes.len() - count * Tag::LEN;
        let at = self.bytes.len() - (index + 1) * Tag::LEN;
        self.bytes.copy_within(tags..at, tags + Tag::LEN);
        self.put(tags, &[0; Tag::LEN]);
        self.set_tag_count(count - 1)?;
        let free = self.free() + tag.len + Tag::LEN;
        self.set_free(free)?;
        if free + Tag::LEN == self.area() {
            self.set_first_free(0)?;
        }
        Ok(())
    }

    /// Moves the lines together and fills all unused bytes.
    pub fn overwrite_unused(&mut self, fill: u8) -> Result<(), Fault> {
        if self.tag_count() > 0 {
            self.move_lines_together()?;
        }
        let start = self.size.header_len() + self.first_free();
        let end = self.bytes.len() - self.tag_count() * Tag::LEN;
        if let Some(gap) = self.bytes.get_mut(start..end) {
            gap.fill(fill);
        }
        Ok(())
    }

    /// Makes `needed` contiguous bytes free.
    fn make_room(&mut self, needed: usize) -> Result<(), Fault> {
        if needed > self.free() {
            return Err(self.no_room(needed));
        }
        if needed > self.contiguous_free() {
            self.move_lines_together()?;
        }
        match needed <= self.contiguous_free() {
            true => Ok(()),
            false => Err(self.no_room(needed)),
        }
    }

    fn move_lines_together(&mut self) -> Result<(), Fault> {
        let mut order = Vec::with_capacity(self.tag_count());
        for index in 0..self.tag_count() {
            order.push((self.tag(index)?, index));
        }
        order.sort_unstable_by_key(|(tag, _)| (tag.offset, tag.len));
        let header = self.size.header_len();
        let mut end = 0;
        for (tag, index) in order {
            if tag.len > 0 {
                if tag.offset < end {
                    let fault = self.fault("tag", "lines that do not overlap", "an overlap");
                    return Err(fault.at_tag(index));
                }
                let start = header + tag.offset;
                (self.bytes).copy_within(start..start + tag.len, header + end);
            }
            self.put_tag(index, Tag { offset: end, ..tag })?;
            end += tag.len;
        }
        self.set_first_free(end)
    }

    fn write_line(
        &mut self,
        index: usize,
        offset: usize,
        pieces: &[&[u8]],
        flags: u8,
        len: usize,
    ) -> Result<(), Fault> {
        let tag_flags = if self.size.is_large() { 0 } else { flags };
        self.put_tag(
            index,
            Tag {
                offset,
                len,
                flags: tag_flags,
            },
        )?;
        let mut line = self.line_mut(index)?;
        for piece in pieces {
            let (place, rest) = line.split_at_mut(piece.len());
            place.copy_from_slice(piece);
            line = rest;
        }
        match index > 0 && self.size.is_large() {
            true => self.set_line_flags(index, flags),
            false => Ok(()),
        }
    }

    // --- bytes -----------------------------------------------------------------------------------

    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        let bytes = self.bytes.get(at..).and_then(|rest| rest.first_chunk());
        bytes.copied().unwrap_or([0; N])
    }

    fn u16(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.array(at))
    }

    fn u32(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.array(at))
    }

    fn put(&mut self, at: usize, value: &[u8]) {
        if let Some(place) = self.bytes.get_mut(at..at + value.len()) {
            place.copy_from_slice(value);
        }
    }

    fn small(&self, value: usize, what: &'static str) -> Result<u16, Fault> {
        (value <= self.area())
            .then_some(value as u16)
            .ok_or_else(|| self.fault(what, format!("at most {}", self.area()), value.to_string()))
    }

    #[cold]
    pub fn fault(
        &self,
        what: &'static str,
        expected: impl Into<Cow<'static, str>>,
        found: impl Into<Cow<'static, str>>,
    ) -> Fault {
        Fault::new(self.number, what, expected, found)
    }

    #[cold]
    fn no_room(&self, needed: usize) -> Fault {
        let found = format!("{} free bytes", self.free());
        self.fault("free space", format!("room for {needed} bytes"), found)
    }
}
