//! Differences for machines.

use std::io::{self, Write};

use comparison::{
    AttributeChange, Change, DescriptorChange, Identity, Kind, ListChange, ObjectChange,
    ValueChange,
};
use documents::Servers;
use objects::Sid;
use objects::descriptor::{Ace, Domains};
use objects::schema::AttributeSchema;
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use super::super::json::value;
use super::super::words;

/// One document, written change by change: `{"changes": [...], "files": [...], "totals": {...}}`.
#[derive(Default)]
pub struct Document {
    has_begun: bool,
    /// The files of SYSVOL that differ; absent if it was not compared.
    pub files: Option<Vec<Json>>,
}

impl Document {
    /// Writes a change.
    pub fn add(&mut self, out: &mut dyn Write, change: &Json) -> io::Result<()> {
        let start = match self.has_begun {
            true => ",",
            false => "{\"changes\": [",
        };
        self.has_begun = true;
        write!(out, "{start}\n  {change}")
    }

    /// Writes the end.
    pub fn end(self, out: &mut dyn Write, totals: &impl Serialize) -> io::Result<()> {
        let start = match self.has_begun {
            true => "\n], ",
            false => "{\"changes\": [], ",
        };
        write!(out, "{start}")?;
        if let Some(files) = &self.files {
            write!(out, "\"files\": {}, ", serde_json::to_string(files)?)?;
        }
        writeln!(out, "\"totals\": {}}}", serde_json::to_string(totals)?)
    }
}

/// What differs in an object.
pub fn change(change: &ObjectChange, servers: &Servers) -> Json {
    let attributes: Vec<Json> = (change.attributes.iter())
        .map(|attribute| self::attribute(attribute, servers))
        .collect();
    let identity = change.identity();
    let mut object = Map::new();
    let kind = match change.kind {
        Kind::Added => "added",
        Kind::Deleted => "deleted",
        Kind::Restored => "restored",
        Kind::Changed => "changed",
    };
    object.insert("kind".into(), kind.into());
    object.insert("guid".into(), change.guid.to_string().into());
    object.insert("dn".into(), change.dn().into());
    object.insert(
        "class".into(),
        identity.and_then(|identity| identity.class.clone()).into(),
    );
    let sid = identity.and_then(|identity| identity.sid.as_ref());
    object.insert("sid".into(), sid.map(Sid::to_string).into());
    object.insert("renamed".into(), change.is_renamed.into());
    object.insert("moved".into(), change.is_moved.into());
    servers.note(change.stamp(), &mut object);
    for (name, side) in [("before", &change.before), ("after", &change.after)] {
        object.insert(name.into(), side.as_ref().map(self::side).into());
    }
    object.insert("attributes".into(), attributes.into());
    object.into()
}

fn side(identity: &Identity) -> Json {
    match words::state(identity.state) {
        "" => json!({"dn": *identity.dn}),
        state => json!({"dn": *identity.dn, "state": state}),
    }
}

fn attribute(change: &AttributeChange, servers: &Servers) -> Json {
    let mut object = Map::new();
    object.insert("attribute".into(), change.attribute.name.to_string().into());
    servers.note(change.stamp(), &mut object);
    match &change.change {
        Change::Values { removed, added } => {
            for (name, list) in [("removed", removed), ("added", added)] {
                let list = list
                    .iter()
                    .map(|value| one_value(value, &change.attribute, servers));
                object.insert(name.into(), list.collect());
            }
        }
        Change::Descriptor(descriptor) => {
            object.insert("descriptor".into(), self::descriptor(descriptor));
        }
        Change::Withheld => {
            object.insert("withheld".into(), true.into());
        }
    }
    object.into()
}

fn one_value(change: &ValueChange, attribute: &AttributeSchema, servers: &Servers) -> Json {
    let mut object = Map::new();
    object.insert("value".into(), value(&change.value, attribute));
    if let Some(guid) = change
        .value
        .reference()
        .and_then(|reference| reference.guid)
    {
        object.insert("guid".into(), guid.to_string().into());
    }
    servers.note(change.after.as_ref(), &mut object);
    object.into()
}

fn descriptor(change: &DescriptorChange) -> Json {
    let mut object = Map::new();
    for (name, sids) in [("owner", &change.owner), ("group", &change.group)] {
        if let Some([before, after]) = sids {
            let text = |sid: &Option<Sid>| sid.as_ref().map(Sid::to_string);
            let both = json!({"before": text(before), "after": text(after)});
            object.insert(name.into(), both);
        }
    }
    for (name, list) in [("dacl", &change.dacl), ("sacl", &change.sacl)] {
        if *list != ListChange::default() {
            object.insert(name.into(), self::list(list));
        }
    }
    if change.is_flagged_otherwise {
        object.insert("flags".into(), true.into());
    }
    object.into()
}

fn list(change: &ListChange) -> Json {
    // Without short names for accounts of a domain, so that the text says all.
    let sddl = |entries: &[Ace]| -> Vec<String> {
        let texts = entries
            .iter()
            .map(|entry| entry.to_sddl(Domains::default()));
        texts.collect()
    };
    let mut object = Map::new();
    object.insert("removed".into(), sddl(&change.removed).into());
    object.insert("added".into(), sddl(&change.added).into());
    object.insert("reordered".into(), change.is_reordered.into());
    for (name, flags) in [
        ("exists", change.exists),
        ("protected", change.is_protected),
    ] {
        if let Some([before, after]) = flags {
            object.insert(name.into(), json!({"before": before, "after": after}));
        }
    }
    object.into()
}
