//! The values of a record.

use std::sync::Arc;

use ::samba::ldb::{Element, ExtendedDn, Record};

use super::index::Index;
use crate::ldap::{decode, stamp, unknown};
use crate::schema::{AttributeSchema, Schema, Syntax};
use crate::{
    AttributeValues, Entry, Link, LinkDirection, LinkState, Lookup, Reference, Time, Value, Wanted,
    metadata,
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
                    .map(|value| decode(value, &attribute, &|name| reference(name, index)))
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
            values.push(decode(bytes, attribute, &|name| reference(name, index)));
        }
        entry.links.push(link);
    }
    values
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
