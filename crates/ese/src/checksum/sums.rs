//! The sums of both checksums, in portable Rust.
//!
//! Both checksums are linear: they consist of exclusive-ors. The error-correcting code needs, for
//! each bit k of a bit's index, the parity of all set bits whose index has bit k. The parity of
//! every row would cost a population count per row. Instead, rows are joined in pairs: when two
//! neighbours of a level are joined, the right one is also added to that level's accumulator. So
//! each row costs about two exclusive-ors, and parities are computed once, at the end.

/// A row: 256 bits, the width of an AVX2 register.
type Row = [u64; 4];

/// The size of a row in bytes.
const ROW: usize = 32;

/// The number of index bits within a row (2^8 bits).
const ROW_BITS: u32 = 8;

/// The number of rows that are joined without a loop, four levels deep.
const GROUP: usize = 16;

/// The number of row-index bits in an error-correcting code of 16 index bits.
const LEVELS: usize = 8;

/// The result of one pass over a block, from which its error-correcting code and its exclusive-or
/// are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sums {
    /// Exclusive-or of all rows.
    total: Row,
    /// For each bit k of the row index, the exclusive-or of the rows whose index has bit k.
    levels: [Row; LEVELS],
}

impl Sums {
    /// Passes once over the block. An incomplete last row is padded with zeros.
    #[inline(always)]
    pub(super) fn of(block: &[u8]) -> Sums {
        let mut sums = Sums {
            total: [0; 4],
            levels: [[0; 4]; LEVELS],
        };
        let (rows, rest) = block.as_chunks::<ROW>();
        let (groups, single_rows) = rows.as_chunks::<GROUP>();
        let [l0, l1, l2, l3, outer @ ..] = &mut sums.levels;
        let mut inner = [*l0, *l1, *l2, *l3];
        for (index, group) in groups.iter().enumerate() {
            let joined = join_group(group, &mut inner);
            add(&mut sums.total, joined);
            for (bit, level) in outer.iter_mut().enumerate() {
                add_masked(level, joined, index >> bit & 1 == 1);
            }
        }
        [*l0, *l1, *l2, *l3] = inner;
        let mut last = [0; ROW];
        last[..rest.len()].copy_from_slice(rest);
        let tail = single_rows.iter().chain([&last]);
        for (index, row) in tail.enumerate() {
            let index = groups.len() * GROUP + index;
            let row = load(row);
            add(&mut sums.total, row);
            for (bit, level) in sums.levels.iter_mut().enumerate() {
                add_masked(level, row, index >> bit & 1 == 1);
            }
        }
        sums
    }

    /// Removes the first eight bytes of the block. They are in row 0, which is in no level.
    pub(super) fn without_first_word(mut self, word: u64) -> Sums {
        self.total[0] ^= word;
        self
    }

    /// Exclusive-or of all 32-bit words of the block.
    pub(super) fn xor(&self) -> u32 {
        let folded = fold(&self.total);
        (folded ^ folded >> 32) as u32
    }

    /// The error-correcting code of a block of `length` bytes: in the low half the exclusive-or of
    /// the indices of all set bits, in the high half that of their complements, each with the width
    /// of an index.
    pub(super) fn ecc(&self, length: usize) -> u32 {
        /// Bit k of these words selects the bits of a 64-bit word whose index has bit k.
        const SELECT: [u64; 6] = [
            0xaaaa_aaaa_aaaa_aaaa,
            0xcccc_cccc_cccc_cccc,
            0xf0f0_f0f0_f0f0_f0f0,
            0xff00_ff00_ff00_ff00,
            0xffff_0000_ffff_0000,
            0xffff_ffff_0000_0000,
        ];
        let folded = fold(&self.total);
        let [_, w1, w2, w3] = self.total;
        let mut indices = 0;
        for (bit, select) in (0..).zip(SELECT) {
            indices |= parity(folded & select) << bit;
        }
        indices |= parity(w1 ^ w3) << 6 | parity(w2 ^ w3) << 7;
        for (bit, level) in (ROW_BITS..).zip(&self.levels) {
            indices |= parity(fold(level)) << bit;
        }
        let index_mask = length.next_power_of_two().wrapping_mul(8).wrapping_sub(1) as u32 & 0xffff;
        let complements = match parity(folded) {
            0 => indices,
            _ => indices ^ index_mask,
        };
        (complements & index_mask) << 16 | indices & index_mask
    }
}

/// Exclusive-or of all 32-bit words.
#[inline(always)]
pub(super) fn xor_of(block: &[u8]) -> u32 {
    let (rows, rest) = block.as_chunks::<ROW>();
    let (groups, single_rows) = rows.as_chunks::<4>();
    let mut lanes = [[0; 4]; 4];
    for group in groups {
        for (lane, row) in lanes.iter_mut().zip(group) {
            add(lane, load(row));
        }
    }
    let mut total = [0; 4];
    for lane in lanes {
        add(&mut total, lane);
    }
    for row in single_rows {
        add(&mut total, load(row));
    }
    let mut last = [0; ROW];
    last[..rest.len()].copy_from_slice(rest);
    add(&mut total, load(&last));
    let folded = fold(&total);
    (folded ^ folded >> 32) as u32
}

/// Joins sixteen rows, adding the right one of each pair to the accumulator of its level.
#[inline(always)]
fn join_group(rows: &[[u8; ROW]; GROUP], levels: &mut [Row; 4]) -> Row {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = rows;
    let left = join(
        join_four([a, b, c, d], levels),
        join_four([e, f, g, h], levels),
        &mut levels[2],
    );
    let right = join(
        join_four([i, j, k, l], levels),
        join_four([m, n, o, p], levels),
        &mut levels[2],
    );
    join(left, right, &mut levels[3])
}

#[inline(always)]
fn join_four([a, b, c, d]: [&[u8; ROW]; 4], levels: &mut [Row; 4]) -> Row {
    let left = join(load(a), load(b), &mut levels[0]);
    let right = join(load(c), load(d), &mut levels[0]);
    join(left, right, &mut levels[1])
}

#[inline(always)]
fn join(mut left: Row, right: Row, level: &mut Row) -> Row {
    add(level, right);
    add(&mut left, right);
    left
}

#[inline(always)]
fn add(sum: &mut Row, row: Row) {
    for (lane, word) in sum.iter_mut().zip(row) {
        *lane ^= word;
    }
}

#[inline(always)]
fn add_masked(sum: &mut Row, row: Row, wanted: bool) {
    let mask = u64::from(wanted).wrapping_neg();
    for (lane, word) in sum.iter_mut().zip(row) {
        *lane ^= word & mask;
    }
}

#[inline(always)]
fn load(row: &[u8; ROW]) -> Row {
    let (words, _) = row.as_chunks::<8>();
    let mut loaded = [0; 4];
    for (word, bytes) in loaded.iter_mut().zip(words) {
        *word = u64::from_le_bytes(*bytes);
    }
    loaded
}

fn fold(row: &Row) -> u64 {
    row.iter().fold(0, |sum, word| sum ^ word)
}

fn parity(word: u64) -> u32 {
    word.count_ones() & 1
}
