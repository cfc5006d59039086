//! Differences as LDIF change records (RFC 2849), which turn the first directory into the second.
//!
//! ```text
//! values that name objects go ─▶ objects go ─▶ objects come and move, parents first
//!   ─▶ containers go that others have left ─▶ values change
//! ```
//!
//! Values that name an object follow it when it moves, as those of a directory service do; so those
//! that go are named as before all moves, and those that come as after them.

use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::Arc;

use comparison::{AttributeChange, Change, Comparison, ObjectChange, ValueChange};
use objects::{Guid, Lookup, Source, Value, Wanted, dn, words};

use crate::ldif;
use crate::places::{Places, Renamed, Step};

/// Attributes that a server sets by itself, or takes from nobody, in lower case: they are comments.
const OF_SERVER: [&str; 15] = [
    "instancetype",
    "iscriticalsystemobject",
    "isdeleted",
    "isrecycled",
    "lastknownparent",
    "lockouttime",
    "msds-lastknownrdn",
    "objectguid",
    "objectsid",
    "pwdlastset",
    "samaccounttype",
    "sidhistory",
    "structuralobjectclass",
    "systemflags",
    "whencreated",
];

/// The security descriptor.
const DESCRIPTOR: &str = "nTSecurityDescriptor";

/// Why change records could not be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A directory could not be read.
    #[error(transparent)]
    Read(#[from] comparison::Error),
    /// They could not be written.
    #[error(transparent)]
    Write(#[from] io::Error),
}

impl From<objects::Error> for Error {
    fn from(error: objects::Error) -> Self {
        Self::Read(error.into())
    }
}

/// Writes all of them. `after` is the second directory of the comparison, which must be one of all
/// attributes. Passwords and keys are comments, and so is what a server sets by itself; deleted
/// objects are none.
///
/// # Errors
/// If a directory is damaged, or `out` fails.
pub fn write(
    out: &mut dyn Write,
    comparison: &Comparison<'_>,
    after: &dyn Source,
) -> Result<(), Error> {
    ldif::begin(out)?;
    let mut places = Places::default();
    for change in comparison.changes() {
        let change = change?;
        if let Some(step) = step(&change) {
            places.note(change.guid, step);
        }
        if let [Some(name), Some(_)] = names(&change) {
            without_former_values(out, name, &change)?;
        }
    }
    for name in places.first_to_go() {
        delete(out, &name)?;
    }
    // Attributes of objects that came, whose values name objects that were to come later.
    let mut later: HashSet<(Guid, Arc<str>)> = HashSet::new();
    for change in comparison.changes() {
        let change = change?;
        match step(&change) {
            Some(Step::Comes(to)) => {
                if let Some(aside) = places.make_room(change.guid, &to) {
                    rename(out, &aside)?;
                }
                add(out, &to, &change, &places, &mut later)?;
                places.came(&to);
            }
            Some(Step::Moves { from, to }) => {
                if let Some(aside) = places.make_room(change.guid, &to) {
                    rename(out, &aside)?;
                }
                rename(out, &places.moved(&from, &to))?;
            }
            Some(Step::Goes(_)) | None => {}
        }
    }
    for name in places.last_to_go() {
        delete(out, &name)?;
    }
    for change in comparison.changes() {
        let change = change?;
        match names(&change) {
            [Some(_), Some(name)] => modify(out, name, &change, after)?,
            [None, Some(name)] => {
                let is_later = |attribute: &&AttributeChange| {
                    later.contains(&(change.guid, attribute.attribute.name.clone()))
                };
                let mut record = Record::default();
                for attribute in change.attributes.iter().filter(is_later) {
                    let (_, added) = values(attribute);
                    record.change("add", attribute, added);
                }
                record.write(out, name)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// The names of an object before and after, while it lives.
fn names(change: &ObjectChange) -> [Option<&str>; 2] {
    [&change.before, &change.after].map(|identity| {
        let living = identity.as_ref().filter(|seen| !seen.state.is_deleted());
        living.map(|seen| &*seen.dn)
    })
}

/// What becomes of the name of an object; `None` where it stays.
fn step(change: &ObjectChange) -> Option<Step> {
    match names(change) {
        [None, None] => None,
        [None, Some(to)] => Some(Step::Comes(to.to_owned())),
        [Some(from), None] => Some(Step::Goes(from.to_owned())),
        [Some(from), Some(to)] => (change.is_moved || change.is_renamed).then(|| Step::Moves {
            from: from.to_owned(),
            to: to.to_owned(),
        }),
    }
}

fn delete(out: &mut dyn Write, name: &str) -> io::Result<()> {
    ldif::line(out, "dn", name.as_bytes())?;
    writeln!(out, "changetype: delete\n")
}

fn rename(out: &mut dyn Write, renamed: &Renamed) -> io::Result<()> {
    ldif::line(out, "dn", renamed.from.as_bytes())?;
    writeln!(out, "changetype: modrdn")?;
    ldif::line(out, "newrdn", dn::rdn(&renamed.to).as_bytes())?;
    writeln!(out, "deleteoldrdn: 1")?;
    let [from, to] = [&renamed.from, &renamed.to].map(|name| dn::parent(name).unwrap_or(""));
    if !dn::is_same(from, to) && from != to {
        ldif::line(out, "newsuperior", to.as_bytes())?;
    }
    writeln!(out)
}

fn add(
    out: &mut dyn Write,
    name: &str,
    change: &ObjectChange,
    places: &Places,
    later: &mut HashSet<(Guid, Arc<str>)>,
) -> io::Result<()> {
    ldif::line(out, "dn", name.as_bytes())?;
    writeln!(out, "changetype: add")?;
    let own = dn::parse(dn::rdn(name)).unwrap_or_default();
    for part in own {
        ldif::line(out, &part.kind, part.value.as_bytes())?;
    }
    for attribute in &change.attributes {
        let (_, added) = values(attribute);
        let is_settled = |value: &ValueChange| match value.value.reference() {
            Some(reference) => places.is_settled(&reference.dn),
            None => true,
        };
        if !added.iter().all(is_settled) {
            later.insert((change.guid, attribute.attribute.name.clone()));
            continue;
        }
        let name = &attribute.attribute.name;
        for value in added {
            match value.value.to_ldap().filter(|_| !is_of_server(attribute)) {
                Some(bytes) => ldif::line(out, name, &bytes)?,
                None => writeln!(out, "# {}", not_written(attribute, &value.value))?,
            }
        }
    }
    writeln!(out)
}

/// Values that name objects go while these have their names of before.
fn without_former_values(
    out: &mut dyn Write,
    name: &str,
    change: &ObjectChange,
) -> Result<(), Error> {
    let mut record = Record::default();
    for attribute in &change.attributes {
        let (removed, added) = values(attribute);
        let is_replaced = attribute.attribute.is_single_valued && !added.is_empty();
        if names_objects(attribute) && !is_replaced && !is_of_server(attribute) {
            record.change("delete", attribute, removed);
        }
    }
    Ok(record.write(out, name)?)
}

fn modify(
    out: &mut dyn Write,
    name: &str,
    change: &ObjectChange,
    after: &dyn Source,
) -> Result<(), Error> {
    let mut record = Record::default();
    for attribute in &change.attributes {
        match &attribute.change {
            Change::Withheld => {
                let name = words::printable(&attribute.attribute.name);
                record
                    .comments
                    .push(format!("{name}: it was set (withheld)"));
            }
            Change::Descriptor(_) => {
                record.replace(DESCRIPTOR, &descriptor(after, change.guid)?);
            }
            Change::Values { removed, added } if is_of_server(attribute) => {
                for (sign, list) in [("-", removed), ("+", added)] {
                    let texts = list
                        .iter()
                        .map(|value| not_written(attribute, &value.value));
                    record
                        .comments
                        .extend(texts.map(|text| format!("{sign} {text}")));
                }
            }
            Change::Values { added, .. }
                if attribute.attribute.is_single_valued && !added.is_empty() =>
            {
                record.change("replace", attribute, added);
            }
            Change::Values { removed, added } => {
                if !names_objects(attribute) {
                    record.change("delete", attribute, removed);
                }
                record.change("add", attribute, added);
            }
        }
    }
    Ok(record.write(out, name)?)
}

/// The values that went and came.
fn values(attribute: &AttributeChange) -> (&[ValueChange], &[ValueChange]) {
    match &attribute.change {
        Change::Values { removed, added } => (removed, added),
        Change::Descriptor(_) | Change::Withheld => (&[], &[]),
    }
}

/// Whether values are names of objects.
fn names_objects(attribute: &AttributeChange) -> bool {
    let (removed, added) = values(attribute);
    let mut all = removed.iter().chain(added);
    all.any(|value| value.value.reference().is_some())
}

fn is_of_server(attribute: &AttributeChange) -> bool {
    let name = attribute.attribute.name.to_ascii_lowercase();
    OF_SERVER.contains(&name.as_str())
}

fn not_written(attribute: &AttributeChange, value: &Value) -> String {
    let name = words::printable(&attribute.attribute.name);
    match value {
        Value::Withheld(_) => format!("{name}: withheld"),
        value => {
            let text = words::value(value, &attribute.attribute);
            format!("{name}, of the server: {}", words::printable(&text))
        }
    }
}

/// The security descriptor of an object; none where it cannot be read.
fn descriptor(source: &dyn Source, guid: Guid) -> Result<Vec<Vec<u8>>, Error> {
    let wanted = Wanted::only([DESCRIPTOR]);
    let found = source.find(&Lookup::Guid(guid))?;
    let entry = match found.first() {
        Some(id) => source.entry(*id, &wanted)?,
        None => None,
    };
    let value = entry
        .as_ref()
        .and_then(|entry| entry.value(DESCRIPTOR)?.to_ldap());
    Ok(value.map(|bytes| bytes.into_owned()).into_iter().collect())
}

/// A record of changed values.
#[derive(Default)]
struct Record {
    comments: Vec<String>,
    parts: Vec<(&'static str, String, Vec<Vec<u8>>)>,
}

impl Record {
    fn change(&mut self, how: &'static str, attribute: &AttributeChange, values: &[ValueChange]) {
        let name = &attribute.attribute.name;
        let mut octets = Vec::new();
        for value in values {
            match value.value.to_ldap() {
                Some(bytes) => octets.push(bytes.into_owned()),
                None => self.comments.push(not_written(attribute, &value.value)),
            }
        }
        if !octets.is_empty() {
            self.parts.push((how, name.to_string(), octets));
        }
    }

    fn replace(&mut self, name: &str, values: &[Vec<u8>]) {
        if !values.is_empty() {
            self.parts
                .push(("replace", name.to_owned(), values.to_vec()));
        }
    }

    fn write(self, out: &mut dyn Write, name: &str) -> io::Result<()> {
        if self.parts.is_empty() && self.comments.is_empty() {
            return Ok(());
        }
        let is_comment = self.parts.is_empty();
        if is_comment {
            writeln!(out, "# {}", words::printable(name))?;
        } else {
            ldif::line(out, "dn", name.as_bytes())?;
            writeln!(out, "changetype: modify")?;
        }
        for comment in &self.comments {
            writeln!(out, "# {comment}")?;
        }
        for (how, name, values) in &self.parts {
            writeln!(out, "{how}: {name}")?;
            for value in values {
                ldif::line(out, name, value)?;
            }
            writeln!(out, "-")?;
        }
        writeln!(out)
    }
}
