//! An object: its size (4), the number of its attributes (4); for each the number of the attribute
//! in the schema (4) and the offset of its values from the start of the object (4); the values.
//!
//! Values begin with their number (4). Then, by the kind of the attribute (`ADSTYPE`):
//!
//! | kind | values |
//! | --- | --- |
//! | text, names, classes | the offsets of the texts from the start of the values (4 each), the texts |
//! | octets | their lengths (4 each), the octets; each followed by the name if they come with one |
//! | integers, Booleans | 4 bytes each |
//! | large integers | 8 bytes each |
//! | times | year, month, day of the week, day, hour, minute, second, millisecond (2 each) |
//! | security descriptors | length (4), descriptor |

use objects::{Entry, Time, Value};

use crate::Error;
use crate::schema::{Kind, Schema};
use crate::text::{number, wide};

/// An object in the form of the file.
pub struct Object {
    /// All of it.
    pub bytes: Vec<u8>,
    /// The number of its attributes, its name not counted.
    pub attributes: u32,
}

/// Encodes an object.
pub fn encode(entry: &Entry, schema: &Schema) -> Result<Object, Error> {
    let mut parts = Vec::new();
    for attribute in &entry.attributes {
        if let Some((position, kind)) = schema.position(&attribute.schema.name)
            && let Some(values) = encode_values(&attribute.values, kind, &entry.dn)?
        {
            parts.push((position, values));
        }
    }
    let mut at = 8 + 8 * parts.len();
    let mut table = Vec::new();
    let mut content = Vec::new();
    for (position, values) in &parts {
        table.extend(position.to_le_bytes());
        table.extend(number(at, &entry.dn)?);
        at += values.len();
        content.extend_from_slice(values);
    }
    // Offsets are signed.
    if i32::try_from(at).is_err() {
        return Err(Error::TooLarge(entry.dn.to_string()));
    }
    let mut bytes = number(at, &entry.dn)?.to_vec();
    bytes.extend(number(parts.len(), &entry.dn)?);
    bytes.extend(table);
    bytes.extend(content);
    Ok(Object {
        bytes,
        attributes: parts.len().saturating_sub(1) as u32,
    })
}

/// The values of an attribute. `None` if none of them can be written.
fn encode_values(values: &[Value], kind: Kind, dn: &str) -> Result<Option<Vec<u8>>, Error> {
    let mut encoded = Vec::new();
    let mut lengths = Vec::new();
    for value in values {
        let Some((bytes, length)) = encode_value(value, kind) else {
            continue;
        };
        lengths.push(length);
        encoded.push(bytes);
    }
    if encoded.is_empty() {
        return Ok(None);
    }
    let mut bytes = number(encoded.len(), dn)?.to_vec();
    match kind {
        Kind::Text | Kind::Name => {
            let mut at = 4 + 4 * encoded.len();
            for text in &encoded {
                bytes.extend(number(at, dn)?);
                at += text.len();
            }
        }
        Kind::Octets | Kind::OctetsAndName => {
            for length in lengths {
                bytes.extend(number(length, dn)?);
            }
        }
        _ => {}
    }
    bytes.extend(encoded.concat());
    Ok(Some(bytes))
}

/// A value, and the length of its octets. `None` for a secret, and for a value of another kind.
fn encode_value(value: &Value, kind: Kind) -> Option<(Vec<u8>, usize)> {
    let bytes = match (kind, value) {
        (_, Value::Withheld(_)) => return None,
        (Kind::Boolean, Value::Boolean(flag)) => u32::from(*flag).to_le_bytes().to_vec(),
        (Kind::Integer, Value::Integer(number)) => (*number as i32).to_le_bytes().to_vec(),
        (Kind::LargeInteger, Value::Integer(number)) => number.to_le_bytes().to_vec(),
        (Kind::Time, Value::Time(time) | Value::UtcTime(time)) => system_time(*time)?,
        (Kind::Descriptor, Value::Descriptor(bytes)) => {
            let length = u32::try_from(bytes.len()).ok()?;
            [&length.to_le_bytes(), &bytes[..]].concat()
        }
        (Kind::OctetsAndName, Value::BytesAndName(bytes, name)) => {
            let all = [&bytes[..], &wide(&name.dn)].concat();
            return Some((all, bytes.len()));
        }
        (Kind::Text | Kind::Name, value) => wide(&String::from_utf8_lossy(&value.to_ldap()?)),
        (Kind::Octets, value) => value.to_ldap()?.into_owned(),
        _ => return None,
    };
    let length = bytes.len();
    Some((bytes, length))
}

/// Windows' SYSTEMTIME.
fn system_time(time: Time) -> Option<Vec<u8>> {
    let timestamp = jiff::Timestamp::from_second(time.unix()?).ok()?;
    let civil = jiff::tz::TimeZone::UTC.to_datetime(timestamp);
    let weekday = civil.weekday().to_sunday_zero_offset();
    let parts = [
        civil.year(),
        civil.month().into(),
        weekday.into(),
        civil.day().into(),
        civil.hour().into(),
        civil.minute().into(),
        civil.second().into(),
        civil.millisecond(),
    ];
    Some(parts.iter().flat_map(|part| part.to_le_bytes()).collect())
}
