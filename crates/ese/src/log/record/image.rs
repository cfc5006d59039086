//! The page images in records of splits and merges, which are stored in a short form.

use super::BeforeImage;
use crate::compression;
use crate::page::{PageHeader, PageSize, Tag};

impl BeforeImage<'_> {
    /// Expands the image to the whole page; `None` if it is invalid.
    pub(crate) fn expand(self, size: PageSize) -> Option<Box<[u8]>> {
        let mut bytes = Vec::with_capacity(size.bytes());
        match self.has(BeforeImage::FLAG_XPRESS) {
            true => compression::decompress(self.bytes, &mut bytes).ok()?,
            false => bytes.extend_from_slice(self.bytes),
        }
        if self.has(BeforeImage::FLAG_DEHYDRATED) {
            rehydrate(&mut bytes, size)?;
        }
        (bytes.len() == size.bytes()).then(|| bytes.into())
    }
}

/// Restores the gap between the data and the tags.
fn rehydrate(bytes: &mut Vec<u8>, size: PageSize) -> Option<()> {
    const FREE: usize = 28;
    let header = PageHeader::read(bytes, size)?;
    let tags = usize::from(header.tag_count) * Tag::LEN;
    let short = bytes.len();
    let grown = size.bytes().checked_sub(short)?;
    let from = short.checked_sub(tags)?;
    bytes.resize(size.bytes(), 0);
    bytes.copy_within(from..short, from + grown);
    let gap_end = from + grown;
    bytes.get_mut(from..gap_end.min(short))?.fill(0);
    let free = usize::from(header.free).checked_add(grown)?;
    let free = u16::try_from(free).ok()?;
    bytes
        .get_mut(FREE..FREE + 2)?
        .copy_from_slice(&free.to_le_bytes());
    Some(())
}
