//! Tests: a directory whose objects have names and values that attack whoever looks at them.

use std::sync::Arc;

use maud::Markup;
use objects::schema::Schema;
use objects::{
    AttributeValues, Entries, Entry, Facts, Guid, Lookup, NamingContext, ObjectId, Result, Scope,
    Source, State, Value, Wanted,
};

use super::attributes::attributes;
use super::browse::{Looked, list};
use super::search::table;
use super::tree::tree;
use crate::attacks;

/// The domain, and a container in it.
const DOMAIN: u64 = 1;
const CONTAINER: u64 = 2;

struct Hostile {
    facts: Facts,
    schema: Schema,
    names: Vec<String>,
}

impl Hostile {
    fn new() -> Self {
        Self {
            facts: Facts {
                kind: "test",
                default_naming_context: None,
                configuration: None,
                schema: None,
                root_domain: None,
                naming_contexts: vec![NamingContext {
                    id: ObjectId(DOMAIN),
                    dn: "DC=<b>".into(),
                }],
                service: None,
                dns_host_name: None,
                invocation_id: None,
                recycle_bin_enabled: false,
            },
            schema: Schema::new(
                vec![
                    attacks::attribute("objectClass", 1),
                    attacks::attribute("description", 2),
                ],
                Vec::new(),
            ),
            names: attacks::all().into_iter().cycle().take(150).collect(),
        }
    }

    fn object(&self, id: u64) -> Option<Entry> {
        let (name, parent) = match id {
            DOMAIN => ("DC=<b>".to_owned(), None),
            CONTAINER => ("OU=<b>,DC=<b>".to_owned(), Some(ObjectId(DOMAIN))),
            id => {
                let name = self.names.get(usize::try_from(id - 3).ok()?)?;
                let name = format!("CN={},OU=<b>,DC=<b>", objects::dn::escape(name));
                (name, Some(ObjectId(CONTAINER)))
            }
        };
        let of = |name: &str, values: Vec<Value>| AttributeValues {
            schema: self.schema.attribute(name).expect("known").clone(),
            values,
        };
        let texts = self.names.iter().map(|name| Value::Text(name.clone()));
        Some(Entry {
            id: ObjectId(id),
            dn: Arc::from(name),
            guid: Some(Guid([u8::try_from(id).unwrap_or(0); 16])),
            sid: None,
            parent,
            naming_context: Some(ObjectId(DOMAIN)),
            state: State::Live,
            is_hidden: false,
            attributes: vec![
                of("objectClass", vec![Value::Text("<i>".into())]),
                of("description", texts.collect()),
            ],
            links: Vec::new(),
            metadata: Vec::new(),
        })
    }
}

impl Source for Hostile {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn find(&self, _: &Lookup<'_>) -> Result<Vec<ObjectId>> {
        Ok(Vec::new())
    }

    fn entry(&self, id: ObjectId, _: &Wanted) -> Result<Option<Entry>> {
        Ok(self.object(id.0))
    }

    fn scan<'s>(&'s self, base: ObjectId, _: Scope, _: &'s Wanted) -> Result<Entries<'s>> {
        let ids = match base.0 {
            DOMAIN => CONTAINER..CONTAINER + 1,
            CONTAINER => 3..3 + self.names.len() as u64,
            _ => 0..0,
        };
        Ok(Box::new(ids.filter_map(|id| self.object(id).map(Ok))))
    }

    fn all<'s>(&'s self, wanted: &'s Wanted) -> Result<Entries<'s>> {
        self.scan(ObjectId(CONTAINER), Scope::Subtree, wanted)
    }
}

/// No part of a name is markup, none hides, and the page stays small.
fn is_harmless(page: &Markup) {
    let page = &page.0;
    for markup in ["<script", "<img", "<b>", "<i>"] {
        assert!(!page.contains(markup), "{markup}");
    }
    for hidden in ['\u{202e}', '\u{2066}', '\u{200b}', '\u{0}', '\u{1b}'] {
        assert!(!page.contains(hidden), "{hidden:?}");
    }
    assert!(!page.contains("href=\"javascript:"));
    assert!(page.len() < 300 << 10, "{} bytes", page.len());
}

#[test]
fn hostile_names_and_values_are_text_on_every_part_of_a_page() {
    let directory = Hostile::new();
    let container = directory.object(CONTAINER).unwrap();
    let here = "/directory/local/id";
    is_harmless(&tree(&directory, here, Some(&container)).unwrap());
    is_harmless(&list(&directory, here, &container, &Looked::default(), None, None).unwrap());
    let all: Vec<Entry> = (3..103).filter_map(|id| directory.object(id)).collect();
    is_harmless(&table(here, &all));
    for object in &all[..20] {
        is_harmless(&attributes(&directory, here, object));
    }
}
