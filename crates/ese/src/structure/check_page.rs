//! Checks the inside of a page: checksum, header, tags.

use crate::checksum::{PageVerdict, verify_page};
use crate::page::{Fault, PageSize, PageView, Tag};

/// The bytes of a page, one bit each.
pub(super) struct ByteMap([u64; PageSize::MAX / 64]);

impl ByteMap {
    pub const fn new() -> Self {
        Self([0; PageSize::MAX / 64])
    }

    fn clear(&mut self, len: usize) {
        self.0[..len.div_ceil(64)].fill(0);
    }

    /// Sets the bits of `start..end`, and returns whether one of them was already set.
    #[inline]
    fn take(&mut self, start: usize, end: usize) -> bool {
        let (first, last) = (start / 64, (end - 1) / 64);
        let head = u64::MAX << (start % 64);
        let tail = u64::MAX >> (63 - (end - 1) % 64);
        let mut taken = 0;
        let mut set = |word: usize, mask: u64| {
            taken |= self.0[word] & mask;
            self.0[word] |= mask;
        };
        if first == last {
            set(first, head & tail);
        } else {
            set(first, head);
            for word in first + 1..last {
                set(word, u64::MAX);
            }
            set(last, tail);
        }
        taken != 0
    }
}

/// Returns the fault of a page's checksum.
pub(super) fn checksum(bytes: &[u8], number: u32) -> Option<Fault> {
    let fault = |expected: String, found: String| Some(Fault::new(number, "page", expected, found));
    match verify_page(bytes, number) {
        PageVerdict::Sound | PageVerdict::Uninitialised => None,
        PageVerdict::WrongNumber { stored } => fault(
            format!("page number {number}"),
            format!("page number {stored}"),
        ),
        PageVerdict::Bad(bad) => fault(
            format!("checksum {}", bad.expected),
            format!("checksum {}", bad.actual),
        ),
    }
}

/// Returns the fault of a page's header and tags, as far as the page's tree is not needed to find
/// it.
pub(super) fn inside(page: PageView<'_>, map: &mut ByteMap) -> Option<Fault> {
    let header = page.header();
    let fault = |what, expected: String, found: String| {
        Some(Fault::new(page.number(), what, expected, found))
    };
    let tags = usize::from(header.tag_count);
    let data_len = page.size().bytes() - page.size().header_len();
    if tags == 0 && !header.flags.is_empty() && !header.flags.is_pre_init() {
        return fault(
            "tag array",
            "at least the external header".into(),
            "no tag".into(),
        );
    }
    if tags * Tag::LEN >= data_len {
        return fault(
            "tag array",
            format!("tags inside the {data_len} bytes after the header"),
            format!("{tags} tags"),
        );
    }
    let data_end = data_len - tags * Tag::LEN;
    map.clear(data_len);
    let (mut total, mut highest) = (0, 0);
    for index in 0..tags {
        let Some(tag) = Tag::read(page.bytes(), page.size(), index) else {
            return fault(
                "tag array",
                "a tag inside the page".into(),
                format!("tag {index}"),
            );
        };
        if tag.len == 0 {
            if index >= usize::from(header.reserved_tags) {
                return fault(
                    "tag",
                    "a node of at least one byte".into(),
                    "0 bytes".into(),
                )
                .map(|fault| fault.at_tag(index));
            }
            continue;
        }
        let end = tag.offset + tag.len;
        if end > data_end {
            let expected = format!("a line inside the {data_end} bytes between header and tags");
            return fault("tag", expected, format!("bytes {} to {end}", tag.offset))
                .map(|fault| fault.at_tag(index));
        }
        if map.take(tag.offset, end) {
            let found = format!("bytes {} to {end}, which overlap another line", tag.offset);
            return fault("tag", "a line of its own".into(), found)
                .map(|fault| fault.at_tag(index));
        }
        total += tag.len;
        highest = highest.max(end);
    }
    let free = data_end - total;
    if usize::from(header.free) != free {
        return fault(
            "page header",
            format!("{free} free bytes"),
            format!("{} free bytes", header.free),
        );
    }
    if usize::from(header.first_free) < highest || usize::from(header.first_free) > data_len {
        let found = format!("{}", header.first_free);
        return fault(
            "page header",
            format!("an end of the data from {highest} to {data_len}"),
            found,
        );
    }
    if header.uncommitted_free > header.free {
        let found = format!("{} uncommitted free bytes", header.uncommitted_free);
        return fault(
            "page header",
            format!("at most {free} uncommitted free bytes"),
            found,
        );
    }
    None
}
