//! Objects as CSV (RFC 4180).

use std::collections::BTreeSet;
use std::io::{self, Write};

use objects::{Entry, Value};

use super::words;

/// The first line.
pub fn heading(out: &mut dyn Write, names: &BTreeSet<String>) -> io::Result<()> {
    let names = names.iter().map(|name| quoted(name));
    writeln!(out, "dn,{}\r", names.collect::<Vec<_>>().join(","))
}

/// An object, with these attributes. Several values stand in one field, parted by line feeds.
pub fn entry(out: &mut dyn Write, entry: &Entry, names: &BTreeSet<String>) -> io::Result<()> {
    write!(out, "{}", quoted(&entry.dn))?;
    for name in names {
        let mut attributes = entry.attributes.iter();
        let attribute = attributes.find(|attribute| *attribute.schema.name == **name);
        let values = attribute.map(|attribute| {
            let values = attribute.values.iter();
            let texts = values.map(|value| match words::guid(value, &attribute.schema) {
                Some(guid) => guid.to_string(),
                None => text(value),
            });
            texts.collect::<Vec<_>>().join("\n")
        });
        write!(out, ",{}", quoted(&values.unwrap_or_default()))?;
    }
    write!(out, "\r\n")
}

fn text(value: &Value) -> String {
    match value {
        Value::Sid(sid) => sid.to_string(),
        Value::Bytes(bytes) => ids::hex::encode(bytes),
        Value::Descriptor(bytes) => ids::hex::encode(bytes),
        Value::Withheld(_) => "withheld".into(),
        value => {
            let bytes = value.to_ldap().unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        }
    }
}

fn quoted(text: &str) -> String {
    match text.contains(['"', ',', '\r', '\n']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}
