//! An object as a search result.

use std::fmt::Write;

use objects::{Entry, Reference, Value};
use rasn::prelude::*;

use crate::descriptor;
use crate::request::{NameForm, Range, Request};

/// Returned only if named, as by a directory service.
const ONLY_BY_NAME: [&str; 2] = ["ntsecuritydescriptor", "replpropertymetadata"];

/// An attribute of a result: its description, and its values in the order of the directory.
#[derive(AsnType, Encode, Debug, Clone)]
pub struct Attribute {
    name: OctetString,
    // A SET OF; rasn's own type sorts the values. objectClass has an order.
    #[rasn(tag(universal, 17))]
    values: SequenceOf<OctetString>,
}

#[derive(AsnType, Encode)]
#[rasn(tag(application, 4))]
struct Found {
    name: OctetString,
    attributes: SequenceOf<Attribute>,
}

#[derive(AsnType, Encode)]
struct Message {
    id: u32,
    found: Found,
}

impl Attribute {
    /// An attribute with these values.
    pub fn new(name: &str, values: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self {
            name: name.as_bytes().to_vec().into(),
            values: values.into_iter().map(OctetString::from).collect(),
        }
    }

    /// An attribute with values of text.
    pub fn text<T: Into<String>>(name: &str, values: impl IntoIterator<Item = T>) -> Self {
        Self::new(
            name,
            values.into_iter().map(|value| value.into().into_bytes()),
        )
    }

    /// Its name, in lower case.
    pub fn name(&self) -> String {
        String::from_utf8_lossy(&self.name).to_ascii_lowercase()
    }

    /// The same, without values.
    pub fn without_values(mut self) -> Self {
        self.values.clear();
        self
    }
}

/// The message with a result.
pub fn message(id: u32, name: &str, attributes: Vec<Attribute>) -> Vec<u8> {
    let name = name.as_bytes().to_vec().into();
    let found = Found { name, attributes };
    // Octets can always be written.
    rasn::ber::encode(&Message { id, found }).unwrap_or_default()
}

/// Removes passwords and keys.
pub fn without_secrets(entry: &mut Entry) {
    for attribute in &mut entry.attributes {
        (attribute.values).retain(|value| !matches!(value, Value::Withheld(_)));
    }
    entry
        .attributes
        .retain(|attribute| !attribute.values.is_empty());
}

/// The object's name, in the form that the request asks for.
pub fn name(entry: &Entry, request: &Request) -> String {
    let own = Reference {
        dn: entry.dn.clone(),
        guid: entry.guid,
        sid: entry.sid.clone(),
        is_phantom: false,
    };
    written(&own, request.names)
}

/// The requested attributes of an object. `most`: the most values of an attribute.
pub fn attributes(entry: &Entry, request: &Request, most: usize) -> Vec<Attribute> {
    let mut found = Vec::new();
    for attribute in &entry.attributes {
        let name = attribute.schema.name.to_ascii_lowercase();
        let by_all = request.attributes.all
            && (!ONLY_BY_NAME.contains(&name.as_str())
                || (name == ONLY_BY_NAME[0] && request.sd_flags.is_some()));
        let range = match request.attributes.named(&name) {
            Some(range) => range,
            None if by_all => None,
            None => continue,
        };
        let Some((description, part)) =
            part(&attribute.schema.name, &attribute.values, range, most)
        else {
            continue;
        };
        if request.types_only {
            found.push(Attribute::new(&description, []));
            continue;
        }
        let values = part.iter().filter_map(|value| octets(value, request));
        found.push(Attribute::new(&description, values));
    }
    found
}

/// The part of the values to return, and the attribute's description with its range.
fn part<'v>(
    name: &str,
    values: &'v [Value],
    range: Option<Range>,
    most: usize,
) -> Option<(String, &'v [Value])> {
    let Range { first, last } = match range {
        Some(range) => range,
        None if values.len() <= most => return Some((name.to_owned(), values)),
        None => Range {
            first: 0,
            last: None,
        },
    };
    let full = first.saturating_add(most).saturating_sub(1);
    let last = last.map_or(full, |last| last.min(full));
    let end = last.saturating_add(1).min(values.len());
    let part = values.get(first..end).filter(|part| !part.is_empty())?;
    let description = match end == values.len() {
        true => format!("{name};range={first}-*"),
        false => format!("{name};range={first}-{last}"),
    };
    Some((description, part))
}

fn octets(value: &Value, request: &Request) -> Option<Vec<u8>> {
    if let (Value::Descriptor(bytes), Some(flags)) = (value, request.sd_flags) {
        return descriptor::parts(bytes, flags);
    }
    let mut value = value.clone();
    if let Value::Name(name) | Value::BytesAndName(_, name) | Value::TextAndName(_, name) =
        &mut value
    {
        name.dn = written(name, request.names).into();
    }
    value.to_ldap().map(|bytes| bytes.into_owned())
}

/// `<GUID=...>;<SID=...>;DN` (\[MS-ADTS\] 3.1.1.3.4.1.5).
fn written(name: &Reference, form: NameForm) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = match (form, name.guid) {
        (NameForm::Digits, Some(guid)) => {
            write!(text, "<GUID={}>;", ids::hex::encode(&guid.0))
        }
        (NameForm::Text, Some(guid)) => write!(text, "<GUID={guid}>;"),
        _ => Ok(()),
    };
    let _ = match (form, &name.sid) {
        (NameForm::Digits, Some(sid)) => {
            write!(text, "<SID={}>;", ids::hex::encode(&sid.to_bytes()))
        }
        (NameForm::Text, Some(sid)) => write!(text, "<SID={sid}>;"),
        _ => Ok(()),
    };
    text + &name.dn
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: usize, last: Option<usize>) -> Option<Range> {
        Some(Range { first, last })
    }

    #[test]
    fn ranges_are_written_as_active_directory_writes_them() {
        let values: Vec<Value> = (0..10).map(Value::Integer).collect();
        let of = |range, most| {
            part("member", &values, range, most).map(|(name, part)| (name, part.len()))
        };
        assert_eq!(of(None, 10), Some(("member".into(), 10)));
        assert_eq!(of(None, 4), Some(("member;range=0-3".into(), 4)));
        assert_eq!(of(range(4, None), 4), Some(("member;range=4-7".into(), 4)));
        assert_eq!(of(range(8, None), 4), Some(("member;range=8-*".into(), 2)));
        assert_eq!(
            of(range(0, Some(1)), 4),
            Some(("member;range=0-1".into(), 2))
        );
        assert_eq!(
            of(range(0, Some(99)), 20),
            Some(("member;range=0-*".into(), 10))
        );
        assert_eq!(of(range(10, None), 4), None);
        assert_eq!(of(range(usize::MAX, Some(usize::MAX)), usize::MAX), None);
    }
}
