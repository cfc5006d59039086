//! Objects for machines.

use std::io::{self, Write};

use objects::schema::AttributeSchema;
use objects::{AttributeValues, Entry, Value};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value as Json;

use super::words;

/// An object: its identities, and its attributes by name. Octets are hexadecimal digits (`{"hex":
/// ...}`); what is withheld says its length.
pub fn entry(entry: &Entry) -> Json {
    // Strings are its only keys, so this does not fail.
    serde_json::to_value(Object(entry)).unwrap_or_default()
}

/// Writes an object without building it in memory.
///
/// # Errors
/// Those of `out`.
pub fn write(out: &mut impl Write, entry: &Entry) -> io::Result<()> {
    serde_json::to_writer(out, &Object(entry)).map_err(io::Error::from)
}

/// A value of an attribute.
pub fn value(value: &Value, attribute: &AttributeSchema) -> Json {
    serde_json::to_value(Shown(value, attribute)).unwrap_or_default()
}

struct Object<'e>(&'e Entry);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(entry) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("attributes", &Attributes(&entry.attributes))?;
        map.serialize_entry("dn", &*entry.dn)?;
        let guid = entry.guid.map(|guid| guid.to_string());
        map.serialize_entry("guid", &guid)?;
        let sid = entry.sid.as_ref().map(|sid| sid.to_string());
        map.serialize_entry("sid", &sid)?;
        if entry.state.is_deleted() {
            map.serialize_entry("state", words::state(entry.state))?;
        }
        map.end()
    }
}

struct Attributes<'e>(&'e [AttributeValues]);

impl Serialize for Attributes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sorted: Vec<&AttributeValues> = self.0.iter().collect();
        sorted.sort_by(|one, other| one.schema.name.cmp(&other.schema.name));
        sorted.dedup_by(|one, other| one.schema.name == other.schema.name);
        let mut map = serializer.serialize_map(Some(sorted.len()))?;
        for attribute in sorted {
            map.serialize_entry(&*attribute.schema.name, &Values(attribute))?;
        }
        map.end()
    }
}

struct Values<'e>(&'e AttributeValues);

impl Serialize for Values<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let schema = &self.0.schema;
        serializer.collect_seq(self.0.values.iter().map(|value| Shown(value, schema)))
    }
}

/// A value of an attribute.
struct Shown<'e>(&'e Value, &'e AttributeSchema);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(value, attribute) = *self;
        if let Some(guid) = words::guid(value, attribute) {
            return serializer.serialize_str(&guid.to_string());
        }
        match value {
            Value::Integer(number) => serializer.serialize_i64(*number),
            Value::Boolean(flag) => serializer.serialize_bool(*flag),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Oid(name) => serializer.serialize_str(name),
            Value::Name(name) => serializer.serialize_str(&name.dn),
            Value::Sid(sid) => serializer.serialize_str(&sid.to_string()),
            Value::Bytes(bytes) => pair(serializer, "hex", &ids::hex::encode(bytes)),
            Value::Descriptor(bytes) => pair(serializer, "hex", &ids::hex::encode(bytes)),
            Value::Withheld(len) => pair(serializer, "withheld_bytes", len),
            value => {
                let bytes = value.to_ldap().unwrap_or_default();
                serializer.serialize_str(&String::from_utf8_lossy(&bytes))
            }
        }
    }
}

fn pair<S: Serializer>(
    serializer: S,
    name: &str,
    value: &(impl Serialize + ?Sized),
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(name, value)?;
    map.end()
}
