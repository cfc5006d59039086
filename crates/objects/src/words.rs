//! Values for people.

use crate::schema::AttributeSchema;
use crate::{Guid, State, Value};

/// Attributes of octets that are GUIDs.
const GUIDS: [&str; 8] = [
    "objectGUID",
    "schemaIDGUID",
    "attributeSecurityGUID",
    "invocationId",
    "parentGUID",
    "msDS-OptionalFeatureGUID",
    "mS-DS-ConsistencyGuid",
    "netbootGUID",
];

/// Bytes that are shown of a long value.
const MOST_SHOWN: usize = 32;

/// The GUID that a value is.
pub fn guid(value: &Value, attribute: &AttributeSchema) -> Option<Guid> {
    let Value::Bytes(bytes) = value else {
        return None;
    };
    let bytes = bytes.as_slice().try_into().ok()?;
    let mut names = GUIDS.iter();
    let is_guid = names.any(|name| attribute.name.eq_ignore_ascii_case(name));
    is_guid.then_some(Guid(bytes))
}

/// A value on one line; long ones are cut.
pub fn value(value: &Value, attribute: &AttributeSchema) -> String {
    if let Some(guid) = guid(value, attribute) {
        return guid.to_string();
    }
    match value {
        Value::Time(time) | Value::UtcTime(time) => format!("{time} UTC"),
        Value::Sid(sid) => sid.to_string(),
        Value::Bytes(bytes) => octets(bytes),
        Value::Descriptor(bytes) => format!("{} bytes", bytes.len()),
        Value::Withheld(len) => format!("withheld ({len} bytes)"),
        Value::Integer(number) => match filetime(*number, attribute) {
            Some(time) => format!("{number} ({time} UTC)"),
            None => number.to_string(),
        },
        value => {
            let bytes = value.to_ldap().unwrap_or_default();
            printable(&String::from_utf8_lossy(&bytes))
        }
    }
}

/// Attributes whose numbers are points in time, in 100 ns since 1601.
fn filetime(number: i64, attribute: &AttributeSchema) -> Option<crate::Time> {
    const TIMES: [&str; 8] = [
        "accountExpires",
        "badPasswordTime",
        "creationTime",
        "lastLogoff",
        "lastLogon",
        "lastLogonTimestamp",
        "lockoutTime",
        "pwdLastSet",
    ];
    let is_time = TIMES
        .iter()
        .any(|name| attribute.name.eq_ignore_ascii_case(name));
    let is_set = number > 0 && number != i64::MAX;
    (is_time && is_set).then(|| crate::Time::from_filetime(number))
}

fn octets(bytes: &[u8]) -> String {
    match bytes.get(..MOST_SHOWN) {
        Some(start) if bytes.len() > MOST_SHOWN => {
            format!("{}... ({} bytes)", ids::hex::encode(start), bytes.len())
        }
        _ => ids::hex::encode(bytes),
    }
}

/// Text on one line: a terminal obeys no part of it.
pub fn printable(text: &str) -> String {
    text.chars()
        .map(|character| match character.is_control() {
            true => character.escape_default().to_string(),
            false => character.to_string(),
        })
        .collect()
}

/// The state of an object; empty for one that is not deleted.
pub fn state(state: State) -> &'static str {
    match state {
        State::Live => "",
        State::Tombstone => "tombstone",
        State::InRecycleBin => "in the Recycle Bin",
        State::Recycled => "recycled",
    }
}
