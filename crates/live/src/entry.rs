//! Entries from what a server sends.

use std::sync::Arc;

use objects::ldap::{ExtendedDn, decode, unknown};
use objects::schema::{AttributeSchema, Syntax};
use objects::{
    AttributeValues, Entry, Link, LinkDirection, Marks, Reference, State, Value, Wanted, dn,
    metadata,
};

use crate::attributes::range;
use crate::connection::Sent;
use crate::directory::Live;
use crate::facts::reference;

impl Live {
    /// The entry that was sent.
    pub(crate) fn entry_of(&self, sent: Sent, wanted: &Wanted) -> objects::Result<Entry> {
        let malformed = |found: String| objects::Error::Server {
            server: self.server().to_owned(),
            reason: format!("{}: {found}", sent.dn),
        };
        let name = ExtendedDn::parse(sent.dn.as_bytes())
            .ok_or_else(|| malformed("not a distinguished name".into()))?;
        let own = reference(&name);
        let mut entry = Entry {
            id: self.met(own.guid, &own.dn),
            dn: own.dn.clone(),
            guid: own.guid,
            sid: own.sid.clone(),
            parent: self.above(&own.dn),
            naming_context: self.naming_context(&own.dn),
            state: State::Live,
            is_hidden: false,
            attributes: Vec::new(),
            links: Vec::new(),
            metadata: Vec::new(),
        };
        let mut marks = Marks::default();
        for (description, values) in &sent.attributes {
            let range = range(description);
            let mut values = values.clone();
            if let Some(next) = range.next {
                self.rest(&own, range.name, next, &mut values)?;
            }
            let first = values.first().map(Vec::as_slice).unwrap_or_default();
            match range.name.to_ascii_lowercase().as_str() {
                "isdeleted" => marks.is_deleted = first == b"TRUE",
                "isrecycled" => marks.is_recycled = first == b"TRUE",
                "msds-lastknownrdn" => marks.has_last_known_name = true,
                "name" => {
                    marks.has_name_of_deleted =
                        String::from_utf8_lossy(first).contains(dn::DELETED_MARK);
                }
                "replpropertymetadata" if wanted.metadata => {
                    entry.metadata = metadata::parse(first)
                        .map_err(|malformed_by| malformed(malformed_by.to_string()))?;
                }
                _ => {}
            }
            self.add(&mut entry, range.name, &values, wanted);
        }
        entry.state = State::of(marks, self.has_recycle_bin());
        entry.is_hidden = marks.is_deleted;
        self.add_own_name(&mut entry, own, wanted);
        Ok(entry)
    }

    fn add(&self, entry: &mut Entry, name: &str, values: &[Vec<u8>], wanted: &Wanted) {
        let is_own_name = name.eq_ignore_ascii_case("distinguishedName");
        if !wanted.has(name) || is_own_name || values.is_empty() {
            return;
        }
        let attribute = match self.attribute(name) {
            Some(attribute) => attribute,
            None => unknown(name),
        };
        let is_unwanted = attribute.syntax == Syntax::Descriptor && !wanted.descriptor
            || attribute.is_forward_link() && !wanted.links
            || attribute.is_back_link() && !wanted.back_links;
        if is_unwanted {
            return;
        }
        let decoded = values
            .iter()
            .map(|value| decode(value, &attribute, &reference));
        let values: Vec<Value> = decoded.collect();
        if attribute.link_id.is_some() {
            entry
                .links
                .extend(values.iter().filter_map(|value| link(&attribute, value)));
        }
        entry.attributes.push(AttributeValues {
            schema: attribute,
            values,
        });
    }

    fn add_own_name(&self, entry: &mut Entry, own: Reference, wanted: &Wanted) {
        if let Some(attribute) = self.attribute("distinguishedName")
            && wanted.has(&attribute.name)
        {
            entry.attributes.push(AttributeValues {
                schema: attribute,
                values: vec![Value::Name(own)],
            });
        }
    }
}

/// A value of a linked attribute as a link. Servers send those that are present, without times.
fn link(attribute: &Arc<AttributeSchema>, value: &Value) -> Option<Link> {
    let data = match value {
        Value::BytesAndName(data, _) => Some(data.clone()),
        Value::TextAndName(data, _) => Some(data.clone().into_bytes()),
        _ => None,
    };
    Some(Link {
        attribute: attribute.clone(),
        direction: match attribute.is_forward_link() {
            true => LinkDirection::Forward,
            false => LinkDirection::Back,
        },
        other: value.reference()?.clone(),
        data,
        removed: None,
        deactivated: None,
        metadata: None,
    })
}
