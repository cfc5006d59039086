//! The normalised form of one value (`fldnorm.cxx`).

use super::KeyError;
use crate::catalog::{Column, ColumnType, Index, IndexFlags};

/// The first bytes of a part.
const NULL: u8 = 0x00;
const EMPTY: u8 = 0x40;
const DATA: u8 = 0x7f;
const NULL_HIGH: u8 = 0xc0;

/// Binary data is divided into chunks, each followed by a byte with the length of its data.
const CHUNK: usize = 8;

/// The limit of keys of the oldest form; the engine uses no more of a value than that.
const OLD_KEY_MOST: usize = 255;

/// The limits of a part's length.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The rest of the whole key's limit.
    room: usize,
    /// The limit of a part; parts cut by it do not count as cut.
    segment: Option<usize>,
    /// The number of bytes of a value that count.
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

    /// Returns the length to which a part of `wanted` bytes is cut, and whether the key's limit
    /// cuts it.
    fn fit(&self, wanted: usize) -> (usize, bool) {
        let fits = wanted.min(self.segment.unwrap_or(wanted));
        (fits.min(self.room), fits > self.room)
    }
}

/// Appends the part of `value` to a key of `index` with `room` bytes left. Returns whether that
/// limit cut it.
#[inline]
pub(super) fn append(
    key: &mut Vec<u8>,
    column: &Column,
    index: &Index,
    value: Option<&[u8]>,
    room: usize,
    is_first: bool,
) -> Result<bool, KeyError> {
    let Some(value) = value else {
        key.push(if index.flags.sorts_nulls_high() {
            NULL_HIGH
        } else {
            NULL
        });
        return Ok(false);
    };
    if let Some(len) = column.kind.fixed_len() {
        if value.len() != len {
            return Err(KeyError::WrongType {
                column: column.name.clone(),
                expected: column.kind,
                found: format!("{} bytes", value.len()),
            });
        }
        let part = fixed(column.kind, index.flags, value);
        let part = &part[..=len];
        key.extend_from_slice(part.get(..room).unwrap_or(part));
        return Ok(part.len() > room);
    }
    let limits = Limits::new(index, room, is_first);
    let value = value.get(..limits.value).unwrap_or(value);
    if value.is_empty() {
        key.push(EMPTY);
        return Ok(false);
    }
    Ok(match column.kind {
        _ if column.is_unicode() => {
            return Err(KeyError::UnicodeText {
                column: column.name.clone(),
            });
        }
        ColumnType::Text | ColumnType::LongText => append_text(key, value, limits),
        _ if column.id.is_fixed() => {
            let (len, cut) = limits.fit(value.len() + 1);
            key.push(DATA);
            key.extend_from_slice(&value[..len - 1]);
            cut
        }
        _ => append_binary(key, value, limits),
    })
}

/// The part of a value of a type of fixed length; bytes after that length have no meaning.
#[inline]
fn fixed(kind: ColumnType, flags: IndexFlags, value: &[u8]) -> [u8; 17] {
    const SIGN: u64 = 1 << 63;
    // Numbers are moved to the upper end of 64 bits, with the sign at the top.
    let number = match *value {
        [a] => u64::from(a) << 56,
        [a, b] => u64::from(u16::from_le_bytes([a, b])) << 48,
        [a, b, c, d] => u64::from(u32::from_le_bytes([a, b, c, d])) << 32,
        _ => value
            .first_chunk()
            .map_or(0, |first| u64::from_le_bytes(*first)),
    };
    let number = match kind {
        ColumnType::Bit if number == 0 => 0,
        ColumnType::Bit => u64::MAX,
        ColumnType::Short | ColumnType::Long | ColumnType::LongLong | ColumnType::Currency => {
            number ^ SIGN
        }
        ColumnType::IeeeSingle | ColumnType::IeeeDouble | ColumnType::DateTime => {
            if number & SIGN == 0 {
                number ^ SIGN
            } else {
                !number
            }
        }
        _ => number,
    };
    let mut part = [DATA; 17];
    if let Some(guid) = value.first_chunk::<16>() {
        const AS_TEXT: [usize; 16] = [10, 11, 12, 13, 14, 15, 8, 9, 6, 7, 4, 5, 0, 1, 2, 3];
        const AS_DOT_NET: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
        let order = if flags.is_dot_net_guid() {
            AS_DOT_NET
        } else {
            AS_TEXT
        };
        part[1..].copy_from_slice(&order.map(|from| guid[from]));
    } else {
        part[1..9].copy_from_slice(&number.to_be_bytes());
    }
    part
}

/// Appends text of a code page: up to its first NUL, with ASCII letters in upper case, and a NUL.
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
    // The engine always converts the last byte that fits to upper case, letter or not.
    key.push(text[most_text].wrapping_sub(b'a' - b'A'));
    limits.segment.is_none_or(|segment| most < segment - 1)
}

/// Appends binary data in chunks.
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
        // The rest of a cut part does not reach the last chunk's count.
        key.push(if left == 0 { chunk.len() } else { CHUNK + 1 } as u8);
        if key.len() >= end {
            break;
        }
    }
    key.truncate(end);
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{ColumnFlags, ColumnId};
    use crate::tree::TreeId;
    use proptest::prelude::*;

    fn column(kind: ColumnType, id: u32) -> Column {
        Column {
            name: "c".into(),
            id: ColumnId(id),
            kind,
            code_page: if kind.is_text() { 1252 } else { 0 },
            flags: ColumnFlags(0),
            max_len: 0,
            record_offset: 0,
            default: None,
        }
    }

    fn index(segment_most: u16, key_most: u16) -> Index {
        Index {
            name: "i".into(),
            tree: TreeId { root: 0, objid: 0 },
            flags: IndexFlags(0),
            key: Vec::new(),
            conditions: Vec::new(),
            locale: String::new(),
            map_flags: 0,
            segment_most,
            key_most,
            tuples: None,
        }
    }

    const FIXED: u32 = 1;
    const TAGGED: u32 = 256;

    fn part(kind: ColumnType, id: u32, value: &[u8], limits: (u16, u16)) -> (Vec<u8>, bool) {
        let index = index(limits.0, limits.1);
        let mut key = Vec::new();
        let room = usize::from(limits.1);
        let cut = append(&mut key, &column(kind, id), &index, Some(value), room, true);
        (key, cut.expect("a value of its type"))
    }

    proptest! {
        #[test]
        fn numbers_are_in_order(a: i64, b: i64, x: f64, y: f64) {
            let key = |kind, bytes: &[u8]| part(kind, FIXED, bytes, (255, 255)).0;
            let long = |n: i64| key(ColumnType::Long, &(n as i32).to_le_bytes());
            prop_assert_eq!(long(a).cmp(&long(b)), (a as i32).cmp(&(b as i32)));
            let currency = |n: i64| key(ColumnType::Currency, &n.to_le_bytes());
            prop_assert_eq!(currency(a).cmp(&currency(b)), a.cmp(&b));
            let unsigned = |n: i64| key(ColumnType::UnsignedShort, &(n as u16).to_le_bytes());
            prop_assert_eq!(unsigned(a).cmp(&unsigned(b)), (a as u16).cmp(&(b as u16)));
            let double = |n: f64| key(ColumnType::IeeeDouble, &n.to_le_bytes());
            prop_assert_eq!(double(x).cmp(&double(y)), x.total_cmp(&y));
            let single = |n: f64| key(ColumnType::IeeeSingle, &(n as f32).to_le_bytes());
            prop_assert_eq!(single(x).cmp(&single(y)), (x as f32).total_cmp(&(y as f32)));
        }

        #[test]
        fn binary_data_is_in_the_order_of_its_bytes(
            a in prop::collection::vec(any::<u8>(), 0..60),
            b in prop::collection::vec(any::<u8>(), 0..60),
            most in 4u16..60,
        ) {
            for id in [FIXED, TAGGED] {
                let whole = |value: &[u8]| part(ColumnType::LongBinary, id, value, (255, 255)).0;
                prop_assert_eq!(whole(&a).cmp(&whole(&b)), a.cmp(&b));
                // A limit that cuts a key reports it; a limit of the part alone is not a cut.
                let (cut, was_cut) = part(ColumnType::LongBinary, id, &a, (most, most));
                prop_assert_eq!(was_cut, whole(&a).len() > usize::from(most));
                prop_assert_eq!(cut.len(), whole(&a).len().min(usize::from(most)));
                prop_assert_eq!(part(ColumnType::LongBinary, id, &a, (most, 255)), (cut, false));
            }
        }

        #[test]
        fn text_is_in_the_order_of_its_capitals(
            a in "[a-zA-Z0-9 ~]{0,40}",
            b in "[a-zA-Z0-9 ~]{0,40}",
            most in 4u16..30
        ) {
            let key =
                |value: &str, limits| part(ColumnType::Text, TAGGED, value.as_bytes(), limits);
            let (left, right) = (a.to_ascii_uppercase(), b.to_ascii_uppercase());
            prop_assert_eq!(key(&a, (255, 255)).0.cmp(&key(&b, (255, 255)).0), left.cmp(&right));
            let (cut, was_cut) = key(&a, (most, most));
            prop_assert!(cut.len() <= usize::from(most));
            prop_assert_eq!(was_cut, a.len() + 2 > usize::from(most));
            prop_assert!(!key(&a, (most, 255)).1);
        }
    }
}
