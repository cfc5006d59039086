//! The subschema as Active Directory publishes it (\[MS-ADTS\] 3.1.1.3.1.1.1): attribute types and
//! object classes, in the form of RFC 4512.

use std::collections::BTreeSet;

use objects::schema::{AttributeSchema, Syntax};
use objects::{Entry, Lookup, Scope, Source, Value, Wanted};

use crate::render::Attribute;
use crate::request::Request;

/// The requested attributes of the subschema, if `entry` is its object.
///
/// # Errors
/// Fails if the directory is damaged.
pub fn attributes(
    source: &dyn Source,
    entry: &Entry,
    request: &Request,
) -> objects::Result<Vec<Attribute>> {
    let mut found = Vec::new();
    if !entry
        .class()
        .is_some_and(|class| class.eq_ignore_ascii_case("subSchema"))
    {
        return Ok(found);
    }
    if request.attributes.named("attributetypes").is_some() {
        let attributes = source.schema().attributes().iter();
        let used = attributes.filter(|attribute| !attribute.is_defunct);
        let types = used.map(|attribute| attribute_type(attribute));
        found.push(Attribute::text("attributeTypes", types));
    }
    if request.attributes.named("objectclasses").is_some() {
        found.push(Attribute::text("objectClasses", classes(source)?));
    }
    if request.types_only {
        found = found.into_iter().map(Attribute::without_values).collect();
    }
    Ok(found)
}

fn attribute_type(attribute: &AttributeSchema) -> String {
    let single = if attribute.is_single_valued {
        " SINGLE-VALUE"
    } else {
        ""
    };
    // Constructed attributes and back links.
    let fixed = match attribute.is_constructed() || attribute.is_back_link() {
        true => " NO-USER-MODIFICATION",
        false => "",
    };
    let (oid, name, syntax) = (&attribute.oid, &attribute.name, syntax(attribute.syntax));
    format!("( {oid} NAME '{name}' SYNTAX '{syntax}'{single}{fixed} )")
}

/// The object identifier of a syntax in LDAP (\[MS-ADTS\] 3.1.1.2.2.2).
fn syntax(syntax: Syntax) -> &'static str {
    match syntax {
        Syntax::Dn => "1.3.6.1.4.1.1466.115.121.1.12",
        Syntax::Oid => "1.3.6.1.4.1.1466.115.121.1.38",
        Syntax::CaseExactText => "1.2.840.113556.1.4.1362",
        Syntax::CaseIgnoreText => "1.2.840.113556.1.4.905",
        Syntax::PrintableText => "1.3.6.1.4.1.1466.115.121.1.44",
        Syntax::NumericText => "1.3.6.1.4.1.1466.115.121.1.36",
        Syntax::DnBinary => "1.2.840.113556.1.4.903",
        Syntax::Boolean => "1.3.6.1.4.1.1466.115.121.1.7",
        Syntax::Integer => "1.3.6.1.4.1.1466.115.121.1.27",
        Syntax::Octets | Syntax::Sid => "1.3.6.1.4.1.1466.115.121.1.40",
        Syntax::UtcTime => "1.3.6.1.4.1.1466.115.121.1.53",
        Syntax::GeneralizedTime => "1.3.6.1.4.1.1466.115.121.1.24",
        Syntax::Unicode => "1.3.6.1.4.1.1466.115.121.1.15",
        Syntax::PresentationAddress => "1.3.6.1.4.1.1466.115.121.1.43",
        Syntax::DnText => "1.2.840.113556.1.4.904",
        Syntax::Descriptor => "1.2.840.113556.1.4.907",
        Syntax::LargeInteger => "1.2.840.113556.1.4.906",
    }
}

const MUST: [&str; 2] = ["mustContain", "systemMustContain"];
const MAY: [&str; 2] = ["mayContain", "systemMayContain"];

/// The classes, with the attributes that each adds itself.
fn classes(source: &dyn Source) -> objects::Result<Vec<String>> {
    let mut found = Vec::new();
    let Some(head) = &source.facts().schema else {
        return Ok(found);
    };
    let names = ["lDAPDisplayName", "objectClass"].into_iter();
    let wanted = Wanted::only(names.chain(MUST).chain(MAY));
    for base in source.find(&Lookup::Dn(&head.dn))? {
        for entry in source.scan(base, Scope::OneLevel, &wanted)? {
            let entry = entry?;
            let name = entry.text("lDAPDisplayName");
            let Some(class) = name.and_then(|name| source.schema().class(name)) else {
                continue;
            };
            if class.is_defunct || entry.class() != Some("classSchema") {
                continue;
            }
            let mut text = format!("( {} NAME '{}'", class.oid, class.name);
            if let Some(parent) = &class.parent {
                text += &format!(" SUP {parent}");
            }
            text += match class.category {
                2 => " ABSTRACT",
                3 => " AUXILIARY",
                _ => " STRUCTURAL",
            };
            for (word, from) in [("MUST", MUST), ("MAY", MAY)] {
                let values = from.iter().flat_map(|name| entry.values(name));
                let names: BTreeSet<&str> = values.filter_map(Value::text).collect();
                if !names.is_empty() {
                    let names: Vec<&str> = names.into_iter().collect();
                    text += &format!(" {word} ({} )", names.join(" $ "));
                }
            }
            found.push(text + " )");
        }
    }
    Ok(found)
}
