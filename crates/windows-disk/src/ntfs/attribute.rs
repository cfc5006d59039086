//! Attributes: what a record says of its file.

use disk_image::fields::{u16_le, u32_le, u64_le};

/// The kinds of attributes that are read.
pub(super) const ATTRIBUTE_LIST: u32 = 0x20;
pub(super) const VOLUME_INFORMATION: u32 = 0x70;
pub(super) const DATA: u32 = 0x80;
pub(super) const INDEX_ROOT: u32 = 0x90;
pub(super) const INDEX_ALLOCATION: u32 = 0xa0;
pub(super) const BITMAP: u32 = 0xb0;

const END: u32 = u32::MAX;
/// Bits of an attribute's flags.
const COMPRESSED: u16 = 0x00ff;
const ENCRYPTED: u16 = 0x4000;

/// An attribute in a record, its fields checked.
#[derive(Clone, Copy)]
pub(super) struct Attribute<'r> {
    bytes: &'r [u8],
}

/// Where the value of an attribute is.
pub(super) enum Value<'r> {
    /// In the record.
    Here(&'r [u8]),
    /// In runs of clusters.
    Runs {
        /// The first cluster of the value that the attribute tells of.
        first: u64,
        /// The runs, as they are stored.
        pairs: &'r [u8],
        /// Bytes of the whole value.
        size: u64,
        /// Bytes that were ever written; those behind are zeros.
        initialized: u64,
    },
}

impl<'r> Attribute<'r> {
    pub(super) fn kind(&self) -> u32 {
        u32_le(self.bytes, 0)
    }

    /// Whether it has this name, in ASCII.
    pub(super) fn is_named(&self, name: &str) -> bool {
        let length = usize::from(self.bytes[9]);
        let start = usize::from(u16_le(self.bytes, 10));
        let stored = self.bytes.get(start..start + 2 * length).unwrap_or(&[]);
        length == name.len() && is_utf16(stored, name)
    }

    pub(super) fn is_compressed(&self) -> bool {
        u16_le(self.bytes, 12) & COMPRESSED != 0
    }

    pub(super) fn is_encrypted(&self) -> bool {
        u16_le(self.bytes, 12) & ENCRYPTED != 0
    }

    /// `None` if it leads out of the attribute.
    pub(super) fn value(&self) -> Option<Value<'r>> {
        if self.bytes[8] == 0 {
            let start = usize::from(u16_le(self.bytes, 20));
            let length = u32_le(self.bytes, 16) as usize;
            let rest = self.bytes.get(start..)?;
            return rest.get(..length).map(Value::Here);
        }
        if self.bytes.len() < 64 {
            return None;
        }
        Some(Value::Runs {
            first: u64_le(self.bytes, 16),
            pairs: self.bytes.get(usize::from(u16_le(self.bytes, 32))..)?,
            size: u64_le(self.bytes, 48),
            initialized: u64_le(self.bytes, 56),
        })
    }

    /// The first cluster of the value that it tells of; 0 for a value in the record.
    pub(super) fn first(&self) -> u64 {
        match self.bytes[8] {
            0 => 0,
            _ => u64_le(self.bytes, 16),
        }
    }
}

/// Whether bytes are a name in UTF-16, which is ASCII here.
pub(super) fn is_utf16(stored: &[u8], name: &str) -> bool {
    let units = stored.chunks_exact(2).map(|unit| u16_le(unit, 0));
    units.eq(name.encode_utf16())
}

/// The attributes in the bytes of a record; ends at the first that leads out of them.
pub(super) fn attributes(bytes: &[u8]) -> impl Iterator<Item = Attribute<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        // The end is four bytes alone.
        let kind = rest.get(..4).map(|kind| u32_le(kind, 0))?;
        let length = rest.get(..8).map(|start| u32_le(start, 4) as usize)?;
        if kind == END || length < 24 {
            return None;
        }
        let bytes = rest.get(..length)?;
        rest = &rest[length..];
        Some(Attribute { bytes })
    })
}
