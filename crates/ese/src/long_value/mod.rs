//! Separated long values: values too long for their record, in a tree of their own (`lv.hxx`,
//! `lv.cxx`).
//!
//! A value has a root node, whose key is the value's id, and chunks, whose keys are the id and the
//! chunk's offset. All chunks except the last represent the same number of bytes. Nothing marks a
//! compressed chunk: it is shorter than the part of the value that it represents.

mod reader;

use std::fmt;

pub use reader::LongValues;

use crate::compression::Undecoded;
use crate::page::{Key, u32_at, u64_at};

/// The id of a long value (LID), unique in its table. Ids of 64 bits have their highest bit set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LongValueId(pub u64);

/// The content of a long value's root node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LongValueRoot {
    /// The number of values of records that refer to it; 0 if it awaits clean-up,
    /// [`Self::PARTLY_DELETED`] during the clean-up.
    pub references: u32,
    /// The value's length in bytes.
    pub len: u32,
    /// Whether the chunks are encrypted.
    pub encrypted: bool,
}

/// The meaning of a key of the tree of long values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LongValueKey {
    /// The root of a value.
    Root(LongValueId),
    /// The chunk at an offset into a value.
    Chunk(LongValueId, u32),
}

/// The form of a read value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ValueState {
    /// The value itself.
    #[default]
    Decoded,
    /// The value in the application's encryption.
    Encrypted,
    /// The value, or a part of it, in its stored form, since it could not be decompressed.
    Undecoded(Undecoded),
}

impl LongValueId {
    const IS_64_BIT: u64 = 1 << 63;

    /// Reads an id in its form in a record: little-endian, four or eight bytes.
    pub fn read(stored: &[u8]) -> Option<Self> {
        let id = match stored.len() {
            4 => Self(u64::from(u32_at(stored, 0)?)),
            8 => Self(u64_at(stored, 0)?),
            _ => return None,
        };
        // The length must be that of the id's kind, and 0 is not an id.
        (id.0 != 0
            && id.is_64_bit() == (stored.len() == 8)
            && (id.is_64_bit() || id.0 <= 0x7fff_ffff))
            .then_some(id)
    }

    /// Whether the id has 64 bits.
    pub fn is_64_bit(self) -> bool {
        self.0 & Self::IS_64_BIT != 0
    }

    /// The key of the value's root node.
    pub fn key(self) -> Vec<u8> {
        if self.is_64_bit() {
            self.0.to_be_bytes().to_vec()
        } else {
            (self.0 as u32).to_be_bytes().to_vec()
        }
    }
}

impl fmt::Display for LongValueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl LongValueRoot {
    /// The count of references of a value during its deletion.
    pub const PARTLY_DELETED: u32 = u32::MAX;

    /// Whether nothing refers to the value, so that its chunks may be deleted before its root.
    pub fn awaits_cleanup(&self) -> bool {
        matches!(self.references, 0 | Self::PARTLY_DELETED)
    }

    /// Reads the data of a root node: eight bytes, or nine with flags.
    pub fn read(data: &[u8]) -> Option<Self> {
        const ENCRYPTED: u8 = 1;
        matches!(data.len(), 8 | 9).then_some(())?;
        Some(Self {
            references: u32_at(data, 0)?,
            len: u32_at(data, 4)?,
            encrypted: data.get(8).is_some_and(|flags| flags & ENCRYPTED != 0),
        })
    }
}

impl LongValueKey {
    /// Reads a key: 4 bytes are a root, 12 a chunk, 8 either, distinguished by the id's highest
    /// bit.
    #[inline]
    pub fn read(key: &Key<'_>) -> Option<Self> {
        let mut buffer = [0; 12];
        let bytes = buffer.get_mut(..key.len())?;
        let (prefix, suffix) = bytes.split_at_mut(key.prefix.len());
        prefix.copy_from_slice(key.prefix);
        suffix.copy_from_slice(key.suffix);
        let number = |range: std::ops::Range<usize>| {
            (buffer.get(range)?.iter())
                .try_fold(0u64, |number, byte| Some(number << 8 | u64::from(*byte)))
        };
        let is_64_bit = buffer[0] & 0x80 != 0;
        Some(match (key.len(), is_64_bit) {
            (4, false) => Self::Root(LongValueId(number(0..4)?)),
            (8, true) => Self::Root(LongValueId(number(0..8)?)),
            (8, false) => Self::Chunk(LongValueId(number(0..4)?), number(4..8)? as u32),
            (12, true) => Self::Chunk(LongValueId(number(0..8)?), number(8..12)? as u32),
            _ => return None,
        })
    }

    /// The id of the node's value.
    pub fn id(self) -> LongValueId {
        match self {
            Self::Root(id) | Self::Chunk(id, _) => id,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_both_widths_are_told_apart() {
        let narrow = LongValueId::read(&[5, 0, 0, 0]).expect("an id");
        let wide = LongValueId::read(&[5, 0, 0, 0x10, 0, 0, 0, 0x80]).expect("an id");
        assert!(!narrow.is_64_bit() && wide.is_64_bit());
        for id in [narrow, wide] {
            let root = id.key();
            assert_eq!(
                LongValueKey::read(&Key::whole(&root)),
                Some(LongValueKey::Root(id))
            );
            let chunk = [&root[..], &8110u32.to_be_bytes()].concat();
            assert_eq!(
                LongValueKey::read(&Key::whole(&chunk)),
                Some(LongValueKey::Chunk(id, 8110))
            );
        }
        // The width of an id must be that of its kind.
        assert_eq!(LongValueId::read(&[0, 0, 0, 0]), None);
        assert_eq!(LongValueId::read(&[0, 0, 0, 0x80]), None);
        assert_eq!(LongValueId::read(&[5, 0, 0, 0, 0, 0, 0, 0]), None);
        assert_eq!(LongValueId::read(&[5, 0, 0]), None);
    }
}
