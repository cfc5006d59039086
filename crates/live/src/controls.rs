//! How a request asks for more than its own fields say. Source: \[MS-ADTS\] 3.1.1.3.4.1, RFC 2696.

use objects::ldap::oid;
use rasn::prelude::*;
use rasn_ldap::Control;

/// Owner, group, DACL and SACL.
const ALL_PARTS: i32 = 15;

/// The DACL.
const DACL: i32 = 4;

/// GUIDs and SIDs as text.
const AS_TEXT: i32 = 1;

#[derive(AsnType, Encode, Decode, Debug, Clone)]
struct Number {
    value: i32,
}

#[derive(AsnType, Encode, Decode, Debug, Clone)]
struct Page {
    size: i32,
    cookie: OctetString,
}

/// Names with GUIDs and SIDs.
pub fn extended_names() -> Control {
    control(
        oid::EXTENDED_DN,
        true,
        Some(encoded(&Number { value: AS_TEXT })),
    )
}

/// Deleted objects as well.
pub fn deleted() -> [Control; 2] {
    [oid::SHOW_DELETED, oid::SHOW_RECYCLED].map(|kind| control(kind, false, None))
}

/// All parts of security descriptors.
pub fn whole_descriptors() -> Control {
    parts_of_descriptors(ALL_PARTS)
}

/// The DACL of security descriptors.
pub fn access_lists() -> Control {
    parts_of_descriptors(DACL)
}

fn parts_of_descriptors(value: i32) -> Control {
    control(oid::SD_FLAGS, true, Some(encoded(&Number { value })))
}

/// So many entries, from where the cookie says.
pub fn page(size: i32, cookie: &[u8]) -> Control {
    let page = Page {
        size,
        cookie: cookie.to_vec().into(),
    };
    control(oid::PAGED, true, Some(encoded(&page)))
}

/// The cookie for the next page; empty where there is none.
pub fn cookie(controls: Option<&[Control]>) -> Result<Vec<u8>, String> {
    let mut controls = controls.unwrap_or_default().iter();
    let Some(control) =
        controls.find(|control| control.control_type.as_ref() == oid::PAGED.as_bytes())
    else {
        return Ok(Vec::new());
    };
    let value = control.control_value.as_deref().unwrap_or_default();
    let page: Page =
        rasn::ber::decode(value).map_err(|error| format!("a malformed page ({error})"))?;
    Ok(page.cookie.to_vec())
}

/// A control of a change; the server must know it.
pub fn of_change(kind: &str) -> Control {
    control(kind, true, None)
}

/// A control of a change that the server is free to ignore: it then refuses the change by itself.
pub fn of_change_if_known(kind: &str) -> Control {
    control(kind, false, None)
}

fn control(kind: &str, is_critical: bool, value: Option<Vec<u8>>) -> Control {
    Control::new(
        kind.as_bytes().to_vec().into(),
        is_critical,
        value.map(Into::into),
    )
}

fn encoded(value: &impl Encode) -> Vec<u8> {
    rasn::ber::encode(value).unwrap_or_default()
}
