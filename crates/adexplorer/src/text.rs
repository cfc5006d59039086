//! Text and numbers of the format.

use crate::Error;

/// Text in UTF-16 with a NUL.
pub fn wide(text: &str) -> Vec<u8> {
    let units = text.encode_utf16().filter(|unit| *unit != 0).chain([0]);
    units.flat_map(u16::to_le_bytes).collect()
}

/// The length of a text in bytes (4), and the text; nothing but the length for an empty one.
pub fn counted(text: &str) -> Vec<u8> {
    if text.is_empty() {
        return 0u32.to_le_bytes().to_vec();
    }
    let text = wide(text);
    [&(text.len() as u32).to_le_bytes(), &text[..]].concat()
}

/// Text in a field of this many units, cut and filled with zeros.
pub fn fixed(text: &str, units: usize) -> Vec<u8> {
    let mut text: Vec<u8> = (text.encode_utf16().take(units - 1))
        .flat_map(u16::to_le_bytes)
        .collect();
    text.resize(units * 2, 0);
    text
}

/// A number of 32 bits.
pub fn number(number: usize, what: &str) -> Result<[u8; 4], Error> {
    match u32::try_from(number) {
        Ok(number) => Ok(number.to_le_bytes()),
        Err(_) => Err(Error::TooLarge(what.to_owned())),
    }
}
