//! KERB_VALIDATION_INFO of a ticket's PAC (\[MS-PAC\] 2.5): an account's SID and those of its
//! groups, as the domain attests them.
//!
//! It is one structure in NDR (\[C706\], 14.3): fixed fields first, then the referents of its
//! pointers, in order.

use ids::Sid;

use crate::{Error, Result};

/// SE_GROUP_ENABLED without SE_GROUP_USE_FOR_DENY_ONLY: the membership grants something.
const ENABLED: u32 = 4;
const DENY_ONLY: u32 = 0x10;

/// More groups than a ticket can carry.
const MOST_GROUPS: u32 = 4096;

/// The SIDs of an account and its groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogonInfo {
    /// The account's SID.
    pub user: Sid,
    /// Groups that count for granting access.
    pub groups: Vec<Sid>,
    /// Groups that count for denying access only.
    pub deny_only: Vec<Sid>,
}

/// Reads NDR, never beyond the end.
struct Reader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let end = self.position.checked_add(length)?;
        let bytes = self.bytes.get(self.position..end)?;
        self.position = end;
        Some(bytes)
    }

    fn number(&mut self) -> Option<u32> {
        self.position = self.position.next_multiple_of(4);
        self.take(4)?.try_into().ok().map(u32::from_le_bytes)
    }

    /// Whether a pointer is not NULL.
    fn pointer(&mut self) -> Option<bool> {
        Some(self.number()? != 0)
    }

    /// Reads the fixed part of a string. Returns whether its pointer is not NULL.
    fn string_header(&mut self) -> Option<bool> {
        self.number()?;
        self.pointer()
    }

    fn skip_string(&mut self) -> Option<()> {
        let [_longest, _offset, length] = [self.number()?, self.number()?, self.number()?];
        self.take(usize::try_from(length).ok()?.checked_mul(2)?)?;
        Some(())
    }

    fn count(&mut self) -> Option<u32> {
        self.number().filter(|count| *count <= MOST_GROUPS)
    }

    fn sid(&mut self) -> Option<Sid> {
        let parts = self.number().filter(|parts| *parts <= 15)?;
        Sid::from_bytes(self.take(8 + 4 * parts as usize)?)
    }

    /// GROUP_MEMBERSHIP: relative identifiers with attributes.
    fn members(&mut self, announced: u32) -> Option<Vec<(u32, u32)>> {
        let count = self.count().filter(|count| *count == announced)?;
        (0..count)
            .map(|_| Some((self.number()?, self.number()?)))
            .collect()
    }
}

impl LogonInfo {
    /// An account, and its groups with their attributes.
    pub(crate) fn of(user: Sid, groups: Vec<(Sid, u32)>) -> Self {
        let grants = |attributes: u32| attributes & ENABLED != 0 && attributes & DENY_ONLY == 0;
        let (granting, others): (Vec<_>, Vec<_>) = groups
            .into_iter()
            .partition(|(_, attributes)| grants(*attributes));
        let sids = |found: Vec<(Sid, u32)>| found.into_iter().map(|(sid, _)| sid).collect();
        Self {
            user,
            groups: sids(granting),
            deny_only: sids(others),
        }
    }

    /// Reads the attribute `urn:mspac:logon-info`.
    ///
    /// # Errors
    /// If the bytes are no such structure.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        read(bytes).ok_or_else(|| Error("the ticket's logon information is malformed".into()))
    }
}

fn read(bytes: &[u8]) -> Option<LogonInfo> {
    // The headers of the serialization: version 1, little-endian.
    if bytes.get(..4)? != [1, 0x10, 8, 0] {
        return None;
    }
    let mut reader = Reader {
        bytes,
        position: 16,
    };
    if !reader.pointer()? {
        return None;
    }
    reader.take(6 * 8)?; // times
    let mut strings = 0;
    for _ in 0..6 {
        strings += usize::from(reader.string_header()?);
    }
    reader.take(4)?; // counts of logons
    let user = reader.number()?;
    let primary_group = reader.number()?;
    let (group_count, has_groups) = (reader.count()?, reader.pointer()?);
    reader.take(4 + 16)?; // flags, session key
    let server_and_domain =
        usize::from(reader.string_header()?) + usize::from(reader.string_header()?);
    let has_domain = reader.pointer()?;
    reader.take(8 + 4 + 4 + 8 + 8 + 4 + 4)?; // reserved, account control, failed logons
    let (extra_count, has_extra) = (reader.count()?, reader.pointer()?);
    let has_resource_domain = reader.pointer()?;
    let (resource_count, has_resources) = (reader.count()?, reader.pointer()?);

    for _ in 0..strings {
        reader.skip_string()?;
    }
    let groups = if has_groups {
        reader.members(group_count)?
    } else {
        Vec::new()
    };
    for _ in 0..server_and_domain {
        reader.skip_string()?;
    }
    if !has_domain {
        return None;
    }
    let domain = reader.sid()?;
    let mut found = vec![(domain.with(primary_group)?, ENABLED)];
    for (relative, attributes) in groups {
        found.push((domain.with(relative)?, attributes));
    }
    if has_extra {
        let count = reader.count().filter(|count| *count == extra_count)?;
        let headers: Vec<(bool, u32)> = (0..count)
            .map(|_| Some((reader.pointer()?, reader.number()?)))
            .collect::<Option<_>>()?;
        for (there, attributes) in headers {
            if there {
                found.push((reader.sid()?, attributes));
            }
        }
    }
    if has_resource_domain {
        let domain = reader.sid()?;
        if has_resources {
            for (relative, attributes) in reader.members(resource_count)? {
                found.push((domain.with(relative)?, attributes));
            }
        }
    }
    Some(LogonInfo::of(domain.with(user)?, found))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Writes the structure as a domain controller does.
    #[derive(Default)]
    struct Writer(Vec<u8>);

    impl Writer {
        fn numbers(&mut self, numbers: &[u32]) -> &mut Self {
            self.0.resize(self.0.len().next_multiple_of(4), 0);
            for number in numbers {
                self.0.extend_from_slice(&number.to_le_bytes());
            }
            self
        }

        fn string(&mut self, text: &str) -> &mut Self {
            let units: Vec<u16> = text.encode_utf16().collect();
            let length = units.len() as u32;
            self.numbers(&[length, 0, length]);
            for unit in units {
                self.0.extend_from_slice(&unit.to_le_bytes());
            }
            self
        }

        fn sid(&mut self, text: &str) -> &mut Self {
            let bytes = text.parse::<Sid>().unwrap().to_bytes();
            self.numbers(&[u32::from(bytes[1])]);
            self.0.extend_from_slice(&bytes);
            self
        }
    }

    /// User 1104 of a domain, in Domain Users, a group that only takes away, one of another domain,
    /// and a resource group.
    fn sample() -> Vec<u8> {
        let mut writer = Writer(vec![1, 0x10, 8, 0, 0xcc, 0xcc, 0xcc, 0xcc]);
        writer.numbers(&[0, 0, 1]); // length of what follows, which nobody looks at; pointer
        writer.numbers(&[0; 12]); // times
        let name = |length: u32| ((length * 2) << 16) | (length * 2);
        for length in [3, 0, 0, 0, 0, 0] {
            writer.numbers(&[name(length), u32::from(length != 0)]);
        }
        writer.numbers(&[0, 1104, 513, 2, 1]); // counts, user, primary group, groups
        writer.numbers(&[0x20, 0, 0, 0, 0]); // flags, session key
        writer.numbers(&[name(2), 1, name(4), 1, 1]); // server, domain, its SID
        writer.numbers(&[0; 10]); // reserved, control, failed logons
        writer.numbers(&[1, 1, 1, 1, 1]); // extra SIDs, resource groups
        writer.string("bob");
        writer.numbers(&[2, 513, 7, 1200, 0x17]);
        writer.string("DC").string("CORP").sid("S-1-5-21-1-2-3");
        writer.numbers(&[1, 1, 7]).sid("S-1-5-21-9-9-9-1300");
        writer
            .sid("S-1-5-21-1-2-3")
            .numbers(&[1, 1400, 0x2000_0007]);
        writer.0
    }

    #[test]
    fn groups_of_every_kind_are_found() {
        let info = LogonInfo::from_bytes(&sample()).unwrap();
        assert_eq!(info.user.to_string(), "S-1-5-21-1-2-3-1104");
        let texts = |sids: &[Sid]| sids.iter().map(Sid::to_string).collect::<Vec<_>>();
        assert_eq!(
            texts(&info.groups),
            [
                "S-1-5-21-1-2-3-513",
                "S-1-5-21-1-2-3-513",
                "S-1-5-21-9-9-9-1300",
                "S-1-5-21-1-2-3-1400"
            ]
        );
        assert_eq!(texts(&info.deny_only), ["S-1-5-21-1-2-3-1200"]);
    }

    #[test]
    fn half_of_it_is_refused() {
        let sample = sample();
        for length in 0..sample.len() {
            assert!(
                LogonInfo::from_bytes(&sample[..length]).is_err(),
                "{length}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = LogonInfo::from_bytes(&bytes);
        }

        #[test]
        fn any_damage_is_read_or_refused(
            changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)
        ) {
            let mut bytes = sample();
            for (place, byte) in changes {
                *place.get_mut(&mut bytes) = byte;
            }
            let _ = LogonInfo::from_bytes(&bytes);
        }
    }
}
