//! Values by their column's type.

use std::borrow::Cow;

use crate::catalog::{Column, ColumnType, decode_1252};

/// A value as its column's type has it.
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
    /// Days since 30 December 1899 as a fraction, or whatever the application keeps there: many store a FILETIME.
    DateTime(f64),
    Binary(Cow<'a, [u8]>),
    /// Text, from UTF-16 or code page 1252. Where it is not valid UTF-16, the replacement character stands for the parts
    /// that are not.
    Text(String),
    UnsignedLong(u32),
    LongLong(i64),
    /// The 16 bytes as stored: the first three fields little-endian.
    Guid([u8; 16]),
    UnsignedShort(u16),
    UnsignedLongLong(u64),
}

impl<'a> Value<'a> {
    /// The value that `bytes` stand for in `column`; `None` where their number is not that of the column's type.
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
            ColumnType::Text | ColumnType::LongText if column.code_page == UTF_16 => {
                Self::Text(decode_utf16(&bytes))
            }
            ColumnType::Text | ColumnType::LongText => Self::Text(decode_1252(&bytes)),
        })
    }
}

const UTF_16: u16 = 1200;

fn decode_utf16(bytes: &[u8]) -> String {
    let (units, odd) = bytes.as_chunks::<2>();
    let units = units.iter().map(|unit| u16::from_le_bytes(*unit));
    let mut text: String = char::decode_utf16(units)
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    if !odd.is_empty() {
        text.push(char::REPLACEMENT_CHARACTER);
    }
    text
}
