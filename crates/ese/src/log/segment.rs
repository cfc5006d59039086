//! One 4096-byte segment of a log file (LGSEGHDR of `inc/_logstream.hxx`): its header and its checksum.

use crate::checksum::{ecc, header_checksum, is_zero};
use crate::header::Lgpos;
use zerocopy::FromBytes;

/// Bytes of a segment's header: checksum, position, time of first use, reserved, flags.
pub(super) const SEGMENT_HEADER_SIZE: usize = 40;

/// Bytes of a segment, header included.
pub(super) const SEGMENT_SIZE: usize = 4096;

/// The flag (as in database pages) that says the checksum is of the XOR+ECC kind; every segment has it.
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
    let flags = u32::from_le_bytes(segment[36..40].try_into().expect("four bytes"));
    let computed = match flags & FLAG_ECC {
        0 => u64::from(sector) << 32 | u64::from(header_checksum(segment)),
        _ => ecc(segment, sector, true),
    };
    if stored == computed {
        return Standing::Here(place(segment));
    }
    // The number of the place goes into the low half only.
    if flags & FLAG_ECC != 0 && stored == computed ^ u64::from(sector ^ sector.wrapping_sub(1)) {
        return Standing::Shadow(place(segment));
    }
    Standing::Bad { stored, computed }
}

/// The checksum in the segment's first eight bytes.
pub(super) fn stored_checksum(segment: &[u8; SEGMENT_SIZE]) -> u64 {
    u64::from_le_bytes(segment[..8].try_into().expect("eight bytes"))
}

/// The bit whose flip explains the difference of two checksums, counted from the start of the segment.
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
