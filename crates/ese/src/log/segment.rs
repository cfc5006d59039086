//! One 4096-byte segment of a log file (LGSEGHDR of `inc/_logstream.hxx`): its header and its checksum.

use super::Lgpos;

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
    if stored == 0 && segment.iter().all(|byte| *byte == 0) {
        return Standing::Zero;
    }
    let (parity, xor) = parities(segment);
    let flags = u32::from_le_bytes(segment[36..40].try_into().expect("four bytes"));
    let computed = |sector: u32| match flags & FLAG_ECC {
        0 => u64::from(sector) << 32 | u64::from(xor ^ (stored >> 32) as u32 ^ 0x89ab_cdef),
        _ => parity << 32 | u64::from(xor ^ sector),
    };
    if stored == computed(sector) {
        Standing::Here(place(segment))
    } else if stored == computed(sector.wrapping_sub(1)) {
        Standing::Shadow(place(segment))
    } else {
        Standing::Bad {
            stored,
            computed: computed(sector),
        }
    }
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
    Lgpos::from_bytes(segment[8..16].try_into().expect("eight bytes"))
}

/// The ECC word (row parities above column parities) and the XOR of all words but the two of the checksum.
fn parities(segment: &[u8; SEGMENT_SIZE]) -> (u64, u32) {
    let mut columns = 0u32;
    let mut rows = 0u32;
    let mut odd_rows = 0u32;
    for (index, word) in segment.chunks_exact(4).enumerate().skip(2) {
        let word = u32::from_le_bytes(word.try_into().expect("four bytes"));
        columns ^= word;
        let odd = word.count_ones() & 1;
        rows ^= index as u32 & odd.wrapping_neg();
        odd_rows ^= odd;
    }
    let mut column = 0u32;
    for bit in 0..32 {
        column ^= bit & ((columns >> bit) & 1).wrapping_neg();
    }
    const ROW_MASK: u32 = SEGMENT_SIZE as u32 / 4 - 1;
    // The complementary parities differ from the plain ones only when an odd number of rows (columns) is odd.
    let rows_inverse = rows ^ odd_rows.wrapping_neg();
    let column_inverse = column ^ (columns.count_ones() & 1).wrapping_neg();
    let ecc = (rows_inverse & ROW_MASK) << 21
        | (column_inverse & 31) << 16
        | (rows & ROW_MASK) << 5
        | (column & 31);
    (ecc.into(), columns)
}
