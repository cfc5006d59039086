//! The packed form of a record.
//!
//! The first four bytes are the number of the form. All integers are little-endian.
//!
//! - 0x26011966: number of attributes (4), attributes.
//! - 0x26011967: number of attributes (4), name, NUL, attributes.
//! - 0x26011968: number of attributes (4), length of the name (4), name, NUL, length of the
//!   canonical name (4), canonical name, NUL; distance to the values in bytes (4), descriptions,
//!   values.
//!
//! An attribute of the first two forms: name, NUL, number of values (4); each value: length (4),
//! bytes, NUL. A description of the third: length of the attribute's name (4), name, NUL, number of
//! values (4), size of a length in bytes (1), lengths. Its values follow each other in order, each
//! with a NUL.

/// A record: an object's name and its attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'r> {
    /// The distinguished name. None in the oldest form, which stores it in the key.
    pub dn: Option<&'r [u8]>,
    /// The attributes, in the order of the record.
    pub elements: Vec<Element<'r>>,
}

/// An attribute and its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element<'r> {
    /// The attribute's name.
    pub name: &'r [u8],
    /// Its values.
    pub values: Vec<&'r [u8]>,
}

/// The error for malformed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("record: {what} at offset {offset} is truncated or contradicts itself")]
pub struct Malformed {
    /// The malformed part.
    pub what: &'static str,
    /// Its offset in the record.
    pub offset: usize,
}

const NAMELESS: u32 = 0x2601_1966;
const NAMED: u32 = 0x2601_1967;
const APART: u32 = 0x2601_1968;

impl<'r> Record<'r> {
    /// Parses a record.
    ///
    /// # Errors
    /// Fails for an unknown form, and for a part beyond the end.
    pub fn parse(bytes: &'r [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader { bytes, at: 0 };
        let form = reader.number("the form")?;
        let count = reader.number("the number of attributes")?;
        match form {
            NAMELESS | NAMED => {
                let dn = match form {
                    NAMED => Some(reader.text("the name")?),
                    _ => None,
                };
                let mut elements = Vec::new();
                for _ in 0..count {
                    elements.push(reader.element()?);
                }
                Ok(Self { dn, elements })
            }
            APART => reader.values_apart(count),
            _ => Err(Malformed {
                what: "the form",
                offset: 0,
            }),
        }
    }

    /// The values of an attribute, whatever the case of its name. Empty if there are none.
    pub fn values(&self, name: &str) -> &[&'r [u8]] {
        let mut elements = self.elements.iter();
        let found = elements.find(|element| element.name.eq_ignore_ascii_case(name.as_bytes()));
        found.map_or(&[], |element| &element.values)
    }

    /// The first value of an attribute, whatever the case of its name.
    pub fn value(&self, name: &str) -> Option<&'r [u8]> {
        self.values(name).first().copied()
    }
}

struct Reader<'r> {
    bytes: &'r [u8],
    at: usize,
}

impl<'r> Reader<'r> {
    fn wrong(&self, what: &'static str) -> Malformed {
        Malformed {
            what,
            offset: self.at,
        }
    }

    fn take(&mut self, length: usize, what: &'static str) -> Result<&'r [u8], Malformed> {
        let end = self.at.checked_add(length);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or_else(|| self.wrong(what))?;
        self.at += length;
        Ok(taken)
    }

    /// `length` bytes and a NUL.
    fn terminated(&mut self, length: usize, what: &'static str) -> Result<&'r [u8], Malformed> {
        let taken = self.take(length, what)?;
        match self.take(1, what)? {
            [0] => Ok(taken),
            _ => Err(self.wrong(what)),
        }
    }

    fn number(&mut self, what: &'static str) -> Result<u32, Malformed> {
        self.width(4, what)
    }

    fn width(&mut self, width: usize, what: &'static str) -> Result<u32, Malformed> {
        let bytes = self.take(width, what)?;
        let number = bytes.iter().rev();
        Ok(number.fold(0, |number, byte| number << 8 | u32::from(*byte)))
    }

    /// Bytes up to a NUL.
    fn text(&mut self, what: &'static str) -> Result<&'r [u8], Malformed> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|byte| *byte == 0);
        self.terminated(length.ok_or_else(|| self.wrong(what))?, what)
    }

    fn element(&mut self) -> Result<Element<'r>, Malformed> {
        let name = self.text("the name of an attribute")?;
        let mut values = Vec::new();
        for _ in 0..self.number("the number of values")? {
            let length = self.number("the length of a value")?;
            values.push(self.terminated(length as usize, "a value")?);
        }
        Ok(Element { name, values })
    }

    fn values_apart(&mut self, count: u32) -> Result<Record<'r>, Malformed> {
        let length = self.number("the length of the name")?;
        let dn = self.terminated(length as usize, "the name")?;
        let length = self.number("the length of the canonical name")?;
        self.terminated(length as usize, "the canonical name")?;
        let start = self.at;
        let length = self.number("the length of the descriptions")?;
        let values_at = start
            .checked_add(length as usize)
            .ok_or_else(|| self.wrong("the length of the descriptions"))?;
        let mut values = Reader {
            bytes: self.bytes,
            at: values_at,
        };
        let mut elements = Vec::new();
        for _ in 0..count {
            let length = self.number("the length of an attribute's name")?;
            let name = self.terminated(length as usize, "the name of an attribute")?;
            let count = self.number("the number of values")?;
            let width = self.width(1, "the width of lengths")? as usize;
            if !matches!(width, 1 | 2 | 4) {
                return Err(self.wrong("the width of lengths"));
            }
            let mut own = Vec::new();
            for _ in 0..count {
                let length = self.width(width, "the length of a value")?;
                own.push(values.terminated(length as usize, "a value")?);
            }
            elements.push(Element { name, values: own });
        }
        if self.at > values_at {
            return Err(self.wrong("the descriptions"));
        }
        Ok(Record {
            dn: Some(dn),
            elements,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Attributes = Vec<(Vec<u8>, Vec<Vec<u8>>)>;

    fn pack(form: u32, dn: &[u8], attributes: &Attributes, width: usize) -> Vec<u8> {
        let number = |number: usize| (number as u32).to_le_bytes();
        let mut bytes = [form.to_le_bytes(), number(attributes.len())].concat();
        if form == APART {
            bytes.extend([&number(dn.len()), dn, &[0], &number(3), b"x/y\0"].concat());
            let mut descriptions = Vec::new();
            for (name, values) in attributes {
                descriptions.extend([&number(name.len()), &name[..], &[0]].concat());
                descriptions.extend(number(values.len()));
                descriptions.push(width as u8);
                for value in values {
                    descriptions.extend(&number(value.len())[..width]);
                }
            }
            bytes.extend(number(descriptions.len() + 4));
            bytes.extend(descriptions);
            for value in attributes.iter().flat_map(|(_, values)| values) {
                bytes.extend([&value[..], &[0]].concat());
            }
            return bytes;
        }
        if form == NAMED {
            bytes.extend([dn, &[0]].concat());
        }
        for (name, values) in attributes {
            bytes.extend([&name[..], &[0], &number(values.len())].concat());
            for value in values {
                bytes.extend([&number(value.len()), &value[..], &[0]].concat());
            }
        }
        bytes
    }

    proptest! {
        #[test]
        fn what_was_packed_is_read(
            form in NAMELESS..=APART,
            dn in prop::collection::vec(1..=255u8, 0..20),
            attributes in prop::collection::vec(
                (
                    prop::collection::vec(1..=255u8, 1..9),
                    prop::collection::vec(any::<Vec<u8>>(), 0..4),
                ),
                0..5,
            ),
            width in prop::sample::select(vec![1usize, 2, 4]),
        ) {
            let mut values = attributes.iter().flat_map(|(_, values)| values);
            let width = if values.any(|value| value.len() > 255) { 4 } else { width };
            let bytes = pack(form, &dn, &attributes, width);
            let record = Record::parse(&bytes).unwrap();
            prop_assert_eq!(record.dn, (form != NAMELESS).then_some(&dn[..]));
            let found: Attributes = (record.elements.iter())
                .map(|element| {
                    let values = element.values.iter().map(|value| value.to_vec());
                    (element.name.to_vec(), values.collect())
                })
                .collect();
            prop_assert_eq!(found, attributes);
            for cut in 0..bytes.len() {
                prop_assert!(Record::parse(&bytes[..cut]).is_err(), "{}", cut);
            }
        }

        #[test]
        fn any_bytes_are_a_record_or_an_error(bytes: Vec<u8>, form in NAMELESS..=APART) {
            let _ = Record::parse(&bytes);
            let _ = Record::parse(&[&form.to_le_bytes(), &bytes[..]].concat());
        }
    }
}
