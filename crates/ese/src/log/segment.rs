//! One 4096-byte segment of a log file (LGSEGHDR of `inc/_logstream.hxx`): its header and its
//! checksum.

use crate::checksum::{ecc, header_checksum, is_zero};
use crate::header::Lgpos;
use zerocopy::FromBytes;

/// Bytes of a segment's header: checksum, position, time of first use, reserved, flags.
pub(super) const SEGMENT_HEADER_SIZE: usize = 40;

/// Bytes of a segment, header included.
pub(super) const SEGMENT_SIZE: usize = 4096;

/// The flag (as in database pages) that says the checksum is of the XOR+ECC kind; every segment has
/// it.
const FLAG_ECC: u32 = 0x2000;

/// Why a segment does not belong where it stands, or that it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// All bytes zero: never written.
    Zero,
    /// The checksum is right for this place.
    Here(Lgpos),
    /// The checksum is right for the place before: the spare copy of a partly filled segment.
    Shadow(Lgpos),
    /// The checksum is right for no place.
    Bad {
        /// What stands in the segment.
        stored: u64,
        /// What its content and place demand.
        computed: u64,
    },
}

/// Judges the segment that stands at number `sector` of its file.
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
    // The number of the place goes into the low half only.
    if carries_code(segment) && stored == computed ^ u64::from(sector ^ sector.wrapping_sub(1)) {
        return Standing::Shadow(place(segment));
    }
    Standing::Bad { stored, computed }
}

/// Mends a bad segment in which a single bit was flipped, and judges it again: as the one of its
/// place first, then as the spare copy of the one before. The number of the bit comes with it,
/// counted from the start of the segment.
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

/// Whether the checksum is of the kind that names a flipped bit.
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
