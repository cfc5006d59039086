//! Values as LDAP writes them.

use std::sync::Arc;

use ::samba::ldb::{ExtendedDn, LinkStamp};
use ids::Sid;

use crate::schema::{AttributeNumber, AttributeSchema, Syntax};
use crate::{LinkMetadata, Reference, Time, Value};

/// An attribute that is not in the schema, so that the form of its values is unknown.
pub fn unknown(name: &str) -> Arc<AttributeSchema> {
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

/// When a link was made and changed.
pub fn stamp(stamp: LinkStamp) -> LinkMetadata {
    LinkMetadata {
        created: Time::from_filetime(stamp.created),
        version: stamp.version,
        changed: Time::from_filetime(stamp.changed),
        invocation_id: stamp.invocation_id,
        originating_usn: stamp.originating_usn,
        local_usn: stamp.local_usn,
    }
}

/// Decodes a value of an attribute. `reference` finds the objects of names. Bytes that do not fit
/// the attribute's syntax stay bytes.
pub fn decode(
    bytes: &[u8],
    attribute: &AttributeSchema,
    reference: &dyn Fn(&ExtendedDn<'_>) -> Reference,
) -> Value {
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
        Syntax::Dn => name().map_or_else(plain, |name| Value::Name(reference(&name))),
        Syntax::DnBinary => match name() {
            Some(name) => with_data(&name, reference, Value::BytesAndName),
            None => plain(),
        },
        Syntax::DnText => match name() {
            Some(name) => with_data(&name, reference, |data, reference| {
                Value::TextAndName(String::from_utf8_lossy(&data).into_owned(), reference)
            }),
            None => plain(),
        },
        Syntax::Descriptor => Value::Descriptor(bytes.into()),
        Syntax::Octets | Syntax::PresentationAddress => plain(),
        Syntax::CaseExactText
        | Syntax::CaseIgnoreText
        | Syntax::Ia5Text
        | Syntax::PrintableText
        | Syntax::NumericText
        | Syntax::Unicode => text.map_or_else(plain, |text| Value::Text(text.to_owned())),
    }
}

fn with_data(
    name: &ExtendedDn<'_>,
    reference: &dyn Fn(&ExtendedDn<'_>) -> Reference,
    both: impl FnOnce(Vec<u8>, Reference) -> Value,
) -> Value {
    let reference = reference(name);
    match &name.data {
        Some(data) => both(data.to_vec(), reference),
        None => Value::Name(reference),
    }
}
