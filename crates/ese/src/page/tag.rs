//! Tags: the array at the end of a page with the place of each line (`CPAGE::TAG` in `cpage.hxx`).

use super::PageSize;

/// An entry of the tag array: the place of a line, and on pages up to 8 KiB the node's flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tag {
    /// The offset of the line from the end of the page header, in bytes.
    pub offset: usize,
    /// The length of the line in bytes.
    pub len: usize,
    /// The three flag bits. Pages of 16 and 32 KiB keep them in the line instead, so here they are
    /// 0.
    pub flags: u8,
}

impl Tag {
    /// The size of an entry in bytes.
    pub const LEN: usize = 4;

    const SMALL_MASK: u16 = 0x1fff;
    const LARGE_MASK: u16 = 0x7fff;

    /// Reads entry `index`, counted from the page's end; `None` if the page is too short for it.
    #[inline]
    pub fn read(page: &[u8], size: PageSize, index: usize) -> Option<Self> {
        let end = page.len().checked_sub(index.checked_mul(Self::LEN)?)?;
        let entry = page.get(end.checked_sub(Self::LEN)?..end)?;
        let [a, b, c, d] = *entry.first_chunk::<4>()?;
        Some(Self::decode([a, b, c, d], size))
    }

    /// Decodes an entry.
    #[inline]
    pub fn decode(entry: [u8; 4], size: PageSize) -> Self {
        let len = u16::from_le_bytes([entry[0], entry[1]]);
        let offset = u16::from_le_bytes([entry[2], entry[3]]);
        if size.is_large() {
            Self {
                offset: usize::from(offset & Self::LARGE_MASK),
                len: usize::from(len & Self::LARGE_MASK),
                flags: 0,
            }
        } else {
            Self {
                offset: usize::from(offset & Self::SMALL_MASK),
                len: usize::from(len & Self::SMALL_MASK),
                flags: (offset >> 13) as u8,
            }
        }
    }

    /// Encodes the entry; `None` if a field does not fit the page size's form.
    pub fn encode(self, size: PageSize) -> Option<[u8; 4]> {
        let mask = if size.is_large() {
            Self::LARGE_MASK
        } else {
            Self::SMALL_MASK
        };
        let len = u16::try_from(self.len)
            .ok()
            .filter(|len| len & !mask == 0)?;
        let offset = u16::try_from(self.offset)
            .ok()
            .filter(|offset| offset & !mask == 0)?;
        let flags = match (size.is_large(), self.flags) {
            (true, 0) => 0,
            (false, flags @ 0..=7) => u16::from(flags) << 13,
            _ => return None,
        };
        let [a, b] = len.to_le_bytes();
        let [c, d] = (offset | flags).to_le_bytes();
        Some([a, b, c, d])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn encoding_and_decoding_agree(
            offset in 0usize..0x1fff,
            len in 0usize..0x1fff,
            flags in 0u8..8
        ) {
            let small = PageSize::new(8192).unwrap();
            let tag = Tag { offset, len, flags };
            prop_assert_eq!(Tag::decode(tag.encode(small).unwrap(), small), tag);

            let large = PageSize::new(32768).unwrap();
            let tag = Tag { offset: offset * 4, len: len * 4, flags: 0 };
            prop_assert_eq!(Tag::decode(tag.encode(large).unwrap(), large), tag);
        }
    }

    #[test]
    fn a_field_that_does_not_fit_is_refused() {
        let small = PageSize::new(4096).unwrap();
        let large = PageSize::new(16384).unwrap();
        assert_eq!(
            Tag {
                offset: 0x2000,
                len: 1,
                flags: 0
            }
            .encode(small),
            None
        );
        assert_eq!(
            Tag {
                offset: 0,
                len: 0x8000,
                flags: 0
            }
            .encode(large),
            None
        );
        assert_eq!(
            Tag {
                offset: 0,
                len: 1,
                flags: 1
            }
            .encode(large),
            None
        );
    }
}
