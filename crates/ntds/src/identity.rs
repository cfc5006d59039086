//! Identities as administrators write them.

use std::fmt;

use serde::{Serialize, Serializer};

/// A GUID; its first three fields are stored little-endian.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Guid(pub [u8; 16]);

/// `3e7d9a04-58c1-4f2b-a6d3-91b07c5e2f18`
impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
        for (written, index) in ORDER.into_iter().enumerate() {
            if matches!(written, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{:02x}", self.0[index])?;
        }
        Ok(())
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Guid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A security identifier.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Sid {
    authority: u64,
    parts: Vec<u32>,
}

impl Sid {
    /// Reads a SID as the directory's database stores it: the bytes of its last part, the RID, are in reverse order, so
    /// that an index orders them by number. `None` for bytes that are no SID.
    pub fn from_stored(bytes: &[u8]) -> Option<Self> {
        let (&[1, count, a, b, c, d, e, f], parts) = bytes.split_first_chunk::<8>()? else {
            return None;
        };
        let (parts, []) = parts.as_chunks::<4>() else {
            return None;
        };
        if parts.len() != usize::from(count) {
            return None;
        }
        let mut parts: Vec<u32> = parts.iter().map(|part| u32::from_le_bytes(*part)).collect();
        if let Some(last) = parts.last_mut() {
            *last = last.swap_bytes();
        }
        Some(Self {
            authority: u64::from_be_bytes([0, 0, a, b, c, d, e, f]),
            parts,
        })
    }
}

/// `S-1-5-21-1847206351-2960417783-740391256`
impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S-1-{}", self.authority)?;
        (self.parts.iter()).try_for_each(|part| write!(f, "-{part}"))
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Sid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_sid_ends_in_a_reversed_rid() {
        let stored = [
            1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 0xcf, 0x21, 0x1a, 0x6e, 0xf7, 0x63, 0x74, 0xb0,
            0x58, 0x79, 0x21, 0x2c, 0, 0, 4, 0x60,
        ];
        let sid = Sid::from_stored(&stored).expect("a SID");
        let expected = "S-1-5-21-1847206351-2960417783-740391256-1120";
        assert_eq!(sid.to_string(), expected);
        for cut in 0..stored.len() {
            assert_eq!(Sid::from_stored(&stored[..cut]), None, "{cut} bytes");
        }
    }
}
