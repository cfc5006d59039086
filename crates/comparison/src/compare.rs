//! Two entries, compared.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use ids::Guid;
use objects::descriptor::Descriptor;
use objects::metadata::AttributeMetadata;
use objects::schema::{AttributeSchema, Schema, Syntax};
use objects::{AttributeValues, Entry, Link, LinkDirection, LinkState, Value, dn};

use crate::change::{AttributeChange, Change, Identity, Kind, ObjectChange, Stamp, ValueChange};
use crate::{Options, acl};

/// The attribute that every object has, though not everybody may read it.
pub const DESCRIPTOR: &str = "nTSecurityDescriptor";

/// An object as one directory has it.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'e> {
    /// The object.
    pub entry: &'e Entry,
    /// The objectGUID of the object above it, where the directory knows it.
    pub parent: Option<Guid>,
    /// The directory's schema.
    pub schema: &'e Schema,
}

/// What differs between an object in two directories; `None` where nothing does that counts.
pub fn compare(
    before: Option<Seen<'_>>,
    after: Option<Seen<'_>>,
    options: &Options,
) -> Option<ObjectChange> {
    let guid = before.or(after)?.entry.guid?;
    let is_alive = |seen: Option<Seen<'_>>| seen.is_some_and(|seen| !seen.entry.state.is_deleted());
    let kind = match (is_alive(before), is_alive(after)) {
        (false, false) if !options.deleted => return None,
        (true, true) => Kind::Changed,
        (true, false) => Kind::Deleted,
        (false, true) if before.is_some() => Kind::Restored,
        (false, true) => Kind::Added,
        (false, false) => match (before, after) {
            (Some(_), Some(_)) => Kind::Changed,
            (Some(_), None) => Kind::Deleted,
            (None, _) => Kind::Added,
        },
    };
    let mut change = ObjectChange {
        guid,
        kind,
        before: before.map(Seen::identity),
        after: after.map(Seen::identity),
        is_renamed: false,
        is_moved: false,
        attributes: match kind {
            Kind::Added | Kind::Restored => attributes(None, after, options),
            Kind::Deleted => attributes(before, None, options),
            Kind::Changed => attributes(before, after, options),
        },
    };
    if let (Kind::Changed, Some(before), Some(after)) = (kind, before, after)
        && options.counts_places()
    {
        let name = |seen: Seen<'_>| dn::parse(dn::rdn(&seen.entry.dn));
        change.is_renamed = name(before) != name(after);
        change.is_moved = match (before.parent, after.parent) {
            (Some(one), Some(other)) => one != other,
            _ => folded_parent(&before.entry.dn) != folded_parent(&after.entry.dn),
        };
    }
    let is_same = match kind {
        Kind::Changed => {
            let states = [&before, &after].map(|seen| seen.map(|seen| seen.entry.state));
            !change.is_renamed
                && !change.is_moved
                && change.attributes.is_empty()
                && states[0] == states[1]
        }
        // With attributes chosen, an object without them is none of the matter.
        _ => !options.attributes.is_empty() && change.attributes.is_empty(),
    };
    (!is_same).then_some(change)
}

/// The name of the object above in a form that is equal for all ways to write it.
pub fn folded_parent(name: &str) -> Option<String> {
    dn::parent(name).and_then(dn::fold)
}

impl Seen<'_> {
    fn stamp(&self, name: &str) -> Option<Stamp> {
        let number = self.schema.attribute(name)?.number;
        let mut stamps = self.entry.metadata.iter();
        stamps
            .find(|stamp| stamp.attribute == number)
            .map(Stamp::from)
    }

    fn identity(self) -> Identity {
        Identity {
            dn: self.entry.dn.clone(),
            class: self.entry.class().map(str::to_owned),
            sid: self.entry.sid.clone(),
            state: self.entry.state,
            made: self.stamp("whenCreated"),
            named: self.stamp("name"),
            deleted: self.stamp("isDeleted"),
        }
    }

    /// The attributes that count, by name in lower case.
    fn attributes(&self, options: &Options) -> BTreeMap<String, &AttributeValues> {
        let attributes = self.entry.attributes.iter();
        attributes
            .filter(|values| !is_secret(values) && options.counts(&values.schema, &self.entry.dn))
            .map(|values| (values.schema.name.to_ascii_lowercase(), values))
            .collect()
    }

    /// The last changes of passwords and keys, by the attributes' names in lower case.
    fn secrets(&self, options: &Options) -> BTreeMap<String, (&Arc<AttributeSchema>, Stamp)> {
        let stamps = self.entry.metadata.iter();
        let of_secrets = stamps.filter_map(|stamp| {
            let attribute = secret_of(self.schema, stamp)?;
            let counts = options.counts(attribute, &self.entry.dn);
            let name = attribute.name.to_ascii_lowercase();
            counts.then(|| (name, (attribute, Stamp::from(stamp))))
        });
        of_secrets.collect()
    }
}

/// The attribute of a stamp where it is a password or key.
pub fn secret_of<'s>(
    schema: &'s Schema,
    stamp: &AttributeMetadata,
) -> Option<&'s Arc<AttributeSchema>> {
    let attribute = schema.attribute_of_number(stamp.attribute)?;
    attribute.is_secret.then_some(attribute)
}

/// Whether values are withheld.
pub fn is_secret(values: &AttributeValues) -> bool {
    values.schema.is_secret || matches!(values.values.first(), Some(Value::Withheld(_)))
}

fn attributes(
    before: Option<Seen<'_>>,
    after: Option<Seen<'_>>,
    options: &Options,
) -> Vec<AttributeChange> {
    let entries = [before, after].map(|seen| seen.map(|seen| seen.entry));
    let (ones, others) = (
        before
            .as_ref()
            .map(|seen| seen.attributes(options))
            .unwrap_or_default(),
        after
            .as_ref()
            .map(|seen| seen.attributes(options))
            .unwrap_or_default(),
    );
    let names: HashSet<&String> = ones.keys().chain(others.keys()).collect();
    let mut changes: BTreeMap<&str, AttributeChange> = BTreeMap::new();
    for name in names {
        let (one, other) = (ones.get(name).copied(), others.get(name).copied());
        let is_unreadable = before.is_some()
            && after.is_some()
            && (one.is_none() || other.is_none())
            && name.eq_ignore_ascii_case(DESCRIPTOR);
        if is_unreadable {
            continue;
        }
        let Some(attribute) = other.or(one).map(|values| values.schema.clone()) else {
            continue;
        };
        let Some(change) = values(one, other, entries, options) else {
            continue;
        };
        let stamp = |seen: Option<Seen<'_>>| seen.and_then(|seen| seen.stamp(name));
        changes.insert(
            name,
            AttributeChange {
                attribute,
                change,
                before: stamp(before),
                after: stamp(after),
            },
        );
    }
    let mut changes: Vec<AttributeChange> = changes.into_values().collect();
    if let (Some(before), Some(after)) = (before, after) {
        changes.extend(secrets(before, after, options));
        changes.sort_by_key(|change| change.attribute.name.to_ascii_lowercase());
    }
    changes
}

/// Passwords and keys that were set, where both directories tell when each was.
fn secrets(before: Seen<'_>, after: Seen<'_>, options: &Options) -> Vec<AttributeChange> {
    if before.entry.metadata.is_empty() || after.entry.metadata.is_empty() {
        return Vec::new();
    }
    let (ones, others) = (before.secrets(options), after.secrets(options));
    let names: HashSet<&String> = ones.keys().chain(others.keys()).collect();
    let changes = names.into_iter().filter_map(|name| {
        let (one, other) = (ones.get(name), others.get(name));
        let stamps = [one, other].map(|found| found.map(|(_, stamp)| *stamp));
        let (attribute, _) = other.or(one)?;
        (stamps[0] != stamps[1]).then(|| AttributeChange {
            attribute: (*attribute).clone(),
            change: Change::Withheld,
            before: stamps[0],
            after: stamps[1],
        })
    });
    changes.collect()
}

/// What differs in the values of an attribute.
fn values(
    before: Option<&AttributeValues>,
    after: Option<&AttributeValues>,
    entries: [Option<&Entry>; 2],
    options: &Options,
) -> Option<Change> {
    if let (Some(before), Some(after)) = (before, after)
        && let Some([before, after]) = descriptors([before, after])
    {
        return acl::compare(&before, &after, options).map(Change::Descriptor);
    }
    let of = |values: Option<&AttributeValues>| -> Vec<Value> {
        values
            .map(|values| values.values.clone())
            .unwrap_or_default()
    };
    let (ones, others) = (of(before), of(after));
    let (mut removed, mut added) = (without(&ones, &others), without(&others, &ones));
    if removed.is_empty() && added.is_empty() {
        return None;
    }
    let schema = &after.or(before)?.schema;
    if schema.link_id.is_some() {
        let stamps = entries.map(|entry| LinkStamps::of(entry, schema));
        for change in removed.iter_mut().chain(&mut added) {
            let key = change.value.canonical();
            let [before, after] = [0, 1].map(|side| {
                stamps
                    .get(side)
                    .and_then(|stamps: &LinkStamps| stamps.0.get(key.as_ref()))
                    .copied()
            });
            (change.before, change.after) = (before, after);
        }
    }
    Some(Change::Values { removed, added })
}

/// The values of the one list that the other lacks, each as often as it lacks them, in order.
fn without(these: &[Value], others: &[Value]) -> Vec<ValueChange> {
    let mut left: HashMap<Vec<u8>, usize> = HashMap::new();
    for value in others {
        *left.entry(value.canonical().into_owned()).or_default() += 1;
    }
    let lacks = |value: &&Value| match left.get_mut(value.canonical().as_ref()) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    };
    let lacking = these.iter().filter(lacks);
    let changes = lacking.map(|value| ValueChange {
        value: value.clone(),
        before: None,
        after: None,
    });
    changes.collect()
}

/// Both as security descriptors, where they are such.
fn descriptors(both: [&AttributeValues; 2]) -> Option<[Descriptor; 2]> {
    let one = |values: &AttributeValues| match values.values.as_slice() {
        [value] => descriptor(&values.schema, value),
        _ => None,
    };
    Some([one(both[0])?, one(both[1])?])
}

/// A value as a security descriptor, where it is one.
pub fn descriptor(attribute: &AttributeSchema, value: &Value) -> Option<Descriptor> {
    match value {
        Value::Descriptor(bytes) => Descriptor::parse(bytes).ok(),
        Value::Bytes(bytes) if attribute.syntax == Syntax::Descriptor => {
            Descriptor::parse(bytes).ok()
        }
        _ => None,
    }
}

/// When the links of an attribute changed last, by their values.
struct LinkStamps(HashMap<Vec<u8>, Stamp>);

impl LinkStamps {
    fn of(entry: Option<&Entry>, attribute: &AttributeSchema) -> Self {
        let direction = match attribute.is_forward_link() {
            true => LinkDirection::Forward,
            false => LinkDirection::Back,
        };
        let mut stamps = HashMap::new();
        let links = entry
            .map(|entry| entry.links.as_slice())
            .unwrap_or_default();
        for link in links {
            let is_of_attribute = link.direction == direction
                && link.attribute.name.eq_ignore_ascii_case(&attribute.name);
            // What the Recycle Bin deactivates keeps the stamp of its last change.
            if !is_of_attribute || link.state() == LinkState::Deactivated {
                continue;
            }
            if let Some(metadata) = &link.metadata {
                let key = value_of(link).canonical().into_owned();
                stamps.insert(key, Stamp::from(metadata));
            }
        }
        Self(stamps)
    }
}

/// The value that a link is while it is present.
fn value_of(link: &Link) -> Value {
    let other = link.other.clone();
    match &link.data {
        None => Value::Name(other),
        Some(data) => match link.attribute.syntax {
            Syntax::DnText => Value::TextAndName(String::from_utf8_lossy(data).into_owned(), other),
            _ => Value::BytesAndName(data.clone(), other),
        },
    }
}
