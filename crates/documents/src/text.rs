//! The text in the bytes of a file.

use std::borrow::Cow;

/// Text in UTF-8, or in UTF-16 with a byte order mark.
pub fn decoded(bytes: &[u8]) -> Option<Cow<'_, str>> {
    let wide = |rest: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, odd) = rest.as_chunks::<2>();
        let units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
        let text = String::from_utf16(&units).ok();
        text.filter(|_| odd.is_empty()).map(Cow::Owned)
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] | rest => {
            let text = std::str::from_utf8(rest).ok()?;
            (!text.contains('\0')).then_some(Cow::Borrowed(text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::decoded;

    #[test]
    fn text_is_utf_8_or_utf_16_with_a_mark() {
        assert_eq!(decoded(b"\xef\xbb\xbfx").as_deref(), Some("x"));
        assert_eq!(decoded(b"\xff\xfea\0").as_deref(), Some("a"));
        assert_eq!(decoded(b"\xfe\xff\0a").as_deref(), Some("a"));
        assert_eq!(decoded(b"a\0b"), None);
        assert_eq!(decoded(b"\xff\xfea"), None);
        assert_eq!(decoded(b"\x80"), None);
    }
}
