//! Values by their column's type.

use std::borrow::Cow;

use crate::catalog::{Column, ColumnType, decode_1252, encode_1252};

/// A value of its column's type.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Value<'a> {
    /// No value.
    Null,
    Bit(bool),
    UnsignedByte(u8),
    Short(i16),
    Long(i32),
    /// A signed 64-bit number; some applications scale it by 10,000.
    Currency(i64),
    IeeeSingle(f32),
    IeeeDouble(f64),
    /// Days since 30 December 1899, with fractions, or other content of the application: many store
    /// a FILETIME.
    DateTime(f64),
    Binary(Cow<'a, [u8]>),
    /// Text, from UTF-16 or code page 1252. Invalid parts of UTF-16 are replaced by the replacement
    /// character.
    Text(String),
    UnsignedLong(u32),
    LongLong(i64),
    /// The 16 bytes as stored: the first three fields little-endian.
    Guid([u8; 16]),
    UnsignedShort(u16),
    UnsignedLongLong(u64),
}

impl<'a> Value<'a> {
    /// The name of the value's type, for errors, which do not show the value.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "Null",
            Self::Bit(_) => "Bit",
            Self::UnsignedByte(_) => "UnsignedByte",
            Self::Short(_) => "Short",
            Self::Long(_) => "Long",
            Self::Currency(_) => "Currency",
            Self::IeeeSingle(_) => "IeeeSingle",
            Self::IeeeDouble(_) => "IeeeDouble",
            Self::DateTime(_) => "DateTime",
            Self::Binary(_) => "Binary",
            Self::Text(_) => "Text",
            Self::UnsignedLong(_) => "UnsignedLong",
            Self::LongLong(_) => "LongLong",
            Self::Guid(_) => "Guid",
            Self::UnsignedShort(_) => "UnsignedShort",
            Self::UnsignedLongLong(_) => "UnsignedLongLong",
        }
    }

    /// The value of `bytes` in `column`; `None` if their number is not that of the column's type.
    pub fn new(column: &Column, bytes: Cow<'a, [u8]>) -> Option<Self> {
        fn exactly<const N: usize>(bytes: &[u8]) -> Option<[u8; N]> {
            bytes.try_into().ok()
        }
        Some(match column.kind {
            ColumnType::Bit => Self::Bit(exactly::<1>(&bytes)? != [0]),
            ColumnType::UnsignedByte => Self::UnsignedByte(u8::from_le_bytes(exactly(&bytes)?)),
            ColumnType::Short => Self::Short(i16::from_le_bytes(exactly(&bytes)?)),
            ColumnType::Long => Self::Long(i32::from_le_bytes(exactly(&bytes)?)),
            ColumnType::Currency => Self::Currency(i64::from_le_bytes(exactly(&bytes)?)),
            ColumnType::IeeeSingle => Self::IeeeSingle(f32::from_le_bytes(exactly(&bytes)?)),
            ColumnType::IeeeDouble => Self::IeeeDouble(f64::from_le_bytes(exactly(&bytes)?)),
            ColumnType::DateTime => Self::DateTime(f64::from_le_bytes(exactly(&bytes)?)),
            ColumnType::UnsignedLong => Self::UnsignedLong(u32::from_le_bytes(exactly(&bytes)?)),
            ColumnType::LongLong => Self::LongLong(i64::from_le_bytes(exactly(&bytes)?)),
            ColumnType::Guid => Self::Guid(exactly(&bytes)?),
            ColumnType::UnsignedShort => Self::UnsignedShort(u16::from_le_bytes(exactly(&bytes)?)),
            ColumnType::UnsignedLongLong => {
                Self::UnsignedLongLong(u64::from_le_bytes(exactly(&bytes)?))
            }
            ColumnType::Binary | ColumnType::LongBinary | ColumnType::Slv => Self::Binary(bytes),
            ColumnType::Text | ColumnType::LongText if column.is_unicode() => {
                Self::Text(decode_utf16(&bytes))
            }
            ColumnType::Text | ColumnType::LongText => Self::Text(decode_1252(&bytes)),
        })
    }

    /// The bytes of the value in `column`, `Some(None)` for NULL; `None` if the column is of
    /// another type.
    pub fn to_bytes(&self, column: &Column) -> Option<Option<Cow<'_, [u8]>>> {
        fn owned<'v, const N: usize>(bytes: [u8; N]) -> Cow<'v, [u8]> {
            Cow::Owned(bytes.to_vec())
        }
        Some(Some(match (self, column.kind) {
            (Self::Null, _) => return Some(None),
            (Self::Bit(value), ColumnType::Bit) => owned([if *value { 0xff } else { 0 }]),
            (Self::UnsignedByte(value), ColumnType::UnsignedByte) => owned([*value]),
            (Self::Short(value), ColumnType::Short) => owned(value.to_le_bytes()),
            (Self::Long(value), ColumnType::Long) => owned(value.to_le_bytes()),
            (Self::Currency(value), ColumnType::Currency) => owned(value.to_le_bytes()),
            (Self::IeeeSingle(value), ColumnType::IeeeSingle) => owned(value.to_le_bytes()),
            (Self::IeeeDouble(value), ColumnType::IeeeDouble)
            | (Self::DateTime(value), ColumnType::DateTime) => owned(value.to_le_bytes()),
            (Self::UnsignedLong(value), ColumnType::UnsignedLong) => owned(value.to_le_bytes()),
            (Self::LongLong(value), ColumnType::LongLong) => owned(value.to_le_bytes()),
            (Self::Guid(value), ColumnType::Guid) => Cow::Borrowed(value),
            (Self::UnsignedShort(value), ColumnType::UnsignedShort) => owned(value.to_le_bytes()),
            (Self::UnsignedLongLong(value), ColumnType::UnsignedLongLong) => {
                owned(value.to_le_bytes())
            }
            (
                Self::Binary(value),
                ColumnType::Binary | ColumnType::LongBinary | ColumnType::Slv,
            ) => Cow::Borrowed(value.as_ref()),
            (Self::Text(value), ColumnType::Text | ColumnType::LongText) => {
                Cow::Owned(if column.is_unicode() {
                    value.encode_utf16().flat_map(u16::to_le_bytes).collect()
                } else {
                    encode_1252(value)?
                })
            }
            _ => return None,
        }))
    }
}

fn decode_utf16(bytes: &[u8]) -> String {
    let (units, odd) = bytes.as_chunks::<2>();
    // Most text is ASCII.
    let is_ascii = |unit: &[u8; 2]| unit[1] == 0 && unit[0].is_ascii();
    if odd.is_empty()
        && units.iter().all(is_ascii)
        && let Ok(text) = String::from_utf8(units.iter().map(|unit| unit[0]).collect())
    {
        return text;
    }
    let units = units.iter().map(|unit| u16::from_le_bytes(*unit));
    let mut text: String = char::decode_utf16(units)
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    if !odd.is_empty() {
        text.push(char::REPLACEMENT_CHARACTER);
    }
    text
}
