//! Values of attributes, and their forms in LDAP.

use std::borrow::Cow;
use std::sync::Arc;

use ids::{Guid, Sid};

use crate::Time;

/// A value of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text of any string syntax.
    Text(String),
    /// A number: integer, enumeration, large integer.
    Integer(i64),
    /// TRUE or FALSE.
    Boolean(bool),
    /// A point in time, written as GeneralizedTime.
    Time(Time),
    /// A point in time, written as UTCTime.
    UtcTime(Time),
    /// Octets.
    Bytes(Vec<u8>),
    /// A security identifier.
    Sid(Sid),
    /// An object identifier: the name of the class or attribute if LDAP writes it, otherwise
    /// dotted.
    Oid(Arc<str>),
    /// The name of an object.
    Name(Reference),
    /// Octets with the name of an object.
    BytesAndName(Vec<u8>, Reference),
    /// Text with the name of an object.
    TextAndName(String, Reference),
    /// A security descriptor, self-relative.
    Descriptor(Arc<[u8]>),
    /// A password or key of this size in bytes, which is not shown.
    Withheld(usize),
}

/// A value that refers to an object.
#[derive(Debug, Clone)]
pub struct Reference {
    /// Its current distinguished name.
    pub dn: Arc<str>,
    /// Its objectGUID. None if the directory only knows the name.
    pub guid: Option<Guid>,
    /// Its SID.
    pub sid: Option<Sid>,
    /// Whether the object itself is elsewhere or removed.
    pub is_phantom: bool,
}

/// References are equal if they refer to the same object: by GUID if both have one, otherwise by
/// name in any case.
impl PartialEq for Reference {
    fn eq(&self, other: &Self) -> bool {
        match (self.guid, other.guid) {
            (Some(one), Some(other)) => one == other,
            _ => self.dn.to_lowercase() == other.dn.to_lowercase(),
        }
    }
}

impl Eq for Reference {}

impl Value {
    /// The bytes that an LDAP server returns. `None` for a withheld value.
    pub fn to_ldap(&self) -> Option<Cow<'_, [u8]>> {
        fn text(text: String) -> Cow<'static, [u8]> {
            Cow::Owned(text.into_bytes())
        }
        Some(match self {
            Self::Text(value) => Cow::Borrowed(value.as_bytes()),
            Self::Integer(number) => text(number.to_string()),
            Self::Boolean(true) => Cow::Borrowed(b"TRUE"),
            Self::Boolean(false) => Cow::Borrowed(b"FALSE"),
            Self::Time(time) => text(time.generalized()),
            Self::UtcTime(time) => text(time.utc_time()),
            Self::Bytes(bytes) => Cow::Borrowed(bytes),
            Self::Sid(sid) => Cow::Owned(sid.to_bytes()),
            Self::Oid(name) => Cow::Borrowed(name.as_bytes()),
            Self::Name(name) => Cow::Borrowed(name.dn.as_bytes()),
            Self::BytesAndName(bytes, name) => text(format!(
                "B:{}:{}:{}",
                2 * bytes.len(),
                ids::hex::encode(bytes).to_uppercase(),
                name.dn
            )),
            Self::TextAndName(value, name) => {
                text(format!("S:{}:{value}:{}", value.chars().count(), name.dn))
            }
            Self::Descriptor(bytes) => Cow::Borrowed(bytes),
            Self::Withheld(_) => return None,
        })
    }

    /// Bytes that are equal if two directories hold the same value: same as [`Self::to_ldap`], but
    /// with the GUIDs of objects. Of a withheld value only the length counts.
    pub fn canonical(&self) -> Cow<'_, [u8]> {
        let name = |start: &[u8], name: &Reference| {
            let mut bytes = start.to_vec();
            match name.guid {
                Some(guid) => bytes.extend(format!("<GUID={guid}>").into_bytes()),
                None => bytes.extend(name.dn.to_lowercase().into_bytes()),
            }
            Cow::Owned(bytes)
        };
        match self {
            Self::Name(reference) => name(&[], reference),
            Self::BytesAndName(bytes, reference) => name(bytes, reference),
            Self::TextAndName(text, reference) => name(text.as_bytes(), reference),
            Self::Withheld(len) => Cow::Owned(format!("withheld, {len} bytes").into_bytes()),
            _ => self.to_ldap().unwrap_or_default(),
        }
    }

    /// The object that the value refers to.
    pub fn reference(&self) -> Option<&Reference> {
        match self {
            Self::Name(name) | Self::BytesAndName(_, name) | Self::TextAndName(_, name) => {
                Some(name)
            }
            _ => None,
        }
    }

    /// The number.
    pub fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            _ => None,
        }
    }

    /// The text.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Oid(name) => Some(name),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(dn: &str, guid: Option<u8>) -> Reference {
        Reference {
            dn: dn.into(),
            guid: guid.map(|byte| Guid([byte; 16])),
            sid: None,
            is_phantom: false,
        }
    }

    #[test]
    fn values_are_written_as_ldap_writes_them() {
        for (value, expected) in [
            (Value::Text("ä".into()), "ä".as_bytes()),
            (Value::Integer(-2147483646), b"-2147483646"),
            (Value::Boolean(true), b"TRUE"),
            (Value::Bytes(vec![0, 255]), &[0, 255]),
            (
                Value::BytesAndName(vec![0xa9, 1], reference("DC=x", None)),
                b"B:4:A901:DC=x",
            ),
            (
                Value::TextAndName("äb".into(), reference("DC=x", None)),
                "S:2:äb:DC=x".as_bytes(),
            ),
        ] {
            assert_eq!(value.to_ldap().as_deref(), Some(expected), "{value:?}");
        }
        assert_eq!(Value::Withheld(7).to_ldap(), None);
    }

    #[test]
    fn a_name_is_the_same_whatever_it_was_renamed_to() {
        let name = |dn, guid| Value::Name(reference(dn, guid));
        assert_eq!(name("CN=a", Some(1)), name("CN=b", Some(1)));
        assert_ne!(name("CN=a", Some(1)), name("CN=a", Some(2)));
        assert_eq!(name("CN=a", None), name("cn=A", None));
        assert_eq!(
            name("CN=a", Some(1)).canonical(),
            name("CN=b", Some(1)).canonical()
        );
    }
}
