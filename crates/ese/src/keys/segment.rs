//! The normalised form of one value (`fldnorm.cxx`).

use super::KeyError;
use crate::catalog::{Column, ColumnType, Index, IndexFlags};

/// What a part begins with.
const NULL: u8 = 0x00;
const EMPTY: u8 = 0x40;
const DATA: u8 = 0x7f;
const NULL_HIGH: u8 = 0xc0;

/// Binary data is cut into chunks, each of which is followed by a byte that says how much of it is data.
const CHUNK: usize = 8;

/// The limit of keys of the oldest form, for which the engine looks at no more of a value than that.
const OLD_KEY_MOST: usize = 255;

/// How long a part may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// What is left of the whole key's limit.
    room: usize,
    /// The limit of a part; parts cut by it do not count as cut.
    segment: Option<usize>,
    /// How much of a value counts.
    value: usize,
}

impl Limits {
    pub fn new(index: &Index, room: usize, is_first: bool) -> Self {
        let segment_most = usize::from(index.segment_most);
        let key_most = usize::from(index.key_most);
        let piece = index.tuples.filter(|_| is_first);
        let piece = piece.map_or(usize::MAX, |tuples| tuples.longest as usize);
        let value = if key_most == OLD_KEY_MOST {
            OLD_KEY_MOST
        } else {
            usize::MAX
        };
        Self {
            room,
            segment: Some(segment_most).filter(|most| *most > 0 && *most < key_most),
            value: value.min(piece),
        }
    }

    /// How many bytes a part of `wanted` bytes may have, and whether the key's limit cuts it.
    fn fit(&self, wanted: usize) -> (usize, bool) {
        let fits = wanted.min(self.segment.unwrap_or(wanted));
        (fits.min(self.room), fits > self.room)
    }
}

/// Appends the part that `value` makes in a key. Returns whether the key's limit cut it.
pub(super) fn append(
    key: &mut Vec<u8>,
    column: &Column,
    flags: IndexFlags,
    value: Option<&[u8]>,
    limits: Limits,
) -> Result<bool, KeyError> {
    let Some(value) = value else {
        key.push(if flags.sorts_nulls_high() {
            NULL_HIGH
        } else {
            NULL
        });
        return Ok(false);
    };
    let value = value.get(..limits.value).unwrap_or(value);
    if value.is_empty() && column.kind.fixed_len().is_none() {
        key.push(EMPTY);
        return Ok(false);
    }
    Ok(match column.kind {
        ColumnType::Text | ColumnType::LongText if column.is_unicode() => {
            return Err(KeyError::UnicodeText {
                column: column.name.clone(),
            });
        }
        ColumnType::Text | ColumnType::LongText => append_text(key, value, limits),
        ColumnType::Binary | ColumnType::LongBinary | ColumnType::Slv if column.id.is_fixed() => {
            let (len, cut) = limits.fit(value.len() + 1);
            key.push(DATA);
            key.extend_from_slice(&value[..len - 1]);
            cut
        }
        ColumnType::Binary | ColumnType::LongBinary | ColumnType::Slv => {
            append_binary(key, value, limits)
        }
        _ => {
            let end = key.len() + limits.room;
            key.push(DATA);
            append_fixed(key, column, flags, value)?;
            let cut = key.len() > end;
            key.truncate(end);
            cut
        }
    })
}

fn append_fixed(
    key: &mut Vec<u8>,
    column: &Column,
    flags: IndexFlags,
    value: &[u8],
) -> Result<(), KeyError> {
    let start = key.len();
    if column.kind.fixed_len() != Some(value.len()) {
        return Err(KeyError::WrongType {
            column: column.name.clone(),
            expected: column.kind,
            found: format!("{} bytes", value.len()),
        });
    }
    if column.kind == ColumnType::Guid {
        const AS_TEXT: [usize; 16] = [10, 11, 12, 13, 14, 15, 8, 9, 6, 7, 4, 5, 0, 1, 2, 3];
        const AS_DOT_NET: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
        let order = if flags.is_dot_net_guid() {
            AS_DOT_NET
        } else {
            AS_TEXT
        };
        key.extend(order.map(|from| value[from]));
        return Ok(());
    }
    key.extend(value.iter().rev());
    let number = &mut key[start..];
    match column.kind {
        ColumnType::Bit => number[0] = if number[0] == 0 { 0 } else { 0xff },
        ColumnType::Short | ColumnType::Long | ColumnType::LongLong | ColumnType::Currency => {
            number[0] ^= 0x80;
        }
        ColumnType::IeeeSingle | ColumnType::IeeeDouble | ColumnType::DateTime => {
            if number[0] & 0x80 == 0 {
                number[0] ^= 0x80;
            } else {
                number.iter_mut().for_each(|byte| *byte = !*byte);
            }
        }
        _ => {}
    }
    Ok(())
}

/// Text of a code page: up to its first NUL, in upper case as far as it is ASCII, and a NUL.
fn append_text(key: &mut Vec<u8>, value: &[u8], limits: Limits) -> bool {
    let most = limits.room.min(limits.segment.unwrap_or(usize::MAX)) - 1;
    key.push(DATA);
    let Some(most_text) = most.checked_sub(1) else {
        return false;
    };
    let text = value.split(|byte| *byte == 0).next().unwrap_or_default();
    if text.len() <= most_text {
        key.extend(text.iter().map(u8::to_ascii_uppercase));
        key.push(0);
        return false;
    }
    key.extend(text[..most_text].iter().map(u8::to_ascii_uppercase));
    // The last byte that fits is always made upper case, be it a letter or not.
    key.push(text[most_text].wrapping_sub(b'a' - b'A'));
    limits.segment.is_none_or(|segment| most < segment - 1)
}

/// Binary data in chunks.
fn append_binary(key: &mut Vec<u8>, value: &[u8], limits: Limits) -> bool {
    let chunks = value.len().div_ceil(CHUNK);
    let (len, cut) = limits.fit(chunks * (CHUNK + 1) + 1);
    let end = key.len() + len;
    key.push(DATA);
    let mut left = chunks;
    for chunk in value.chunks(CHUNK) {
        left -= 1;
        key.extend_from_slice(chunk);
        key.resize(key.len() + CHUNK - chunk.len(), 0);
        // What a cut leaves does not reach the last chunk's count.
        key.push(if left == 0 { chunk.len() } else { CHUNK + 1 } as u8);
        if key.len() >= end {
            break;
        }
    }
    key.truncate(end);
    cut
}
