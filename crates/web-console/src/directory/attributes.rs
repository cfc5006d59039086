//! The attributes of an object, with the last change of each.

use maud::{Markup, html};
use objects::{AttributeValues, Entry, Source, Value, words};

use super::{key, kind, link, own_name};
use crate::text::Shown;

/// The values of an attribute that are shown; a group may have a hundred thousand members.
const VALUES: usize = 50;

/// The characters of all values that are shown, so that the page stays small.
const CHARACTERS: usize = 100_000;

/// What a value counts as, besides its text, and at most.
const FRAME: usize = 100;
const LONGEST: usize = 4_000;

/// All attributes of an object.
pub fn attributes(source: &dyn Source, here: &str, entry: &Entry) -> Markup {
    let mut attributes: Vec<&AttributeValues> = entry.attributes.iter().collect();
    attributes.sort_by_key(|attribute| attribute.schema.name.to_lowercase());
    let object = format!("{here}/object/{}", key(entry));
    let mut room = CHARACTERS;
    html! {
        h2 { (Shown(&own_name(&entry.dn))) }
        p { (kind(entry)) }
        p.note { (Shown(&entry.dn)) }
        p.links {
            a href=(format!("{object}/members")) { "Memberships" } " "
            a href=(format!("{object}/acl")) { "Permissions" } " "
            a href=(format!("{here}/ldif?object={}", key(entry))) download { "As LDIF" }
            @if entry.class().is_some_and(|class| class.eq_ignore_ascii_case("groupPolicyContainer")) {
                " " a href=(format!("{object}/files")) { "Settings files" }
            }
        }
        div.scroll tabindex="0" {
            table {
                thead { tr { th { "Attribute" } th { "Value" } th { "Changed" } } }
                tbody {
                    @for attribute in attributes {
                        tr {
                            td { (Shown(&attribute.schema.name)) }
                            td { (values(here, attribute, &mut room)) }
                            td { (changed(source, entry, attribute)) }
                        }
                    }
                }
            }
        }
    }
}

fn values(here: &str, attribute: &AttributeValues, room: &mut usize) -> Markup {
    let mut shown = Vec::new();
    for value in attribute.values.iter().take(VALUES) {
        let text = match value {
            Value::Name(_) | Value::Descriptor(_) | Value::Withheld(_) => String::new(),
            value => words::value(value, &attribute.schema),
        };
        let needed = FRAME + text.len().min(LONGEST);
        if needed > *room {
            break;
        }
        *room -= needed;
        shown.push((value, text));
    }
    html! {
        @for (value, text) in &shown {
            div.value {
                @match value {
                    Value::Name(other) => (link(here, other)),
                    Value::Descriptor(_) => span.note { "see Permissions" },
                    Value::Withheld(_) => span.badge.warning { "withheld" },
                    _ => (Shown(text)),
                }
            }
        }
        @if attribute.values.len() > shown.len() {
            div.note { "… " (attribute.values.len()) " values" }
        }
    }
}

fn changed(source: &dyn Source, entry: &Entry, attribute: &AttributeValues) -> Markup {
    let stamp = entry.metadata.iter().find(|stamp| {
        let named = source.schema().attribute_of_number(stamp.attribute);
        named.is_some_and(|named| named.name == attribute.schema.name)
    });
    html! {
        @if let Some(stamp) = stamp {
            time title=(format!("version {}", stamp.version)) { (stamp.changed) }
        }
    }
}
