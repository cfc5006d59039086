//! Compares a value with the value in a filter.

use std::cmp::Ordering;

use ids::{Guid, Sid};

use super::Substrings;
use crate::schema::{AttributeSchema, Schema};
use crate::{Reference, Time, Value, dn};

/// Whether `value` equals the filter's `bytes`.
pub fn is_equal(value: &Value, bytes: &[u8], attribute: &AttributeSchema, schema: &Schema) -> bool {
    let text = std::str::from_utf8(bytes).ok();
    let number = || text.and_then(|text| text.trim().parse::<i64>().ok());
    match value {
        Value::Text(value) => text.is_some_and(|text| match attribute.syntax.is_case_exact() {
            true => value == text,
            false => value.to_lowercase() == text.to_lowercase(),
        }),
        Value::Integer(value) => number() == Some(*value),
        Value::Boolean(value) => text
            .is_some_and(|text| text.eq_ignore_ascii_case(if *value { "TRUE" } else { "FALSE" })),
        Value::Time(value) | Value::UtcTime(value) => text.and_then(Time::parse) == Some(*value),
        Value::Bytes(value) => {
            value == bytes
                // Identities may also be written as text.
                || text.and_then(|text| text.parse::<Guid>().ok())
                    .is_some_and(|guid| guid.0 == value.as_slice())
        }
        Value::Sid(value) => {
            Sid::from_bytes(bytes).as_ref() == Some(value)
                || text.and_then(|text| text.parse::<Sid>().ok()).as_ref() == Some(value)
        }
        Value::Oid(value) => text.is_some_and(|text| is_same_oid(value, text, schema)),
        Value::Name(name) => text.is_some_and(|text| {
            is_same_object(name, text) || is_category(name, text, attribute, schema)
        }),
        Value::BytesAndName(..) | Value::TextAndName(..) => {
            let same = |own: &str| text.is_some_and(|text| own.eq_ignore_ascii_case(text));
            (value.to_ldap()).is_some_and(|own| std::str::from_utf8(&own).is_ok_and(same))
        }
        Value::Descriptor(value) => **value == *bytes,
        Value::Withheld(_) => false,
    }
}

fn is_same_oid(value: &str, text: &str, schema: &Schema) -> bool {
    if value.eq_ignore_ascii_case(text) {
        return true;
    }
    // One may be a name and the other dotted.
    let dotted = |text: &str| {
        let class = schema.class(text).map(|class| class.oid.clone());
        class.or_else(|| {
            schema
                .attribute(text)
                .map(|attribute| attribute.oid.clone())
        })
    };
    dotted(value).is_some_and(|value| dotted(text) == Some(value))
}

/// A distinguished name, `<GUID=...>` or `<SID=...>`.
pub fn is_same_object(name: &Reference, text: &str) -> bool {
    let bracketed = text
        .strip_prefix('<')
        .and_then(|text| text.strip_suffix('>'));
    match bracketed.and_then(|text| text.split_once('=')) {
        Some((kind, guid)) if kind.eq_ignore_ascii_case("GUID") => {
            name.guid.is_some_and(|own| guid.parse() == Ok(own))
        }
        Some((_, sid)) => {
            let own = name.sid.as_ref();
            own.is_some_and(|own| sid.parse::<Sid>().as_ref() == Ok(own))
        }
        None => dn::is_same(&name.dn, text),
    }
}

/// In objectCategory a class name means the category of the class.
fn is_category(name: &Reference, text: &str, attribute: &AttributeSchema, schema: &Schema) -> bool {
    if !attribute.name.eq_ignore_ascii_case("objectCategory") || text.contains('=') {
        return false;
    }
    let category = schema
        .class(text)
        .and_then(|class| class.default_object_category.clone());
    category.is_some_and(|category| is_same_object(name, &category))
}

/// The order of `value` and the filter's `bytes`. `None` for values without an order.
pub fn order(value: &Value, bytes: &[u8], attribute: &AttributeSchema) -> Option<Ordering> {
    let text = std::str::from_utf8(bytes).ok();
    Some(match value {
        Value::Text(value) if attribute.syntax.is_case_exact() => value.as_str().cmp(text?),
        Value::Text(value) => value.to_lowercase().cmp(&text?.to_lowercase()),
        Value::Integer(value) => value.cmp(&text?.trim().parse::<i64>().ok()?),
        Value::Time(value) | Value::UtcTime(value) => value.cmp(&Time::parse(text?)?),
        Value::Bytes(value) => value.as_slice().cmp(bytes),
        _ => return None,
    })
}

/// Whether `value` contains these parts.
pub fn has_parts(value: &Value, parts: &Substrings, attribute: &AttributeSchema) -> bool {
    match value {
        Value::Text(value) if attribute.syntax.is_case_exact() => {
            are_in(value.as_bytes(), parts, <[u8]>::to_vec)
        }
        Value::Text(value) => are_in(value.to_lowercase().as_bytes(), parts, |part| {
            String::from_utf8_lossy(part).to_lowercase().into_bytes()
        }),
        Value::Bytes(value) => are_in(value, parts, <[u8]>::to_vec),
        _ => false,
    }
}

fn are_in(value: &[u8], parts: &Substrings, form: impl Fn(&[u8]) -> Vec<u8>) -> bool {
    let mut rest = value;
    if let Some(first) = &parts.first {
        match rest.strip_prefix(form(first).as_slice()) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    if let Some(last) = &parts.last {
        match rest.strip_suffix(form(last).as_slice()) {
            Some(before) => rest = before,
            None => return false,
        }
    }
    for part in &parts.middle {
        let part = form(part);
        let found = rest.windows(part.len()).position(|window| window == part);
        match found.and_then(|at| rest.get(at + part.len()..)) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    true
}
