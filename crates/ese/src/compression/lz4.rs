//! LZ4: the public block format, with a header of one byte and the length of the value.

use super::copy_back;
use crate::page::u16_at;

/// The shortest match.
const MIN_MATCH: usize = 4;

pub(super) fn decompress(data: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let len = usize::from(u16_at(data, 1)?);
    let mut packed = data.get(3..)?;
    let start = out.len();
    let end = start + len;
    out.reserve(len);
    loop {
        let (token, rest) = packed.split_first()?;
        packed = rest;
        let literals = length(usize::from(token >> 4), &mut packed)?;
        let (literals, rest) = packed.split_at_checked(literals)?;
        if literals.len() > end - out.len() {
            return None;
        }
        out.extend_from_slice(literals);
        packed = rest;
        if packed.is_empty() {
            // The last sequence has no match.
            return (out.len() == end).then_some(());
        }
        let (distance, rest) = packed.split_first_chunk()?;
        packed = rest;
        let distance = usize::from(u16::from_le_bytes(*distance));
        let match_len = length(usize::from(token & 15), &mut packed)? + MIN_MATCH;
        if match_len > end - out.len() {
            return None;
        }
        copy_back(out, start, distance, match_len)?;
    }
}

/// A length of four bits, continued in bytes if all four are set.
fn length(nibble: usize, packed: &mut &[u8]) -> Option<usize> {
    let mut length = nibble;
    if nibble == 15 {
        loop {
            let (byte, rest) = packed.split_first()?;
            *packed = rest;
            length += usize::from(*byte);
            if *byte != 255 {
                break;
            }
        }
    }
    Some(length)
}
