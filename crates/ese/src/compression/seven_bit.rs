//! ASCII text, packed into seven bits per character, the lowest bits first.

/// The number of packed characters: the header's lower three bits are the number of bits used in
/// the last byte, less one.
pub(super) fn symbols(data: &[u8]) -> Option<usize> {
    let (header, packed) = data.split_first()?;
    let bits = packed.len().checked_sub(1)? * 8 + usize::from(header & 7) + 1;
    Some(bits / 7)
}

/// Unpacks to one byte per character.
pub(super) fn ascii(data: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let count = symbols(data)?;
    let packed = data.get(1..)?;
    out.reserve(count + 8);
    let start = out.len();
    for septet in packed.chunks(7) {
        out.extend_from_slice(&spread(septet).to_le_bytes());
    }
    out.truncate(start + count);
    Some(())
}

/// Unpacks to two bytes per character.
pub(super) fn unicode(data: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let count = symbols(data)?;
    let packed = data.get(1..)?;
    out.reserve(count * 2 + 16);
    let start = out.len();
    for septet in packed.chunks(7) {
        let mut wide = [0; 16];
        for (unit, character) in wide.chunks_exact_mut(2).zip(spread(septet).to_le_bytes()) {
            unit[0] = character;
        }
        out.extend_from_slice(&wide);
    }
    out.truncate(start + count * 2);
    Some(())
}

/// Spreads up to seven bytes to eight bytes of seven bits.
fn spread(septet: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    bytes[..septet.len()].copy_from_slice(septet);
    let packed = u64::from_le_bytes(bytes);
    (0..8).fold(0, |spread, i| {
        spread | (packed >> (7 * i) & 0x7f) << (8 * i)
    })
}
