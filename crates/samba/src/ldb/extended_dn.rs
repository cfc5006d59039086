//! Distinguished names with components: `<GUID=...>;<SID=...>;<RMD_VERSION=1>;CN=...`. For some
//! syntaxes `B:`, the number of hexadecimal digits, `:`, the digits and `:` come before them (or
//! `S:` and text).

use std::borrow::Cow;

use ids::{Guid, Sid};

/// A distinguished name with its components.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtendedDn<'d> {
    /// The binary or text part before the name.
    pub data: Option<Cow<'d, [u8]>>,
    /// The object's GUID.
    pub guid: Option<Guid>,
    /// Its SID.
    pub sid: Option<Sid>,
    /// The times and versions of a link, if links of its attribute replicate value by value.
    pub stamp: Option<LinkStamp>,
    /// Whether the link was removed.
    pub is_removed: bool,
    /// The name. It may be an old one; the GUID identifies the object.
    pub dn: &'d str,
}

/// The replication metadata of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LinkStamp {
    /// Its creation, in 100 ns since 1601.
    pub created: i64,
    /// Its last change, in 100 ns since 1601.
    pub changed: i64,
    /// The number of changes.
    pub version: u32,
    /// The invocation id of the server where it was changed.
    pub invocation_id: Guid,
    /// The USN of the change on that server.
    pub originating_usn: i64,
    /// The USN of the change on this server.
    pub local_usn: i64,
}

/// Bit of `RMD_FLAGS`: removed.
const REMOVED: u32 = 1;

impl<'d> ExtendedDn<'d> {
    /// Parses a value. `None` if it is malformed. Skips unknown components.
    pub fn parse(value: &'d [u8]) -> Option<Self> {
        let mut rest = std::str::from_utf8(value).ok()?;
        let data = match rest.get(..2) {
            Some("B:") => {
                let (digits, after) = counted(rest.get(2..)?)?;
                rest = after;
                Some(Cow::Owned(ids::hex::decode(digits)?))
            }
            Some("S:") => {
                let (text, after) = counted(rest.get(2..)?)?;
                rest = after;
                Some(Cow::Borrowed(text.as_bytes()))
            }
            _ => None,
        };
        let mut dn = Self {
            data,
            guid: None,
            sid: None,
            stamp: None,
            is_removed: false,
            dn: "",
        };
        let (mut stamp, mut has_version) = (LinkStamp::default(), false);
        while let Some(component) = rest.strip_prefix('<') {
            let (component, after) = component.split_once('>')?;
            rest = after.strip_prefix(';').unwrap_or(after);
            let (name, text) = component.split_once('=')?;
            match name {
                "GUID" => dn.guid = Some(guid(text)?),
                "SID" => dn.sid = Some(sid(text)?),
                "RMD_ADDTIME" => stamp.created = text.parse().ok()?,
                "RMD_CHANGETIME" => stamp.changed = text.parse().ok()?,
                "RMD_FLAGS" => dn.is_removed = text.parse::<u32>().ok()? & REMOVED != 0,
                "RMD_INVOCID" => stamp.invocation_id = guid(text)?,
                "RMD_LOCAL_USN" => stamp.local_usn = text.parse().ok()?,
                "RMD_ORIGINATING_USN" => stamp.originating_usn = text.parse().ok()?,
                "RMD_VERSION" => {
                    stamp.version = text.parse().ok()?;
                    has_version = stamp.version > 0;
                }
                _ => {}
            }
        }
        dn.stamp = has_version.then_some(stamp);
        dn.dn = rest;
        Some(dn)
    }
}

/// A byte count, a colon, as many bytes, a colon.
fn counted(text: &str) -> Option<(&str, &str)> {
    let (length, rest) = text.split_once(':')?;
    let (data, rest) = rest.split_at_checked(length.parse().ok()?)?;
    Some((data, rest.strip_prefix(':')?))
}

/// A GUID as text, or as the hexadecimal digits of its bytes.
fn guid(text: &str) -> Option<Guid> {
    let bytes = || ids::hex::decode_array(text).map(Guid);
    text.parse().ok().or_else(bytes)
}

fn sid(text: &str) -> Option<Sid> {
    let bytes = || Sid::from_bytes(&ids::hex::decode(text)?);
    text.parse().ok().or_else(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINK: &str = "<GUID=3e7d9a04-58c1-4f2b-a6d3-91b07c5e2f18>;\
        <RMD_ADDTIME=134401926990000000>;\
        <RMD_CHANGETIME=134401926990000001>;<RMD_FLAGS=1>;\
        <RMD_INVOCID=e1450b96-7fa3-4c88-9d12-60a5f3c8b74d>;<RMD_LOCAL_USN=7>;\
        <RMD_ORIGINATING_USN=8>;<RMD_VERSION=3>;<SID=S-1-5-21-1-2-3-500>;CN=a,DC=x";

    #[test]
    fn a_link_with_its_stamps() {
        let link = ExtendedDn::parse(LINK.as_bytes()).unwrap();
        assert_eq!(link.dn, "CN=a,DC=x");
        assert_eq!(
            link.guid.unwrap().to_string(),
            "3e7d9a04-58c1-4f2b-a6d3-91b07c5e2f18"
        );
        assert_eq!(link.sid.unwrap().to_string(), "S-1-5-21-1-2-3-500");
        assert!(link.is_removed);
        let stamp = link.stamp.unwrap();
        assert_eq!(
            (
                stamp.version,
                stamp.local_usn,
                stamp.originating_usn,
                stamp.changed
            ),
            (3, 7, 8, 134_401_926_990_000_001)
        );
        let with_data = ExtendedDn::parse(b"B:4:A901:<GUID=049a7d3ec1582b4fa6d391b07c5e2f18>;DC=x");
        let with_data = with_data.unwrap();
        assert_eq!(with_data.data.as_deref(), Some(&[0xa9, 1][..]));
        assert_eq!(
            with_data.guid.unwrap().to_string(),
            "3e7d9a04-58c1-4f2b-a6d3-91b07c5e2f18"
        );
        assert_eq!(with_data.dn, "DC=x");
        for wrong in [
            "B:4:A9:DC=x",
            "B:x",
            "<GUID=1>;DC=x",
            "<GUID",
            "B:4:A9zz:DC=x",
            "B:9999999999:",
        ] {
            assert_eq!(ExtendedDn::parse(wrong.as_bytes()), None, "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_value_is_a_name_or_none(
            value: Vec<u8>,
            at: proptest::sample::Index,
            byte: u8,
            like in "(B:[0-9]{1,3}:)?(<[A-Z_]{1,8}=[0-9a-f-]{0,36}>;?){0,3}.{0,9}",
        ) {
            let mut changed = LINK.as_bytes().to_vec();
            let at = at.index(changed.len());
            changed[at] = byte;
            for value in [&value[..], &changed, like.as_bytes()] {
                let _ = ExtendedDn::parse(value);
            }
        }
    }
}
