//! A 4096-byte segment of a log file (LGSEGHDR of `inc/_logstream.hxx`): its header and its
//! checksum.

use crate::checksum::{ecc, header_checksum, is_zero};
use crate::header::Lgpos;
use zerocopy::FromBytes;

/// The size of a segment's header in bytes: checksum, position, time of first use, reserved, flags.
pub(super) const SEGMENT_HEADER_SIZE: usize = 40;

/// The size of a segment in bytes, header included.
pub(super) const SEGMENT_SIZE: usize = 4096;

/// The flag (as in database pages) for a checksum of the XOR+ECC kind; every segment has it.
const FLAG_ECC: u32 = 0x2000;

/// The state of a segment by its checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// All bytes are zero: never written.
    Zero,
    /// The checksum is right for this place.
    Here(Lgpos),
    /// The checksum is right for the place before: the spare copy of a partly filled segment.
    Shadow(Lgpos),
    /// The checksum is wrong for both places.
    Bad {
        /// The checksum in the segment.
        stored: u64,
        /// The checksum of its content at this place.
        computed: u64,
    },
}

/// Judges the segment at place `sector` of its file.
pub(super) fn judge(segment: &[u8; SEGMENT_SIZE], sector: u32) -> Standing {
    let stored = stored_checksum(segment);
    if stored == 0 && is_zero(segment) {
        return Standing::Zero;
    }
    let computed = match carries_code(segment) {
        false => u64::from(sector) << 32 | u64::from(header_checksum(segment)),
        true => ecc(segment, sector, true),
    };
    if stored == computed {
        return Standing::Here(place(segment));
    }
    // The number of the place affects the low half only.
    if carries_code(segment) && stored == computed ^ u64::from(sector ^ sector.wrapping_sub(1)) {
        return Standing::Shadow(place(segment));
    }
    Standing::Bad { stored, computed }
}

/// Corrects a single flipped bit of a bad segment and judges the segment again: first as the one of
/// its place, then as the spare copy of the one before. Also returns the number of the bit, counted
/// from the start of the segment.
pub(super) fn correct(segment: &[u8; SEGMENT_SIZE], sector: u32) -> Option<(Standing, usize)> {
    if !carries_code(segment) {
        return None;
    }
    let mut mended = *segment;
    [sector, sector.wrapping_sub(1)]
        .into_iter()
        .find_map(|place| {
            let bit = flipped_bit(stored_checksum(segment), ecc(segment, place, true))?;
            mended[bit / 8] ^= 1 << (bit % 8);
            match judge(&mended, sector) {
                standing @ (Standing::Here(_) | Standing::Shadow(_)) => Some((standing, bit)),
                _ => {
                    mended = *segment;
                    None
                }
            }
        })
}

/// Whether the checksum is of the kind that locates a flipped bit.
fn carries_code(segment: &[u8; SEGMENT_SIZE]) -> bool {
    let flags = u32::from_le_bytes(segment[36..40].try_into().expect("four bytes"));
    flags & FLAG_ECC != 0
}

/// The checksum in the segment's first eight bytes.
pub(super) fn stored_checksum(segment: &[u8; SEGMENT_SIZE]) -> u64 {
    u64::from_le_bytes(segment[..8].try_into().expect("eight bytes"))
}

/// The bit whose flip explains the difference of two checksums, counted from the start of the
/// segment.
pub(super) fn flipped_bit(stored: u64, computed: u64) -> Option<usize> {
    const MASK: u32 = (SEGMENT_SIZE as u32) * 8 - 1;
    let difference = stored ^ computed;
    let ecc = (difference >> 32) as u32;
    let one_bit = (difference as u32).count_ones() == 1;
    (one_bit && ((ecc >> 16) ^ ecc) & MASK == MASK).then_some((ecc & MASK) as usize)
}

fn place(segment: &[u8; SEGMENT_SIZE]) -> Lgpos {
    Lgpos::read_from_bytes(&segment[8..16]).expect("eight bytes")
}
