//! Values as they are written: objects are named by their GUIDs, which stay when names change.

use objects::{Reference, Value};

/// The bytes of a value in a change; `None` for a withheld one.
pub fn value(value: &Value) -> Option<Vec<u8>> {
    Some(match value {
        Value::Name(other) => name(other).into_bytes(),
        Value::BytesAndName(bytes, other) => {
            let digits = ids::hex::encode(bytes).to_uppercase();
            format!("B:{}:{digits}:{}", digits.len(), name(other)).into_bytes()
        }
        Value::TextAndName(text, other) => {
            format!("S:{}:{text}:{}", text.chars().count(), name(other)).into_bytes()
        }
        other => other.to_ldap()?.into_owned(),
    })
}

fn name(other: &Reference) -> String {
    match other.guid {
        Some(guid) => format!("<GUID={guid}>"),
        None => other.dn.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_named_by_their_guids() {
        let mut other = Reference {
            dn: "CN=a,DC=b".into(),
            guid: None,
            sid: None,
            is_phantom: false,
        };
        let text = |value: Value| String::from_utf8(super::value(&value).unwrap()).unwrap();
        assert_eq!(text(Value::Name(other.clone())), "CN=a,DC=b");
        other.guid = Some(ids::Guid([0; 16]));
        let guid = "<GUID=00000000-0000-0000-0000-000000000000>";
        assert_eq!(text(Value::Name(other.clone())), guid);
        let with_bytes = Value::BytesAndName(vec![0xa9, 1], other);
        assert_eq!(text(with_bytes), format!("B:4:A901:{guid}"));
        assert_eq!(text(Value::Integer(7)), "7");
        assert_eq!(super::value(&Value::Withheld(16)), None);
    }
}
