//! Objects for machines.

use objects::schema::AttributeSchema;
use objects::{Entry, Value};
use serde_json::{Map, Value as Json, json};

use super::words;

/// An object: its identities, and its attributes by name. Octets are hexadecimal digits (`{"hex":
/// ...}`); what is withheld says its length.
pub fn entry(entry: &Entry) -> Json {
    let attributes: Map<String, Json> = (entry.attributes.iter())
        .map(|attribute| {
            let values = attribute.values.iter();
            let values = values.map(|value| self::value(value, &attribute.schema));
            (attribute.schema.name.to_string(), values.collect())
        })
        .collect();
    let mut object = json!({
        "dn": *entry.dn,
        "guid": entry.guid.map(|guid| guid.to_string()),
        "sid": entry.sid.as_ref().map(|sid| sid.to_string()),
        "attributes": attributes,
    });
    if entry.state.is_deleted() {
        object["state"] = words::state(entry.state).into();
    }
    object
}

/// A value of an attribute.
pub fn value(value: &Value, attribute: &AttributeSchema) -> Json {
    if let Some(guid) = words::guid(value, attribute) {
        return guid.to_string().into();
    }
    match value {
        Value::Integer(number) => (*number).into(),
        Value::Boolean(flag) => (*flag).into(),
        Value::Sid(sid) => sid.to_string().into(),
        Value::Bytes(bytes) => json!({"hex": ids::hex::encode(bytes)}),
        Value::Descriptor(bytes) => json!({"hex": ids::hex::encode(bytes)}),
        Value::Withheld(len) => json!({"withheld_bytes": len}),
        value => {
            let bytes = value.to_ldap().unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned().into()
        }
    }
}
