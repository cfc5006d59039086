//! The subschema as Active Directory publishes it (\[MS-ADTS\] 3.1.1.3.1.1.1): attribute types,
//! object classes and content rules, in the form of RFC 4512.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use objects::schema::{AttributeSchema, ClassSchema, Schema, Syntax};
use objects::{
    AttributeValues, Entry, Facts, Lookup, ObjectId, Reference, Scope, Source, State, Value, Wanted,
};

use crate::render::Attribute;
use crate::request::Request;

/// The id of [`stand_in`].
pub const STAND_IN: ObjectId = ObjectId(u64::MAX);

/// The name of the subschema's object.
pub fn name(facts: &Facts) -> Option<String> {
    (facts.schema.as_ref()).map(|schema| format!("CN=Aggregate,{}", schema.dn))
}

/// The subschema's object, for a directory without it.
pub fn stand_in(source: &dyn Source) -> Option<Entry> {
    let own: Arc<str> = name(source.facts())?.into();
    let schema: &Schema = source.schema();
    let text = |value: &str| Value::Text(value.to_owned());
    let own_name = Value::Name(Reference {
        dn: own.clone(),
        guid: None,
        sid: None,
        is_phantom: false,
    });
    let classes = ["top", "subSchema"].map(|class| Value::Oid(class.into()));
    let attributes = [
        ("objectClass", classes.to_vec()),
        ("cn", vec![text("Aggregate")]),
        ("name", vec![text("Aggregate")]),
        ("distinguishedName", vec![own_name]),
    ];
    let known = attributes.into_iter().filter_map(|(name, values)| {
        let schema = schema.attribute(name)?.clone();
        Some(AttributeValues { schema, values })
    });
    Some(Entry {
        id: STAND_IN,
        dn: own,
        guid: None,
        sid: None,
        parent: None,
        naming_context: None,
        state: State::Live,
        is_hidden: false,
        attributes: known.collect(),
        links: Vec::new(),
        metadata: Vec::new(),
    })
}

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
        let is_samba = is_samba(source);
        let attributes = source.schema().attributes().iter();
        let used = attributes.filter(|attribute| is_samba || !attribute.is_defunct);
        let types = used.map(|attribute| attribute_type(attribute, is_samba));
        found.push(Attribute::text("attributeTypes", types));
    }
    let names = ["objectclasses", "ditcontentrules"];
    let [has_classes, has_rules] = names.map(|name| request.attributes.named(name).is_some());
    if has_classes || has_rules {
        let classes = classes(source)?;
        if has_classes {
            let classes = classes.iter().map(object_class);
            found.push(Attribute::text("objectClasses", classes));
        }
        if has_rules {
            let all = (classes.iter())
                .map(|class| (class.schema.name.to_ascii_lowercase(), class))
                .collect();
            let rules = classes.iter().filter_map(|class| content_rule(class, &all));
            found.push(Attribute::text("dITContentRules", rules));
        }
    }
    if request.types_only {
        found = found.into_iter().map(Attribute::without_values).collect();
    }
    Ok(found)
}

/// Samba publishes defunct attributes and classes, too.
fn is_samba(source: &dyn Source) -> bool {
    source.facts().kind == "Samba"
}

fn attribute_type(attribute: &AttributeSchema, is_samba: bool) -> String {
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
    let (oid, name) = (&attribute.oid, &attribute.name);
    let syntax = match &**name {
        // Text that is no text: Samba takes it as octets.
        "userParameters" if is_samba => syntax(Syntax::Octets),
        _ => syntax(attribute.syntax),
    };
    format!("( {oid} NAME '{name}' SYNTAX '{syntax}'{single}{fixed} )")
}

/// The object identifier of a syntax in LDAP (\[MS-ADTS\] 3.1.1.2.2.2).
fn syntax(syntax: Syntax) -> &'static str {
    match syntax {
        Syntax::Dn => "1.3.6.1.4.1.1466.115.121.1.12",
        Syntax::Oid => "1.3.6.1.4.1.1466.115.121.1.38",
        Syntax::CaseExactText => "1.2.840.113556.1.4.1362",
        Syntax::CaseIgnoreText => "1.2.840.113556.1.4.905",
        Syntax::Ia5Text => "1.3.6.1.4.1.1466.115.121.1.26",
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

/// A class, with the names that it adds itself.
struct Class {
    schema: Arc<ClassSchema>,
    must: BTreeSet<String>,
    may: BTreeSet<String>,
    auxiliary: BTreeSet<String>,
}

const MUST: [&str; 2] = ["mustContain", "systemMustContain"];
const MAY: [&str; 2] = ["mayContain", "systemMayContain"];
const AUXILIARY: [&str; 2] = ["auxiliaryClass", "systemAuxiliaryClass"];

/// The classes in use.
fn classes(source: &dyn Source) -> objects::Result<Vec<Class>> {
    let mut found = Vec::new();
    let Some(head) = &source.facts().schema else {
        return Ok(found);
    };
    let names = ["lDAPDisplayName", "objectClass"].into_iter();
    let wanted = Wanted::only(names.chain(MUST).chain(MAY).chain(AUXILIARY));
    for base in source.find(&Lookup::Dn(&head.dn))? {
        for entry in source.scan(base, Scope::OneLevel, &wanted)? {
            let entry = entry?;
            let name = entry.text("lDAPDisplayName");
            let Some(schema) = name.and_then(|name| source.schema().class(name)) else {
                continue;
            };
            let is_used = is_samba(source) || !schema.is_defunct;
            if !is_used || entry.class() != Some("classSchema") {
                continue;
            }
            let names = |attributes: [&str; 2]| -> BTreeSet<String> {
                let values = attributes.into_iter().flat_map(|name| entry.values(name));
                values.filter_map(Value::text).map(str::to_owned).collect()
            };
            found.push(Class {
                schema: schema.clone(),
                must: names(MUST),
                may: names(MAY),
                auxiliary: names(AUXILIARY),
            });
        }
    }
    Ok(found)
}

fn object_class(class: &Class) -> String {
    let mut text = format!("( {} NAME '{}'", class.schema.oid, class.schema.name);
    // `top` extends itself.
    let parent = (class.schema.parent.as_ref())
        .filter(|parent| !parent.eq_ignore_ascii_case(&class.schema.name));
    if let Some(parent) = parent {
        text += &format!(" SUP {parent}");
    }
    text += match class.schema.category {
        2 => " ABSTRACT",
        3 => " AUXILIARY",
        _ => " STRUCTURAL",
    };
    text + &listed("MUST", &class.must) + &listed("MAY", &class.may) + " )"
}

/// What the auxiliary classes of a class allow in its objects, each by itself, as Samba publishes
/// it. `None` if it has no such classes.
fn content_rule(class: &Class, all: &HashMap<String, &Class>) -> Option<String> {
    if class.auxiliary.is_empty() {
        return None;
    }
    let names = class.auxiliary.iter();
    let classes = names.filter_map(|name| all.get(&name.to_ascii_lowercase()));
    let (mut must, mut may) = (BTreeSet::new(), BTreeSet::new());
    for class in classes {
        must.extend(class.must.iter().cloned());
        may.extend(class.may.iter().cloned());
    }
    let (oid, name) = (&class.schema.oid, &class.schema.name);
    let lists = listed("AUX", &class.auxiliary) + &listed("MUST", &must) + &listed("MAY", &may);
    Some(format!("( {oid} NAME '{name}'{lists} )"))
}

fn listed(word: &str, names: &BTreeSet<String>) -> String {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    match names.is_empty() {
        true => String::new(),
        false => format!(" {word} ({} )", names.join(" $ ")),
    }
}
