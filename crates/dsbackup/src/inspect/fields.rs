//! The fields of a header, for people and for machines.

use ese::header::Field;
use serde::ser::{Serialize, SerializeMap, Serializer};

/// The fields in their order. In JSON one object, with an object inside for every section; a name
/// that a section has twice has an array.
#[derive(Debug, Default)]
pub struct Fields(pub Vec<Field>);

impl Fields {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A line a field, as `esentutl` lays them out.
    pub fn in_words(&self) -> String {
        let width = |section: &str| {
            let names = self.of(section).map(|field| field.name.len());
            names.filter(|length| *length <= 30).max().unwrap_or(0)
        };
        let mut text = String::new();
        for section in self.sections() {
            let width = width(section);
            if !section.is_empty() {
                text += &format!("\n{section}:\n");
            }
            for field in self.of(section) {
                text += &format!("  {:>width$}: {}\n", field.name, field.value);
            }
        }
        text
    }

    fn of<'f>(&'f self, section: &'f str) -> impl Iterator<Item = &'f Field> {
        self.0.iter().filter(move |field| field.section == section)
    }

    /// The sections in the order of their first fields.
    fn sections(&self) -> Vec<&'static str> {
        let mut sections = Vec::new();
        for field in &self.0 {
            if !sections.contains(&field.section) {
                sections.push(field.section);
            }
        }
        sections
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for section in self.sections() {
            if section.is_empty() {
                for (name, values) in by_name(self.of("")) {
                    map.serialize_entry(name, &values)?;
                }
            } else {
                map.serialize_entry(section, &Section(by_name(self.of(section))))?;
            }
        }
        map.end()
    }
}

/// The fields of a section by name.
struct Section<'f>(Vec<(&'static str, Values<'f>)>);

impl Serialize for Section<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entries = self.0.iter().map(|(name, values)| (name, values));
        serializer.collect_map(entries)
    }
}

/// The values of fields with one name.
struct Values<'f>(Vec<&'f str>);

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0[..] {
            [value] => serializer.serialize_str(value),
            values => values.serialize(serializer),
        }
    }
}

fn by_name<'f>(fields: impl Iterator<Item = &'f Field>) -> Vec<(&'static str, Values<'f>)> {
    let mut entries: Vec<(&str, Values<'f>)> = Vec::new();
    for field in fields {
        match entries.iter_mut().find(|(name, _)| *name == field.name) {
            Some((_, values)) => values.0.push(&field.value),
            None => entries.push((field.name, Values(vec![&field.value]))),
        }
    }
    entries
}
