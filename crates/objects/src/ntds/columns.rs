//! The roles of the columns of `datatable`, and the decoding of their values.

use std::sync::Arc;

use ese::catalog::{ColumnType, Table};
use ids::Sid;
use ntds::Dnt;
use ntds::attribute::Attribute;

use super::schema::Vocabulary;
use super::tables::whole_number;
use crate::schema::{AttributeNumber, AttributeSchema, Syntax};
use crate::{Reference, Time, Value, Wanted};

/// The role of a column.
pub enum ColumnRole {
    /// The row's number or the like.
    Fixed(Fixed),
    /// An attribute.
    Attribute(Arc<AttributeSchema>, OidForm),
    /// Not part of an object.
    None,
}

/// Columns that hold no attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fixed {
    Dnt,
    Parent,
    NamingContext,
    IsObject,
    NameKind,
}

/// The form of identifiers in an attribute of the syntax OID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OidForm {
    Dotted,
    ClassName,
    AttributeName,
}

/// The roles of the columns of `datatable`, by position.
pub fn roles(data: &Table, vocabulary: &Vocabulary) -> Vec<ColumnRole> {
    let role = |name: &str| match name {
        "DNT_col" => ColumnRole::Fixed(Fixed::Dnt),
        "PDNT_col" => ColumnRole::Fixed(Fixed::Parent),
        "NCDNT_col" => ColumnRole::Fixed(Fixed::NamingContext),
        "RDNtyp_col" => ColumnRole::Fixed(Fixed::NameKind),
        "OBJ_col" => ColumnRole::Fixed(Fixed::IsObject),
        name => {
            let number = Attribute::of_column(name);
            let attribute = number.and_then(|number| {
                (vocabulary.schema).attribute_of_number(AttributeNumber(number.0))
            });
            match attribute {
                Some(attribute) => {
                    ColumnRole::Attribute(attribute.clone(), oid_form(&attribute.name))
                }
                None => ColumnRole::None,
            }
        }
    };
    let columns = data.columns().iter();
    columns.map(|column| role(&column.name)).collect()
}

/// Identifiers of attributes and classes are dotted only in attributes that define them.
fn oid_form(name: &str) -> OidForm {
    let is = |listed: &[&str]| {
        listed
            .iter()
            .any(|listed| listed.eq_ignore_ascii_case(name))
    };
    if is(&["attributeID", "governsID", "attributeSyntax"]) {
        OidForm::Dotted
    } else if is(&[
        "rDNAttID",
        "mustContain",
        "mayContain",
        "systemMustContain",
        "systemMayContain",
        "transportAddressAttribute",
        "partialAttributeSet",
        "partialAttributeDeletionList",
    ]) {
        OidForm::AttributeName
    } else {
        OidForm::ClassName
    }
}

/// Whether each attribute of a row is requested, by the position of its column.
pub fn wanted(roles: &[ColumnRole], wanted: &Wanted) -> Vec<bool> {
    roles
        .iter()
        .map(|role| match role {
            ColumnRole::Fixed(_) => true,
            ColumnRole::Attribute(attribute, _) => match attribute.syntax {
                Syntax::Descriptor => wanted.descriptor && wanted.has(&attribute.name),
                _ => wanted.has(&attribute.name),
            },
            ColumnRole::None => false,
        })
        .collect()
}

/// Decodes a value of an attribute. Bytes that do not fit its syntax stay bytes.
pub fn decode(
    bytes: &[u8],
    attribute: &AttributeSchema,
    oid_form: OidForm,
    column: ColumnText,
    vocabulary: &Vocabulary,
    name_of: impl Fn(Dnt) -> crate::Result<Reference>,
) -> crate::Result<Value> {
    let plain = || Value::Bytes(bytes.to_vec());
    if attribute.is_secret {
        return Ok(Value::Withheld(bytes.len()));
    }
    let number = || whole_number(bytes);
    Ok(match attribute.syntax {
        Syntax::Dn => match number().and_then(|number| Dnt::try_from(number).ok()) {
            Some(dnt) => Value::Name(name_of(dnt)?),
            None => plain(),
        },
        Syntax::Oid => match number() {
            Some(number) => Value::Oid(match oid_form {
                OidForm::Dotted => vocabulary.oid(number as u32),
                OidForm::ClassName => vocabulary.class(number as u32),
                OidForm::AttributeName => vocabulary.attribute(number as u32),
            }),
            None => plain(),
        },
        Syntax::CaseExactText
        | Syntax::CaseIgnoreText
        | Syntax::Ia5Text
        | Syntax::PrintableText
        | Syntax::NumericText
        | Syntax::Unicode => column.text(bytes).map_or_else(plain, Value::Text),
        Syntax::Boolean => number().map_or_else(plain, |number| Value::Boolean(number != 0)),
        Syntax::Integer | Syntax::LargeInteger => number().map_or_else(plain, Value::Integer),
        Syntax::GeneralizedTime => {
            number().map_or_else(plain, |seconds| Value::Time(Time(seconds)))
        }
        Syntax::UtcTime => number().map_or_else(plain, |seconds| Value::UtcTime(Time(seconds))),
        Syntax::Sid => Sid::from_stored(bytes).map_or_else(plain, Value::Sid),
        Syntax::DnBinary => match with_name(bytes) {
            Some((dnt, data)) => Value::BytesAndName(data.to_vec(), name_of(dnt)?),
            None => plain(),
        },
        Syntax::DnText => match with_name(bytes) {
            Some((dnt, data)) => Value::TextAndName(utf16(data), name_of(dnt)?),
            None => plain(),
        },
        // If a row holds a descriptor's number, the caller has looked it up.
        Syntax::Descriptor => Value::Descriptor(bytes.into()),
        Syntax::Octets | Syntax::PresentationAddress => plain(),
    })
}

/// The encoding of text in a column.
#[derive(Clone, Copy)]
pub struct ColumnText<'c>(pub &'c ese::catalog::Column);

impl ColumnText<'_> {
    /// The text. `None` if the column holds none.
    pub fn text(self, bytes: &[u8]) -> Option<String> {
        if !matches!(self.0.kind, ColumnType::Text | ColumnType::LongText) {
            return None;
        }
        match ese::rows::Value::new(self.0, bytes.into())? {
            ese::rows::Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

/// A row's number, then a length that includes itself, then data.
fn with_name(bytes: &[u8]) -> Option<(Dnt, &[u8])> {
    let (dnt, rest) = bytes.split_first_chunk::<4>()?;
    Some((Dnt::from_le_bytes(*dnt), counted(rest)?))
}

/// A length that includes itself, then data.
pub fn counted(bytes: &[u8]) -> Option<&[u8]> {
    let (length, data) = bytes.split_first_chunk::<4>()?;
    let length = (u32::from_le_bytes(*length) as usize).checked_sub(4)?;
    data.get(..length)
}

/// Decodes UTF-16.
pub fn utf16(bytes: &[u8]) -> String {
    let (units, _) = bytes.as_chunks::<2>();
    let units: Vec<u16> = units.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
    String::from_utf16_lossy(&units)
}
