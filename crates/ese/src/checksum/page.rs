//! The checksum of a database page: its place, the bytes that it covers, and the meaning of a
//! mismatch.

use super::{double_word, ecc, header_checksum, is_zero, word};
use std::fmt;

/// The page flag for exclusive-or and error-correcting code instead of the old exclusive-or alone.
pub const NEW_CHECKSUM_FLAG: u32 = 0x2000;

/// The largest page with a single checksum.
const SMALL_PAGE: usize = 8 << 10;
/// Offset of the page flags.
const FLAGS: usize = 36;
/// Offset of the checksums of the second to fourth block of a large page.
const BLOCK_CHECKSUMS: usize = 40;
/// Offset of the page number of a large page.
const PAGE_NUMBER: usize = 64;

/// A page's checksum: one value in small pages, four in large ones (unused ones are zero).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PageChecksum(pub [u64; 4]);

impl fmt::Display for PageChecksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, rest @ ..] = self.0;
        write!(f, "{first:#018x}")?;
        if rest != [0; 3] {
            for value in rest {
                write!(f, ":{value:#018x}")?;
            }
        }
        Ok(())
    }
}

/// The result of the check of one page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PageVerdict {
    /// The checksum is right.
    Sound,
    /// Every byte is zero: the file was extended and the page never written. Not damage.
    Uninitialised,
    /// The checksum is right, but a large page holds another page number.
    WrongNumber {
        /// The page number in the page.
        stored: u32,
    },
    /// The checksum is wrong.
    Bad(Box<BadChecksum>),
}

/// A page whose content contradicts its checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadChecksum {
    /// The stored checksum.
    pub expected: PageChecksum,
    /// The checksum of the page's content.
    pub actual: PageChecksum,
    /// The flipped bits located by the error-correcting code, as offsets in bits from the start of
    /// the page: at most one in each block. With these corrected the page is sound. Empty if the
    /// damage is larger.
    pub correctable_bits: Vec<u32>,
    /// The likely number of the page, if only the number in the checksum differs: a page written to
    /// the wrong place.
    pub belongs_to: Option<u32>,
}

/// Checks page `number`. The slice is the whole page: 2, 4, 8, 16 or 32 KiB.
///
/// By the engine's own rule pages of zeros are not damage; all others must have the right checksum.
pub fn verify_page(page: &[u8], number: u32) -> PageVerdict {
    let expected = stored(page);
    let actual = computed(page, number);
    if expected == actual {
        let stored = word(page, PAGE_NUMBER);
        return match page.len() > SMALL_PAGE && stored != number {
            true => PageVerdict::WrongNumber { stored },
            false => PageVerdict::Sound,
        };
    }
    if is_zero(page) {
        return PageVerdict::Uninitialised;
    }
    PageVerdict::Bad(Box::new(BadChecksum {
        expected,
        actual,
        correctable_bits: correctable_bits(page, number),
        belongs_to: belongs_to(page, expected, actual, number),
    }))
}

/// Seals the page as page `number`: writes the checksum, and the page number if the page holds it.
/// The page's flags determine the old or the new checksum; large pages must have the flag set.
pub fn seal_page(page: &mut [u8], number: u32) {
    if page.len() > SMALL_PAGE {
        put(page, PAGE_NUMBER, &number.to_le_bytes());
        let blocks = computed(page, number);
        for (offset, value) in (BLOCK_CHECKSUMS..).step_by(8).zip(&blocks.0[1..]) {
            put(page, offset, &value.to_le_bytes());
        }
    }
    // The old exclusive-or covers the page number behind it.
    put(page, 4, &number.to_le_bytes());
    let [first, ..] = computed(page, number).0;
    put(page, 0, &first.to_le_bytes());
}

fn put(page: &mut [u8], offset: usize, bytes: &[u8]) {
    if let Some(place) = page.get_mut(offset..offset + bytes.len()) {
        place.copy_from_slice(bytes);
    }
}

/// The stored checksum.
fn stored(page: &[u8]) -> PageChecksum {
    let mut values = [double_word(page, 0), 0, 0, 0];
    if page.len() > SMALL_PAGE {
        for (value, offset) in values[1..].iter_mut().zip((BLOCK_CHECKSUMS..).step_by(8)) {
            *value = double_word(page, offset);
        }
    }
    PageChecksum(values)
}

/// The checksum of the page's content.
fn computed(page: &[u8], number: u32) -> PageChecksum {
    let mut values = [0; 4];
    if word(page, FLAGS) & NEW_CHECKSUM_FLAG == 0 {
        values[0] = u64::from(number) << 32 | u64::from(header_checksum(page));
    } else {
        for ((value, block), first) in values.iter_mut().zip(blocks(page)).zip(is_first()) {
            *value = ecc(block, number, first);
        }
    }
    PageChecksum(values)
}

/// The blocks with a checksum of their own: the page, or the quarters of a large one.
fn blocks(page: &[u8]) -> std::slice::Chunks<'_, u8> {
    page.chunks(block_length(page))
}

fn block_length(page: &[u8]) -> usize {
    match page.len() {
        0..=SMALL_PAGE => page.len().max(1),
        large => large.div_ceil(4),
    }
}

fn is_first() -> impl Iterator<Item = bool> {
    std::iter::once(true).chain(std::iter::repeat(false))
}

/// The bits located by the error-correcting codes; empty unless their correction makes the whole
/// page sound.
fn correctable_bits(page: &[u8], number: u32) -> Vec<u32> {
    if word(page, FLAGS) & NEW_CHECKSUM_FLAG == 0 {
        return Vec::new();
    }
    let mut bits = Vec::new();
    let mut repaired = page.to_vec();
    let block_bits = block_length(page) as u32 * 8;
    // The first block holds the other blocks' checksums, so it is corrected before these are
    // checked.
    for (index, block_number) in (0..4).zip(0..) {
        let (expected, actual) = (stored(&repaired), computed(&repaired, number));
        let (expected, actual) = (expected.0[index], actual.0[index]);
        if expected == actual {
            continue;
        }
        let Some(bit) = flipped_bit(expected, actual, block_bits) else {
            return Vec::new();
        };
        let bit = block_number * block_bits + bit;
        if let Some(byte) = repaired.get_mut(bit as usize / 8) {
            *byte ^= 1 << (bit % 8);
        }
        bits.push(bit);
    }
    match stored(&repaired) == computed(&repaired, number) {
        true => bits,
        false => Vec::new(),
    }
}

/// The flipped bit of a block, if the checksums differ as after a single flip: index and complement
/// in the code, and one bit in the exclusive-or.
fn flipped_bit(expected: u64, actual: u64, block_bits: u32) -> Option<u32> {
    let difference = expected ^ actual;
    let (code, xor) = ((difference >> 32) as u32, difference as u32);
    let mask = block_bits.wrapping_sub(1);
    let index = code & 0xffff;
    let single = (code >> 16 ^ index) & mask == mask && xor.count_ones() == 1;
    (single && index < block_bits).then_some(index)
}

/// The page number with which all of the page's checksums are right, if there is one.
fn belongs_to(
    page: &[u8],
    expected: PageChecksum,
    actual: PageChecksum,
    number: u32,
) -> Option<u32> {
    let [expected, actual] = [expected.0[0], actual.0[0]];
    let other = match word(page, FLAGS) & NEW_CHECKSUM_FLAG {
        0 => (expected >> 32) as u32,
        _ if expected >> 32 == actual >> 32 => (expected ^ actual) as u32 ^ number,
        _ => return None,
    };
    (other != number && other != 0 && stored(page) == computed(page, other)).then_some(other)
}
