//! XPRESS: the plain LZ77 form of [MS-XCA], with a header of one byte and the length of the value.

use super::copy_back;
use crate::page::u16_at;

/// The limits of a match's length in its own three bits, its half byte and its byte.
const SHORT: usize = 7;
const HALF_BYTE: usize = 15;
const BYTE: usize = 255;
/// The shortest match.
const MIN_MATCH: usize = 3;

pub(super) fn decompress(data: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let len = usize::from(u16_at(data, 1)?);
    let packed = data.get(3..)?;
    if packed.len() == len {
        out.extend_from_slice(packed);
        return Some(());
    }
    let start = out.len();
    let end = start + len;
    out.reserve(len);
    let mut input = Input { packed, at: 0 };
    // Two matches share the two halves of a byte: the second finds the first one's byte here.
    let mut shared_byte: Option<u8> = None;
    let (mut flags, mut flag_count) = (0u32, 0);
    while out.len() < end {
        if flag_count == 0 {
            flags = input.u32()?;
            flag_count = 32;
        }
        flag_count -= 1;
        let is_match = flags >> 31 == 1;
        flags <<= 1;
        if !is_match {
            out.push(input.u8()?);
            continue;
        }
        let token = usize::from(input.u16()?);
        let distance = (token >> 3) + 1;
        let mut match_len = token & SHORT;
        if match_len == SHORT {
            match_len = match shared_byte.take() {
                Some(byte) => usize::from(byte >> 4),
                None => {
                    let byte = input.u8()?;
                    shared_byte = Some(byte);
                    usize::from(byte & 15)
                }
            };
            if match_len == HALF_BYTE {
                match_len = usize::from(input.u8()?);
                if match_len == BYTE {
                    let whole = usize::from(input.u16()?);
                    match_len = whole.checked_sub(HALF_BYTE + SHORT)?;
                    if match_len < BYTE {
                        return None;
                    }
                }
                match_len += HALF_BYTE;
            }
            match_len += SHORT;
        }
        let match_len = (match_len + MIN_MATCH).min(end - out.len());
        copy_back(out, start, distance, match_len)?;
    }
    Some(())
}

struct Input<'a> {
    packed: &'a [u8],
    at: usize,
}

impl Input<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = *self.packed.get(self.at..)?.first_chunk()?;
        self.at += N;
        Some(bytes)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take().map(u8::from_le_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }
}
