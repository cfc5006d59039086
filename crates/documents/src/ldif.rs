//! Objects as LDIF (RFC 2849).

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use objects::Entry;

/// Characters in a line; what is longer goes on in the next one, behind a blank.
const LINE: usize = 78;

/// Whether an attribute is written only where it is asked for, as by a directory service.
pub fn is_only_by_name(attribute: &str) -> bool {
    let names = ["nTSecurityDescriptor", "replPropertyMetaData"];
    (names.iter()).any(|name| name.eq_ignore_ascii_case(attribute))
}

/// The first line of a file.
///
/// # Errors
/// Those of `out`.
pub fn begin(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "version: 1\n")
}

/// An object. What is withheld is a comment.
///
/// # Errors
/// Those of `out`.
pub fn entry(out: &mut dyn Write, entry: &Entry) -> io::Result<()> {
    line(out, "dn", entry.dn.as_bytes())?;
    for attribute in &entry.attributes {
        let name = &attribute.schema.name;
        for value in &attribute.values {
            match value.to_ldap() {
                Some(bytes) => line(out, name, &bytes)?,
                None => writeln!(out, "# {name}: withheld")?,
            }
        }
    }
    writeln!(out)
}

/// A line, folded, in base64 where it has to be.
///
/// # Errors
/// Those of `out`.
pub(crate) fn line(out: &mut dyn Write, name: &str, value: &[u8]) -> io::Result<()> {
    let text = std::str::from_utf8(value).ok().filter(|text| is_safe(text));
    let line = match text {
        Some("") => format!("{name}:"),
        Some(text) => format!("{name}: {text}"),
        None => format!("{name}:: {}", STANDARD.encode(value)),
    };
    // All of it is ASCII, so that any place is good for a cut.
    let (mut start, mut length) = (0, LINE);
    while start < line.len() {
        let end = line.len().min(start + length);
        if start > 0 {
            out.write_all(b" ")?;
        }
        out.write_all(line.as_bytes().get(start..end).unwrap_or_default())?;
        out.write_all(b"\n")?;
        (start, length) = (end, LINE - 1);
    }
    Ok(())
}

/// Whether text may stand as it is (SAFE-STRING), and does not end in a blank.
fn is_safe(text: &str) -> bool {
    let safe = |byte: u8| (1..=127).contains(&byte) && byte != b'\n' && byte != b'\r';
    text.bytes().all(safe) && !text.starts_with([' ', ':', '<']) && !text.ends_with(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines of a file, unfolded and decoded.
    fn read(text: &str) -> Vec<(String, Vec<u8>)> {
        let unfolded = text.replace("\n ", "");
        (unfolded.lines())
            .map(|line| {
                let (name, value) = line.split_once(':').unwrap();
                let value = match value.strip_prefix(':') {
                    Some(digits) => STANDARD.decode(digits.trim()).unwrap(),
                    None => value.strip_prefix(' ').unwrap_or(value).as_bytes().to_vec(),
                };
                (name.to_owned(), value)
            })
            .collect()
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read(values: Vec<Vec<u8>>, texts in proptest::collection::vec("[ :<a-zäö\n]{0,200}", 0..4)) {
            let values: Vec<Vec<u8>> = values.into_iter().chain(texts.into_iter().map(String::into_bytes)).collect();
            let mut text = Vec::new();
            for value in &values {
                line(&mut text, "a", value).unwrap();
            }
            let text = String::from_utf8(text).unwrap();
            proptest::prop_assert!(text.lines().all(|line| line.len() <= LINE));
            let found: Vec<Vec<u8>> = read(&text).into_iter().map(|(_, value)| value).collect();
            proptest::prop_assert_eq!(found, values);
        }
    }
}
