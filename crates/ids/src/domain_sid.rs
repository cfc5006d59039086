//! Security identifiers of domains.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{ParseError, Sid};

/// A domain's SID: `S-1-5-21-` and three numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DomainSid(pub [u32; 3]);

impl DomainSid {
    /// Reads the bytes of an objectSid attribute; `None` if they are not those of a domain.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::of(&Sid::from_bytes(bytes)?)
    }

    fn of(sid: &Sid) -> Option<Self> {
        match (sid.authority, sid.parts.as_slice()) {
            (5, [21, a, b, c]) => Some(Self([*a, *b, *c])),
            _ => None,
        }
    }
}

impl fmt::Display for DomainSid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "S-1-5-21-{}-{}-{}", self.0[0], self.0[1], self.0[2])
    }
}

impl fmt::Debug for DomainSid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for DomainSid {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let sid = text.parse::<Sid>().ok();
        sid.and_then(|sid| Self::of(&sid))
            .ok_or_else(|| ParseError::new(text, "a domain's SID, S-1-5-21 and three numbers"))
    }
}

impl From<DomainSid> for String {
    fn from(sid: DomainSid) -> Self {
        sid.to_string()
    }
}

impl TryFrom<String> for DomainSid {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sids_of_domains() {
        let mut bytes = vec![1, 4, 0, 0, 0, 0, 0, 5];
        for number in [21u32, 1979994210, 1769962284, 2608584345] {
            bytes.extend(number.to_le_bytes());
        }
        let sid = DomainSid::from_bytes(&bytes).unwrap();
        assert_eq!(sid.to_string(), "S-1-5-21-1979994210-1769962284-2608584345");
        assert_eq!(sid.to_string().parse(), Ok(sid));
        for length in 0..bytes.len() {
            assert_eq!(DomainSid::from_bytes(&bytes[..length]), None);
        }
        for wrong in ["S-1-5-21-1-2-3-500", "S-1-5-32-1-2-3", "S-1-5-21-1-2"] {
            assert!(wrong.parse::<DomainSid>().is_err(), "{wrong}");
        }
    }
}
