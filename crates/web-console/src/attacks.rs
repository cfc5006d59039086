//! Tests: names and values that attack whoever looks at them.

use objects::schema::{AttributeNumber, AttributeSchema, Syntax};

/// Short ones.
pub const SHORT: [&str; 9] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "' onmouseover='alert(1)",
    "\u{202e}gnp.exe",
    "\u{202e}gnp.exe\u{2066}",
    "\u{0}\u{1b}[31m\u{7f}",
    "\u{200b}\u{2066}admin\u{feff}",
    "</bdi></td><b>",
    "javascript:alert(1)",
];

/// The short ones, and some of 64 KiB.
pub fn all() -> Vec<String> {
    let long = ["<", "\u{202e}", "&", "\u{e9}"].map(|text| text.repeat((64 << 10) / text.len()));
    SHORT.map(str::to_owned).into_iter().chain(long).collect()
}

/// An attribute of texts.
pub fn attribute(name: &str, number: u32) -> AttributeSchema {
    AttributeSchema {
        name: name.into(),
        oid: format!("1.{number}").into(),
        number: AttributeNumber(number),
        syntax: Syntax::Unicode,
        is_single_valued: false,
        link_id: None,
        search_flags: 0,
        system_flags: 0,
        guid: None,
        is_defunct: false,
        is_secret: false,
    }
}
