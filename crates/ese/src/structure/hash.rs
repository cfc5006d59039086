//! Hashes of bookmarks and numbers.

/// Spreads a number over all bits.
#[inline]
pub(super) fn mix(number: u64) -> u64 {
    let product = u128::from(number ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93_u128;
    (product >> 64) as u64 ^ product as u64
}

/// The hash of a bookmark, given in pieces. The seed is different in each run, so that no file can
/// be made to collide.
#[inline]
pub(super) fn hash(seed: u64, [head, tail]: [&[u8]; 2]) -> u64 {
    if head.is_empty() {
        return hash_whole(seed, tail);
    }
    if tail.is_empty() {
        return hash_whole(seed, head);
    }
    let len = head.len() + tail.len();
    let join = |buffer: &mut [u8]| {
        let (start, end) = buffer.split_at_mut(head.len());
        start.copy_from_slice(head);
        end.copy_from_slice(tail);
        hash_whole(seed, buffer)
    };
    match len {
        0..=64 => join(&mut [0; 64][..len]),
        65..=256 => join(&mut [0; 256][..len]),
        _ => hash_whole(seed, &[head, tail].concat()),
    }
}

#[inline]
fn hash_whole(seed: u64, bytes: &[u8]) -> u64 {
    let mut state = mix(seed ^ bytes.len() as u64);
    let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    // The last 16 bytes, or fewer; an overlap does no harm, since the length is hashed too.
    let (left, right) = match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(first), Some(last)) => match bytes.last_chunk::<16>() {
            Some(last) => {
                for pair in bytes[..bytes.len() - 1].as_chunks::<16>().0 {
                    state = mix_pair(state, halves(pair));
                }
                halves(last)
            }
            None => (word(first), word(last)),
        },
        _ => match (bytes.first_chunk(), bytes.last_chunk()) {
            (Some(first), Some(last)) => {
                let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
                (u64::from(first), u64::from(last))
            }
            _ => {
                let byte = |index: usize| bytes.get(index).map_or(0, |byte| u64::from(*byte));
                (byte(0) | byte(1) << 8, byte(2))
            }
        },
    };
    mix_pair(state, (left, right))
}

fn halves(pair: &[u8; 16]) -> (u64, u64) {
    let both = u128::from_le_bytes(*pair);
    (both as u64, (both >> 64) as u64)
}

#[inline]
fn mix_pair(state: u64, (left, right): (u64, u64)) -> u64 {
    let left = left ^ state;
    let right = right ^ state.rotate_left(32) ^ 0xd6e8_feb8_6659_fd93;
    let product = u128::from(left) * u128::from(right);
    (product >> 64) as u64 ^ product as u64 ^ state.rotate_left(17)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_hash_of_a_bookmark_does_not_depend_on_where_it_is_cut(
            bytes in prop::collection::vec(any::<u8>(), 0..40),
            cut in 0usize..41,
            other in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let (head, tail) = bytes.split_at(cut.min(bytes.len()));
            prop_assert_eq!(hash(7, [head, tail]), hash(7, [&bytes, &[]]));
            prop_assert_eq!(hash(7, [&bytes, &[]]) == hash(7, [&other, &[]]), bytes == other);
        }
    }
}
