//! Distinguished names, composed from the rows of an object and its ancestors (RFC 4514).

use crate::attribute::Attribute;
use crate::directory::{Directory, Dnt, ROOT};
use crate::{Error, Result};

/// The most parts of a name.
const MOST_PARTS: usize = 256;

impl Directory<'_> {
    /// The distinguished name of an object.
    ///
    /// # Errors
    /// Fails if the object or one of its ancestors lacks its row, name or parent.
    pub fn name_of(&self, dnt: Dnt) -> Result<String> {
        let mut name = String::new();
        let mut next = dnt;
        for _ in 0..MOST_PARTS {
            if next == ROOT {
                return Ok(name);
            }
            let (kind, value, parent) =
                self.object(next, &format!("ancestors of DNT {dnt}"), |object| {
                    Ok((
                        object.naming_attribute()?,
                        object.text(Attribute::RDN)?,
                        object.parent()?,
                    ))
                })?;
            let (Some(kind), Some(value), Some(parent)) = (kind, value, parent) else {
                return Err(self.nameless(next));
            };
            if !name.is_empty() {
                name.push(',');
            }
            match key_word(kind) {
                Some(word) => name.push_str(word),
                None => name.push_str(&format!("ATT{}", kind.0)),
            }
            name.push('=');
            escape(&value, &mut name);
            next = parent;
        }
        Err(self.inconsistent(
            &format!("ancestors of DNT {dnt}"),
            &format!("the root within {MOST_PARTS} parents"),
            "more",
        ))
    }

    #[cold]
    fn nameless(&self, dnt: Dnt) -> Error {
        let object = format!("row with the DNT {dnt}");
        self.inconsistent(&object, "a name and a parent", "one of them missing")
    }
}

/// The keyword of a naming attribute. Others name no object above the head of a naming context.
fn key_word(attribute: Attribute) -> Option<&'static str> {
    Some(match attribute {
        Attribute::COMMON_NAME => "CN",
        Attribute::DOMAIN_COMPONENT => "DC",
        Attribute::ORGANIZATIONAL_UNIT_NAME => "OU",
        Attribute::ORGANIZATION_NAME => "O",
        Attribute::LOCALITY_NAME => "L",
        Attribute::COUNTRY_NAME => "C",
        _ => return None,
    })
}

/// Appends the value of a part of a distinguished name, escaped (RFC 4514).
pub fn escape(value: &str, name: &mut String) {
    let last = value.chars().count().saturating_sub(1);
    for (place, character) in value.chars().enumerate() {
        match character {
            '\n' => name.push_str("\\0A"),
            '\r' => name.push_str("\\0D"),
            '\0' => name.push_str("\\00"),
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' | '=' => {
                name.push('\\');
                name.push(character);
            }
            ' ' if place == 0 || place == last => name.push_str("\\ "),
            '#' if place == 0 => name.push_str("\\#"),
            character => name.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn values_are_escaped() {
        for (value, expected) in [
            ("Users", "Users"),
            ("Smith, J.", "Smith\\, J."),
            (" x ", "\\ x\\ "),
            ("#1", "\\#1"),
            ("a\nDEL:b", "a\\0ADEL:b"),
        ] {
            let mut name = String::new();
            super::escape(value, &mut name);
            assert_eq!(name, expected);
        }
    }
}
