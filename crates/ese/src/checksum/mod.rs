//! The checksums of pages and headers.
//!
//! | what | checksum |
//! | --- | --- |
//! | headers of databases, logs, checkpoints; patch pages | [`header_checksum`]: exclusive-or |
//! | pages of old formats ([`NEW_CHECKSUM_FLAG`] not set) | the same, then the page number |
//! | pages of 2, 4 and 8 KiB | exclusive-or and error-correcting code over the page ([`ecc`]) |
//! | pages of 16 and 32 KiB | four of those, one for each quarter of the page |
//!
//! The error-correcting code locates a single flipped bit of a block. Source: the engine's
//! `checksum.cxx` and `checksumu.cxx`, and libesedb's format description.

mod page;
mod simd;
mod sums;
#[cfg(test)]
mod tests;

pub use page::{BadChecksum, NEW_CHECKSUM_FLAG, PageChecksum, PageVerdict, seal_page, verify_page};

/// Start value of the exclusive-or over headers and pages of old formats.
const HEADER_SEED: u32 = 0x89ab_cdef;

/// The checksum of a header: the exclusive-or of all little-endian 32-bit words except the first,
/// which holds the checksum itself, and of `0x89abcdef`.
pub fn header_checksum(header: &[u8]) -> u32 {
    HEADER_SEED ^ simd::xor(header) ^ word(header, 0)
}

/// The checksum in a header's first four bytes.
pub fn stored_header_checksum(header: &[u8]) -> u32 {
    word(header, 0)
}

/// Exclusive-or (low half) and error-correcting code (high half) of a block of page `number`.
///
/// `number` is part of the exclusive-or, so a page at the wrong place is detected. With
/// `skip_first_word` the first eight bytes, where the checksum itself is, count as zero. The
/// block's length must be a power of two from 64 to 8192 bytes. Segments of transaction logs use
/// the same code.
pub fn ecc(block: &[u8], number: u32, skip_first_word: bool) -> u64 {
    let mut sums = simd::sums(block);
    if skip_first_word {
        sums = sums.without_first_word(double_word(block, 0));
    }
    u64::from(sums.ecc(block.len())) << 32 | u64::from(sums.xor() ^ number)
}

/// Whether every byte is zero, as in a page that was allocated and never written.
pub fn is_zero(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<128>();
    words
        .iter()
        .all(|chunk| chunk.iter().fold(0, |sum, byte| sum | byte) == 0)
        && rest.iter().all(|byte| *byte == 0)
}

/// The little-endian 32-bit word at `offset`; zero past the end.
fn word(bytes: &[u8], offset: usize) -> u32 {
    bytes
        .get(offset..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |word| u32::from_le_bytes(*word))
}

/// The little-endian 64-bit word at `offset`; zero past the end.
fn double_word(bytes: &[u8], offset: usize) -> u64 {
    bytes
        .get(offset..)
        .and_then(|rest| rest.first_chunk())
        .map_or(0, |word| u64::from_le_bytes(*word))
}
