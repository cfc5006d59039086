//! The values of a record.

use std::sync::Arc;

use ::samba::ldb::{Element, ExtendedDn, LinkStamp, Record};
use ids::Sid;

use super::index::Index;
use crate::schema::{AttributeNumber, AttributeSchema, Schema, Syntax};
use crate::{
    AttributeValues, Entry, Link, LinkDirection, LinkMetadata, LinkState, Lookup, Reference, Time,
    Value, Wanted, metadata,
};

/// Fills an entry with the requested part of its record. The error says what is wrong with the
/// record.
pub fn fill(
    entry: &mut Entry,
    record: &Record<'_>,
    index: &Index,
    schema: &Schema,
    wanted: &Wanted,
) -> Result<(), String> {
    for element in &record.elements {
        let name = String::from_utf8_lossy(element.name);
        if wanted.metadata && name.eq_ignore_ascii_case("replPropertyMetaData") {
            let bytes = element.values.first().copied().unwrap_or_default();
            entry.metadata = metadata::parse(bytes).map_err(|malformed| malformed.to_string())?;
        }
        if !wanted.has(&name) {
            continue;
        }
        let attribute = match schema.attribute(&name) {
            Some(attribute) => attribute.clone(),
            None => unknown(&name),
        };
        if attribute.syntax == Syntax::Descriptor && !wanted.descriptor {
            continue;
        }
        let values = match attribute.link_id {
            Some(_) => links(entry, element, &attribute, index, wanted),
            None => {
                let values = element.values.iter();
                values
                    .map(|value| decode(value, &attribute, index))
                    .collect()
            }
        };
        if !values.is_empty() {
            entry.attributes.push(AttributeValues {
                schema: attribute,
                values,
            });
        }
    }
    if let Some(attribute) = schema.attribute("distinguishedName")
        && wanted.has(&attribute.name)
    {
        entry.attributes.push(AttributeValues {
            schema: attribute.clone(),
            values: vec![Value::Name(Reference {
                dn: entry.dn.clone(),
                guid: entry.guid,
                sid: entry.sid.clone(),
                is_phantom: false,
            })],
        });
    }
    Ok(())
}

/// An attribute that is not in the schema, so that the form of its values is unknown.
fn unknown(name: &str) -> Arc<AttributeSchema> {
    let number = ::ntds::attribute::Attribute(u32::MAX);
    Arc::new(AttributeSchema {
        name: name.into(),
        oid: name.into(),
        number: AttributeNumber(u32::MAX),
        syntax: Syntax::Octets,
        is_single_valued: false,
        link_id: None,
        search_flags: 0,
        system_flags: 0,
        guid: None,
        is_defunct: false,
        is_secret: ::ntds::secrets::protection_of(name, number).is_some(),
    })
}

/// Adds the links of an attribute to the entry, and returns the present ones as values.
fn links(
    entry: &mut Entry,
    element: &Element<'_>,
    attribute: &Arc<AttributeSchema>,
    index: &Index,
    wanted: &Wanted,
) -> Vec<Value> {
    let direction = match attribute.is_forward_link() {
        true => LinkDirection::Forward,
        false => LinkDirection::Back,
    };
    let is_wanted = match direction {
        LinkDirection::Forward => wanted.links,
        LinkDirection::Back => wanted.back_links,
    };
    if !is_wanted {
        return Vec::new();
    }
    let mut values = Vec::new();
    for bytes in &element.values {
        let Some(name) = ExtendedDn::parse(bytes) else {
            values.push(Value::Bytes(bytes.to_vec()));
            continue;
        };
        let link = Link {
            attribute: attribute.clone(),
            direction,
            other: reference(&name, index),
            data: name.data.as_ref().map(|data| data.to_vec()),
            removed: (name.is_removed)
                .then(|| Time::from_filetime(name.stamp.unwrap_or_default().changed)),
            deactivated: None,
            metadata: name.stamp.map(stamp),
        };
        if link.state() == LinkState::Present {
            values.push(decode(bytes, attribute, index));
        }
        entry.links.push(link);
    }
    values
}

fn stamp(stamp: LinkStamp) -> LinkMetadata {
    LinkMetadata {
        created: Time::from_filetime(stamp.created),
        version: stamp.version,
        changed: Time::from_filetime(stamp.changed),
        invocation_id: stamp.invocation_id,
        originating_usn: stamp.originating_usn,
        local_usn: stamp.local_usn,
    }
}

/// The object that a value refers to, by its GUID, because the name may be an old one.
pub fn reference(name: &ExtendedDn<'_>, index: &Index) -> Reference {
    let found = match name.guid {
        Some(guid) => index.find(&Lookup::Guid(guid)),
        None => index.find(&Lookup::Dn(name.dn)),
    };
    match found.first().and_then(|number| index.get(*number)) {
        Some(object) => Reference {
            dn: object.dn.clone(),
            guid: object.guid,
            sid: object.sid.clone(),
            is_phantom: false,
        },
        None => Reference {
            dn: name.dn.into(),
            guid: name.guid,
            sid: name.sid.clone(),
            is_phantom: true,
        },
    }
}

/// Decodes a value of an attribute. Bytes that do not fit its syntax stay bytes.
fn decode(bytes: &[u8], attribute: &AttributeSchema, index: &Index) -> Value {
    if attribute.is_secret {
        return Value::Withheld(bytes.len());
    }
    let plain = || Value::Bytes(bytes.to_vec());
    let text = std::str::from_utf8(bytes).ok();
    let name = || ExtendedDn::parse(bytes);
    match attribute.syntax {
        Syntax::Integer | Syntax::LargeInteger => {
            let number = text.and_then(|text| text.parse().ok());
            number.map_or_else(plain, Value::Integer)
        }
        Syntax::Boolean => match bytes {
            b"TRUE" => Value::Boolean(true),
            b"FALSE" => Value::Boolean(false),
            _ => plain(),
        },
        Syntax::GeneralizedTime => text.and_then(Time::parse).map_or_else(plain, Value::Time),
        Syntax::UtcTime => text
            .and_then(Time::parse)
            .map_or_else(plain, Value::UtcTime),
        Syntax::Oid => text.map_or_else(plain, |text| Value::Oid(text.into())),
        Syntax::Sid => Sid::from_bytes(bytes).map_or_else(plain, Value::Sid),
        Syntax::Dn => name().map_or_else(plain, |name| Value::Name(reference(&name, index))),
        Syntax::DnBinary => match name() {
            Some(name) => with_data(&name, index, Value::BytesAndName),
            None => plain(),
        },
        Syntax::DnText => match name() {
            Some(name) => with_data(&name, index, |data, reference| {
                Value::TextAndName(String::from_utf8_lossy(&data).into_owned(), reference)
            }),
            None => plain(),
        },
        Syntax::Descriptor => Value::Descriptor(bytes.into()),
        Syntax::Octets | Syntax::PresentationAddress => plain(),
        Syntax::CaseExactText
        | Syntax::CaseIgnoreText
        | Syntax::PrintableText
        | Syntax::NumericText
        | Syntax::Unicode => text.map_or_else(plain, |text| Value::Text(text.to_owned())),
    }
}

fn with_data(
    name: &ExtendedDn<'_>,
    index: &Index,
    both: impl FnOnce(Vec<u8>, Reference) -> Value,
) -> Value {
    let reference = reference(name, index);
    match &name.data {
        Some(data) => both(data.to_vec(), reference),
        None => Value::Name(reference),
    }
}
