//! Bytes as hexadecimal digits, two a byte.

/// Encodes bytes in lower-case digits.
pub fn encode(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |digit: u8| DIGITS[usize::from(digit)];
    let mut text = vec![0; 2 * bytes.len()];
    let (pairs, _) = text.as_chunks_mut::<2>();
    for (pair, byte) in pairs.iter_mut().zip(bytes) {
        *pair = [digit(byte >> 4), digit(byte & 15)];
    }
    // Digits are always a text.
    String::from_utf8(text).unwrap_or_default()
}

/// Decodes digits of either case; `None` for other characters or an odd number of digits.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    pairs.iter().copied().map(byte).collect()
}

/// As [`decode`], for exactly `N` bytes.
pub fn decode_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    if pairs.len() != N {
        return None;
    }
    for (place, pair) in bytes.iter_mut().zip(pairs) {
        *place = byte(*pair)?;
    }
    Some(bytes)
}

fn byte(pair: [u8; 2]) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16);
    Some((digit(pair[0])? << 4 | digit(pair[1])?) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_lead_back_to_the_bytes() {
        let bytes = [0, 1, 0xab, 0xff];
        assert_eq!(encode(&bytes), "0001abff");
        assert_eq!(decode("0001aBFf"), Some(bytes.to_vec()));
        assert_eq!(decode_array("0001abff"), Some(bytes));
        assert_eq!(decode_array::<3>("0001abff"), None);
        assert_eq!(decode(""), Some(Vec::new()));
        for wrong in ["0", "0g", "+1", "äö", "00 1"] {
            assert_eq!(decode(wrong), None, "{wrong}");
            assert_eq!(decode_array::<1>(wrong), None, "{wrong}");
        }
    }
}
