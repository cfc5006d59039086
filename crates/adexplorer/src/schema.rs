//! The schema: attributes, classes and rights, each list with its length (4) before it. Texts are
//! as long as the number (4) before them says, in bytes.
//!
//! | of an attribute | of a class | of a right |
//! | --- | --- | --- |
//! | name | name | name |
//! | syntax (4), kind (4) | distinguished name | display name |
//! | distinguished name | name for people | rightsGuid (16) |
//! | schemaIDGUID (16) | class that it extends | validAccesses (4) |
//! | attributeSecurityGUID (16) | schemaIDGUID (16) | |
//! | form (4): 1 GUID, 2 SID, 3 time, 4 number | default descriptor, after its length (4) | |
//! | | attributes: number in the list (4), text | |
//! | | rights that apply to it: GUIDs | |
//! | | classes that may be above it | |
//! | | auxiliary classes | |

use std::collections::{BTreeSet, HashMap, HashSet};

use objects::schema::Syntax;
use objects::{Entry, Lookup, Scope, Source, Value, Wanted};

use crate::Error;
use crate::text::{counted, number};

/// The form of an attribute's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A distinguished name.
    Name,
    /// 4 bytes.
    Boolean,
    /// 4 bytes.
    Integer,
    /// Octets.
    Octets,
    /// Octets and a distinguished name.
    OctetsAndName,
    /// A point in time.
    Time,
    /// 8 bytes.
    LargeInteger,
    /// A security descriptor.
    Descriptor,
    /// None that is written.
    Other,
}

/// What is written of the schema.
pub struct Schema {
    attributes: Vec<Attribute>,
    classes: Vec<Class>,
    rights: Vec<Right>,
    /// By lower-case name.
    positions: HashMap<String, u32>,
}

struct Attribute {
    name: String,
    dn: String,
    kind: Kind,
    /// Number of the syntax and ADSTYPE.
    numbers: [u32; 2],
    guid: Guid,
    security_guid: Guid,
    form: u32,
}

#[derive(Default)]
struct Class {
    name: String,
    dn: String,
    parent: String,
    guid: Guid,
    attributes: BTreeSet<String>,
    above: Vec<String>,
    auxiliary: Vec<String>,
}

struct Right {
    name: String,
    display_name: String,
    guid: Guid,
    accesses: u32,
    applies_to: Vec<String>,
}

type Guid = [u8; 16];

/// Large integers that are points in time, in lower case.
const TIMES: [&str; 9] = [
    "accountexpires",
    "badpasswordtime",
    "creationtime",
    "lastlogoff",
    "lastlogon",
    "lastlogontimestamp",
    "lockouttime",
    "msds-userpasswordexpirytimecomputed",
    "pwdlastset",
];

impl Schema {
    /// Reads it from a directory.
    pub fn read(source: &dyn Source) -> Result<Self, Error> {
        let mut schema = Self {
            attributes: Vec::new(),
            classes: Vec::new(),
            rights: Vec::new(),
            positions: HashMap::new(),
        };
        let facts = source.facts();
        for entry in children(
            source,
            facts.schema.as_ref().map(|head| head.dn.to_string()),
        )? {
            let is_defunct = matches!(entry.value("isDefunct"), Some(Value::Boolean(true)));
            let Some(name) = entry.text("lDAPDisplayName").filter(|_| !is_defunct) else {
                continue;
            };
            match entry.value("governsID") {
                Some(_) => schema.classes.push(Class::of(name, &entry)),
                None => schema.add_attribute(source, name, &entry),
            }
        }
        schema.inherit();
        let rights = facts.configuration.as_ref();
        let rights = rights.map(|head| format!("CN=Extended-Rights,{}", head.dn));
        let rights = children(source, rights)?;
        schema.rights = rights.iter().filter_map(Right::of).collect();
        Ok(schema)
    }

    fn add_attribute(&mut self, source: &dyn Source, name: &str, entry: &Entry) {
        let Some(attribute) = source.schema().attribute(name) else {
            return;
        };
        let (kind, numbers) = kind(attribute.syntax);
        let lower = name.to_ascii_lowercase();
        let form = match kind {
            Kind::Octets if attribute.syntax == Syntax::Sid => 2,
            Kind::Octets if lower.contains("guid") => 1,
            Kind::LargeInteger if TIMES.contains(&lower.as_str()) => 3,
            Kind::Integer | Kind::LargeInteger => 4,
            _ => 0,
        };
        let position = self.attributes.len() as u32;
        if self.positions.insert(lower, position).is_none() {
            self.attributes.push(Attribute {
                name: name.to_owned(),
                dn: entry.dn.to_string(),
                kind,
                numbers,
                guid: guid(entry, "schemaIDGUID"),
                security_guid: guid(entry, "attributeSecurityGUID"),
                form,
            });
        }
    }

    /// Adds to each class the attributes of those that it extends and contains.
    fn inherit(&mut self) {
        let names: HashMap<String, usize> = (self.classes.iter().enumerate())
            .map(|(position, class)| (class.name.to_ascii_lowercase(), position))
            .collect();
        let whole: Vec<BTreeSet<String>> = (0..self.classes.len())
            .map(|start| {
                let mut attributes = BTreeSet::new();
                let mut seen = HashSet::from([start]);
                let mut waiting = vec![start];
                while let Some(class) = waiting.pop().and_then(|at| self.classes.get(at)) {
                    attributes.extend(class.attributes.iter().cloned());
                    let more = class.auxiliary.iter().chain([&class.parent]);
                    let more = more.filter_map(|name| names.get(&name.to_ascii_lowercase()));
                    waiting.extend(more.filter(|class| seen.insert(**class)));
                }
                attributes
            })
            .collect();
        for (class, attributes) in self.classes.iter_mut().zip(whole) {
            class.attributes = attributes;
        }
    }

    /// The number of an attribute in the list, and the form of its values.
    pub fn position(&self, name: &str) -> Option<(u32, Kind)> {
        let position = *self.positions.get(&name.to_ascii_lowercase())?;
        let kind = self.attributes.get(position as usize)?.kind;
        Some((position, kind))
    }

    /// The three lists in the form of the file.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        let mut bytes = number(self.attributes.len(), "the schema")?.to_vec();
        for attribute in &self.attributes {
            bytes.extend(counted(&attribute.name));
            bytes.extend(
                attribute
                    .numbers
                    .iter()
                    .flat_map(|number| number.to_le_bytes()),
            );
            bytes.extend(counted(&attribute.dn));
            bytes.extend(attribute.guid);
            bytes.extend(attribute.security_guid);
            bytes.extend(attribute.form.to_le_bytes());
        }
        bytes.extend(number(self.classes.len(), "the schema")?);
        for class in &self.classes {
            self.encode_class(class, &mut bytes)?;
        }
        bytes.extend(number(self.rights.len(), "the schema")?);
        for right in &self.rights {
            bytes.extend(counted(&right.name));
            bytes.extend(counted(&right.display_name));
            bytes.extend(right.guid);
            bytes.extend(right.accesses.to_le_bytes());
        }
        Ok(bytes)
    }

    fn encode_class(&self, class: &Class, bytes: &mut Vec<u8>) -> Result<(), Error> {
        bytes.extend(counted(&class.name));
        bytes.extend(counted(&class.dn));
        bytes.extend(counted(""));
        bytes.extend(counted(&class.parent));
        bytes.extend(class.guid);
        // The default descriptor: directories hold its text only.
        bytes.extend(number(0, "the schema")?);
        let attributes = class
            .attributes
            .iter()
            .filter_map(|name| self.position(name));
        let attributes: Vec<u32> = attributes.map(|(position, _)| position).collect();
        bytes.extend(number(attributes.len(), "the schema")?);
        for position in attributes {
            bytes.extend(position.to_le_bytes());
            bytes.extend(counted(""));
        }
        let own = ids::Guid(class.guid).to_string();
        let rights = self.rights.iter();
        let rights: Vec<&Right> = rights
            .filter(|right| {
                right
                    .applies_to
                    .iter()
                    .any(|guid| guid.eq_ignore_ascii_case(&own))
            })
            .collect();
        bytes.extend(number(rights.len(), "the schema")?);
        for right in rights {
            bytes.extend(right.guid);
        }
        for list in [&class.above, &class.auxiliary] {
            bytes.extend(number(list.len(), "the schema")?);
            for name in list {
                bytes.extend(counted(name));
            }
        }
        Ok(())
    }
}

/// The form of values, the number of the syntax, and ADSTYPE.
fn kind(syntax: Syntax) -> (Kind, [u32; 2]) {
    match syntax {
        Syntax::Dn => (Kind::Name, [18, 1]),
        Syntax::Oid => (Kind::Text, [12, 3]),
        Syntax::CaseExactText => (Kind::Text, [5, 2]),
        Syntax::CaseIgnoreText => (Kind::Text, [6, 3]),
        Syntax::Ia5Text | Syntax::PrintableText => (Kind::Text, [8, 4]),
        Syntax::NumericText => (Kind::Text, [10, 5]),
        Syntax::DnBinary => (Kind::OctetsAndName, [21, 8]),
        Syntax::Boolean => (Kind::Boolean, [1, 6]),
        Syntax::Integer => (Kind::Integer, [3, 7]),
        Syntax::Octets => (Kind::Octets, [11, 8]),
        Syntax::UtcTime => (Kind::Time, [16, 9]),
        Syntax::GeneralizedTime => (Kind::Time, [15, 9]),
        Syntax::Unicode => (Kind::Text, [7, 3]),
        Syntax::PresentationAddress => (Kind::Other, [22, 3]),
        Syntax::DnText => (Kind::Other, [17, 28]),
        Syntax::Descriptor => (Kind::Descriptor, [9, 25]),
        Syntax::LargeInteger => (Kind::LargeInteger, [4, 10]),
        Syntax::Sid => (Kind::Octets, [14, 8]),
    }
}

/// The objects directly beneath one.
fn children(source: &dyn Source, name: Option<String>) -> Result<Vec<Entry>, Error> {
    let wanted = Wanted {
        links: false,
        back_links: false,
        ..Wanted::default()
    };
    let mut found = Vec::new();
    for id in match &name {
        Some(name) => source.find(&Lookup::Dn(name))?,
        None => Vec::new(),
    } {
        for entry in source.scan(id, Scope::OneLevel, &wanted)? {
            found.push(entry?);
        }
    }
    Ok(found)
}

fn texts(entry: &Entry, names: &[&str]) -> Vec<String> {
    let values = names.iter().flat_map(|name| entry.values(name));
    let texts = values.filter_map(Value::to_ldap);
    texts
        .map(|text| String::from_utf8_lossy(&text).into_owned())
        .collect()
}

fn guid(entry: &Entry, name: &str) -> Guid {
    match entry.value(name) {
        Some(Value::Bytes(bytes)) => bytes.as_slice().try_into().unwrap_or_default(),
        _ => Guid::default(),
    }
}

impl Class {
    fn of(name: &str, entry: &Entry) -> Self {
        let attributes = texts(
            entry,
            &[
                "mustContain",
                "systemMustContain",
                "mayContain",
                "systemMayContain",
            ],
        );
        Self {
            name: name.to_owned(),
            dn: entry.dn.to_string(),
            parent: texts(entry, &["subClassOf"]).pop().unwrap_or_default(),
            guid: guid(entry, "schemaIDGUID"),
            attributes: attributes.into_iter().collect(),
            above: texts(entry, &["possSuperiors", "systemPossSuperiors"]),
            auxiliary: texts(entry, &["auxiliaryClass", "systemAuxiliaryClass"]),
        }
    }
}

impl Right {
    fn of(entry: &Entry) -> Option<Self> {
        let guid: ids::Guid = entry.text("rightsGuid")?.parse().ok()?;
        let accesses = entry.value("validAccesses").and_then(Value::integer);
        Some(Self {
            name: texts(entry, &["cn"]).pop().unwrap_or_default(),
            display_name: texts(entry, &["displayName"]).pop().unwrap_or_default(),
            guid: guid.0,
            accesses: accesses.unwrap_or_default() as u32,
            applies_to: texts(entry, &["appliesTo"]),
        })
    }
}
