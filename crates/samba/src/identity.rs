//! Names that last: which domain, which domain controller, which of its lives.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A GUID in the byte order of the directory: three little-endian parts, then eight bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Guid(pub [u8; 16]);

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, f_, g, h, rest @ ..] = self.0;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-",
            u32::from_le_bytes([a, b, c, d]),
            u16::from_le_bytes([e, f_]),
            u16::from_le_bytes([g, h])
        )?;
        for (index, byte) in rest.iter().enumerate() {
            write!(f, "{}{byte:02x}", if index == 2 { "-" } else { "" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Guid> for String {
    fn from(guid: Guid) -> Self {
        guid.to_string()
    }
}

impl TryFrom<String> for Guid {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no GUID");
        let parts: Vec<&str> = text.split('-').collect();
        let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
        if lengths != [8, 4, 4, 4, 12] || !text.is_ascii() {
            return Err(wrong());
        }
        let digits = parts.concat();
        let mut bytes = [0; 16];
        for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
            let pair = digits.get(at..at + 2).ok_or_else(wrong)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
        }
        bytes[0..4].reverse();
        bytes[4..6].reverse();
        bytes[6..8].reverse();
        Ok(Self(bytes))
    }
}

/// A domain's SID: `S-1-5-21-` and three numbers.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DomainSid(pub [u32; 3]);

impl DomainSid {
    /// Reads the bytes of an objectSid attribute; `None` where they are not those of a domain.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (head, numbers) = bytes.split_at_checked(8)?;
        if head != [1, 4, 0, 0, 0, 0, 0, 5] || numbers.len() != 16 {
            return None;
        }
        let number = |at: usize| {
            let bytes = numbers.get(at * 4..at * 4 + 4)?;
            Some(u32::from_le_bytes(bytes.try_into().ok()?))
        };
        (number(0)? == 21).then_some(Self([number(1)?, number(2)?, number(3)?]))
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

impl From<DomainSid> for String {
    fn from(sid: DomainSid) -> Self {
        sid.to_string()
    }
}

impl TryFrom<String> for DomainSid {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no domain's SID");
        let numbers = text.strip_prefix("S-1-5-21-").ok_or_else(wrong)?;
        let numbers: Vec<u32> = numbers
            .split('-')
            .map(|number| number.parse().map_err(|_| wrong()))
            .collect::<Result<_, _>>()?;
        Ok(Self(numbers.try_into().map_err(|_| wrong())?))
    }
}

/// Which domain controller's directory this is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The server's short name, upper case.
    pub netbios_name: String,
    /// Its name in DNS.
    pub dns_name: String,
    /// The domain's name in DNS, upper case.
    pub realm: String,
    /// The domain's short name, upper case.
    pub workgroup: String,
    /// The domain's SID.
    pub domain_sid: DomainSid,
    /// objectGUID of the server's NTDS Settings: the domain controller, for all its lives.
    pub dsa_guid: Guid,
    /// The database's current life: a restored database begins a new one.
    pub invocation_id: Guid,
}

impl Identity {
    /// 28 bytes that tell this domain controller from all others, as an expiry token carries them: its GUID and the
    /// numbers of its domain's SID, little-endian.
    pub fn signature(&self) -> [u8; 28] {
        signature(self.dsa_guid, self.domain_sid)
    }
}

/// As [`Identity::signature`].
pub fn signature(dsa_guid: Guid, domain_sid: DomainSid) -> [u8; 28] {
    let mut bytes = [0; 28];
    bytes[..16].copy_from_slice(&dsa_guid.0);
    for (place, number) in bytes[16..].chunks_exact_mut(4).zip(domain_sid.0) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guids_are_written_as_directories_write_them() {
        let bytes = std::array::from_fn(|index| index as u8);
        let text = "03020100-0504-0706-0809-0a0b0c0d0e0f";
        assert_eq!(Guid(bytes).to_string(), text);
        assert_eq!(Guid::try_from(text.to_owned()), Ok(Guid(bytes)));
        for wrong in [
            "",
            "03020100-0504-0706-0809",
            "0302010x-0504-0706-0809-0a0b0c0d0e0f",
        ] {
            assert!(Guid::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sids_of_domains() {
        let mut bytes = vec![1, 4, 0, 0, 0, 0, 0, 5];
        for number in [21u32, 1979994210, 1769962284, 2608584345] {
            bytes.extend(number.to_le_bytes());
        }
        let sid = DomainSid::from_bytes(&bytes).unwrap();
        assert_eq!(sid.to_string(), "S-1-5-21-1979994210-1769962284-2608584345");
        assert_eq!(DomainSid::try_from(sid.to_string()), Ok(sid));
        for length in 0..bytes.len() {
            assert_eq!(DomainSid::from_bytes(&bytes[..length]), None);
        }
        assert!(DomainSid::try_from("S-1-5-21-1-2-3-500".to_owned()).is_err());
    }
}
