//! Security identifiers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ParseError;

/// A security identifier, such as S-1-5-32-551.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sid {
    pub(crate) authority: u64,
    pub(crate) parts: Vec<u32>,
}

/// The most sub-authorities of a SID.
const MOST_PARTS: usize = 15;

impl Sid {
    /// From the binary form of \[MS-DTYP\] 2.4.2.2; `None` for other bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let [1, count, authority @ ..] = bytes else {
            return None;
        };
        let (authority, parts) = authority.split_at_checked(6)?;
        let (parts, rest) = parts.as_chunks::<4>();
        if parts.len() != usize::from(*count) || parts.len() > MOST_PARTS || !rest.is_empty() {
            return None;
        }
        Some(Self {
            authority: authority
                .iter()
                .fold(0, |value, byte| value << 8 | u64::from(*byte)),
            parts: parts.iter().map(|part| u32::from_le_bytes(*part)).collect(),
        })
    }

    /// From the stored form in a directory's database: the bytes of the last part, the RID, are in
    /// reverse order, so that an index sorts by number. `None` for bytes that are no SID.
    pub fn from_stored(bytes: &[u8]) -> Option<Self> {
        let mut sid = Self::from_bytes(bytes)?;
        if let Some(last) = sid.parts.last_mut() {
            *last = last.swap_bytes();
        }
        Some(sid)
    }

    /// The binary form.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![1, self.parts.len() as u8];
        bytes.extend_from_slice(&self.authority.to_be_bytes()[2..]);
        for part in &self.parts {
            bytes.extend_from_slice(&part.to_le_bytes());
        }
        bytes
    }

    /// The SID of an account or group in this domain; `None` if the SID already has the most parts.
    pub fn with(&self, relative: u32) -> Option<Self> {
        let mut child = self.clone();
        child.parts.push(relative);
        (child.parts.len() <= MOST_PARTS).then_some(child)
    }

    /// The SID of another account or group in the same domain.
    pub fn sibling(&self, relative: u32) -> Option<Self> {
        let mut sibling = self.clone();
        *sibling.parts.last_mut()? = relative;
        Some(sibling)
    }

    /// The last part of the SID of a domain's account or group.
    pub fn relative_in_domain(&self) -> Option<u32> {
        match (self.authority, self.parts.as_slice()) {
            (5, [21, _, _, _, relative]) => Some(*relative),
            _ => None,
        }
    }

    /// Whether two accounts or groups belong to the same domain.
    pub fn is_of_domain_of(&self, other: &Self) -> bool {
        let domain = |sid: &Self| sid.parts.split_last().map(|(_, domain)| domain.to_vec());
        self.authority == other.authority && domain(self) == domain(other)
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S-1-{}", self.authority)?;
        self.parts.iter().try_for_each(|part| write!(f, "-{part}"))
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Sid> for String {
    fn from(sid: Sid) -> Self {
        sid.to_string()
    }
}

impl TryFrom<String> for Sid {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl FromStr for Sid {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseError::new(text, "a SID such as S-1-5-32-551");
        let mut parts = text.strip_prefix("S-1-").ok_or_else(wrong)?.split('-');
        let authority: u64 = parts
            .next()
            .and_then(|part| part.parse().ok())
            .ok_or_else(wrong)?;
        let parts: Vec<u32> = parts
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map_err(|_| wrong())?;
        if authority >> 48 != 0 || parts.is_empty() || parts.len() > MOST_PARTS {
            return Err(wrong());
        }
        Ok(Self { authority, parts })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        let backup_operators = Sid::from_str("S-1-5-32-551").unwrap();
        let bytes = backup_operators.to_bytes();
        assert_eq!(bytes, [1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x27, 2, 0, 0]);
        assert_eq!(Sid::from_bytes(&bytes), Some(backup_operators.clone()));
        assert_eq!(backup_operators.to_string(), "S-1-5-32-551");
        assert_eq!(backup_operators.relative_in_domain(), None);
        let admins = Sid::from_str("S-1-5-21-1-2-3-512").unwrap();
        assert_eq!(admins.relative_in_domain(), Some(512));
        for wrong in [
            "",
            "S-1-",
            "S-1-5",
            "S-2-5-32",
            "S-1-5-x",
            "S-1-5-4294967296",
        ] {
            assert!(wrong.parse::<Sid>().is_err(), "{wrong}");
        }
        for wrong in [
            &bytes[..15],
            &[2, 0, 0, 0, 0, 0, 0, 5],
            &[1, 3, 0, 0, 0, 0, 0, 5],
        ] {
            assert_eq!(Sid::from_bytes(wrong), None);
        }
    }

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

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_sid_or_none(bytes: Vec<u8>) {
            if let Some(sid) = Sid::from_bytes(&bytes) {
                proptest::prop_assert_eq!(sid.to_bytes(), bytes);
            }
        }

        #[test]
        fn any_text_is_a_sid_or_an_error(text in "(S-1-)?[0-9x-]{0,40}") {
            if let Ok(sid) = text.parse::<Sid>() {
                proptest::prop_assert_eq!(sid.to_string().parse(), Ok(sid));
            }
        }
    }
}
