//! Attributes and classes: by name, by object identifier, by number.

use std::collections::HashMap;
use std::sync::Arc;

use ids::Guid;

/// The number of an attribute in the directory: ATTRTYP, or `msDS-IntId` if it has one. Outside the
/// base schema, numbers differ between forests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttributeNumber(pub u32);

/// The form and comparison of values (\[MS-ADTS\] 3.1.1.2.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Syntax {
    Dn,
    Oid,
    CaseExactText,
    CaseIgnoreText,
    Ia5Text,
    PrintableText,
    NumericText,
    DnBinary,
    Boolean,
    Integer,
    Octets,
    UtcTime,
    GeneralizedTime,
    Unicode,
    PresentationAddress,
    DnText,
    Descriptor,
    LargeInteger,
    Sid,
}

/// An attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeSchema {
    /// lDAPDisplayName.
    pub name: Arc<str>,
    /// attributeID, dotted.
    pub oid: Arc<str>,
    /// Its number in this directory.
    pub number: AttributeNumber,
    /// The form of its values.
    pub syntax: Syntax,
    /// Whether it has one value at most.
    pub is_single_valued: bool,
    /// linkID: even for the end that holds the values, odd for the opposite one.
    pub link_id: Option<u32>,
    /// searchFlags.
    pub search_flags: u32,
    /// systemFlags.
    pub system_flags: u32,
    /// schemaIDGUID, by which access control entries name it.
    pub guid: Option<Guid>,
    /// Whether it is no longer in use. Another attribute may have its name.
    pub is_defunct: bool,
    /// Whether its values are passwords or keys.
    pub is_secret: bool,
}

/// A class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassSchema {
    /// lDAPDisplayName.
    pub name: Arc<str>,
    /// governsID, dotted.
    pub oid: Arc<str>,
    /// The class that it extends.
    pub parent: Option<Arc<str>>,
    /// objectClassCategory: 1 structural, 2 abstract, 3 auxiliary, 0 of 1988.
    pub category: u32,
    /// The objectCategory of its objects, a distinguished name.
    pub default_object_category: Option<Arc<str>>,
    /// schemaIDGUID.
    pub guid: Option<Guid>,
    /// Whether it is no longer in use.
    pub is_defunct: bool,
}

/// The attributes and classes of a directory.
#[derive(Debug, Default)]
pub struct Schema {
    attributes: Vec<Arc<AttributeSchema>>,
    classes: Vec<Arc<ClassSchema>>,
    attribute_names: HashMap<String, usize>,
    attribute_oids: HashMap<Arc<str>, usize>,
    attribute_numbers: HashMap<AttributeNumber, usize>,
    links: HashMap<u32, usize>,
    class_names: HashMap<String, usize>,
    class_oids: HashMap<Arc<str>, usize>,
}

impl Syntax {
    /// From `attributeSyntax`, the number after 2.5.5, and `oMSyntax`.
    pub fn new(number: u32, om_syntax: u32) -> Option<Self> {
        const OM_IA5: u32 = 22;
        const OM_UTC_TIME: u32 = 23;
        Some(match number {
            1 => Self::Dn,
            2 => Self::Oid,
            3 => Self::CaseExactText,
            4 => Self::CaseIgnoreText,
            5 if om_syntax == OM_IA5 => Self::Ia5Text,
            5 => Self::PrintableText,
            6 => Self::NumericText,
            7 => Self::DnBinary,
            8 => Self::Boolean,
            9 => Self::Integer,
            10 => Self::Octets,
            11 if om_syntax == OM_UTC_TIME => Self::UtcTime,
            11 => Self::GeneralizedTime,
            12 => Self::Unicode,
            13 => Self::PresentationAddress,
            14 => Self::DnText,
            15 => Self::Descriptor,
            16 => Self::LargeInteger,
            17 => Self::Sid,
            _ => return None,
        })
    }

    /// Whether values are text.
    pub fn is_text(self) -> bool {
        matches!(
            self,
            Self::CaseExactText
                | Self::CaseIgnoreText
                | Self::Ia5Text
                | Self::PrintableText
                | Self::NumericText
                | Self::Unicode
        )
    }

    /// Whether case matters.
    pub fn is_case_exact(self) -> bool {
        matches!(
            self,
            Self::CaseExactText | Self::Ia5Text | Self::PrintableText
        )
    }
}

impl AttributeSchema {
    /// Whether its values are links, on the object that holds them.
    pub fn is_forward_link(&self) -> bool {
        self.link_id.is_some_and(|id| id.is_multiple_of(2))
    }

    /// Whether its values are links, on the object that they refer to.
    pub fn is_back_link(&self) -> bool {
        self.link_id.is_some_and(|id| !id.is_multiple_of(2))
    }

    /// Whether it is computed on request.
    pub fn is_constructed(&self) -> bool {
        self.system_flags & 4 != 0
    }

    /// Whether each server has its own value.
    pub fn is_not_replicated(&self) -> bool {
        self.system_flags & 1 != 0
    }
}

impl Schema {
    /// A schema of these attributes and classes. If several share a name, one in use takes
    /// precedence.
    pub fn new(attributes: Vec<AttributeSchema>, classes: Vec<ClassSchema>) -> Self {
        let mut schema = Self {
            attributes: attributes.into_iter().map(Arc::new).collect(),
            classes: classes.into_iter().map(Arc::new).collect(),
            ..Self::default()
        };
        for (place, attribute) in schema.attributes.iter().enumerate() {
            schema.attribute_numbers.insert(attribute.number, place);
            if attribute.is_defunct {
                continue;
            }
            let name = attribute.name.to_ascii_lowercase();
            schema.attribute_names.insert(name, place);
            schema.attribute_oids.insert(attribute.oid.clone(), place);
            if let Some(link) = attribute.link_id {
                schema.links.insert(link, place);
            }
        }
        for (place, attribute) in schema.attributes.iter().enumerate() {
            let name = attribute.name.to_ascii_lowercase();
            schema.attribute_names.entry(name).or_insert(place);
            let oid = attribute.oid.clone();
            schema.attribute_oids.entry(oid).or_insert(place);
        }
        let mut classes: Vec<(usize, &Arc<ClassSchema>)> =
            schema.classes.iter().enumerate().collect();
        classes.sort_by_key(|(_, class)| class.is_defunct);
        for (place, class) in classes {
            let name = class.name.to_ascii_lowercase();
            schema.class_names.entry(name).or_insert(place);
            schema.class_oids.entry(class.oid.clone()).or_insert(place);
        }
        schema
    }

    /// All attributes.
    pub fn attributes(&self) -> &[Arc<AttributeSchema>] {
        &self.attributes
    }

    /// All classes.
    pub fn classes(&self) -> &[Arc<ClassSchema>] {
        &self.classes
    }

    /// An attribute by name, in any case, or by dotted object identifier.
    pub fn attribute(&self, name: &str) -> Option<&Arc<AttributeSchema>> {
        let place = (self.attribute_names.get(&name.to_ascii_lowercase()))
            .or_else(|| self.attribute_oids.get(name))?;
        self.attributes.get(*place)
    }

    /// An attribute by number.
    pub fn attribute_of_number(&self, number: AttributeNumber) -> Option<&Arc<AttributeSchema>> {
        self.attributes.get(*self.attribute_numbers.get(&number)?)
    }

    /// An attribute by linkID.
    pub fn attribute_of_link(&self, link_id: u32) -> Option<&Arc<AttributeSchema>> {
        self.attributes.get(*self.links.get(&link_id)?)
    }

    /// A class by name, in any case, or by dotted object identifier.
    pub fn class(&self, name: &str) -> Option<&Arc<ClassSchema>> {
        let place = (self.class_names.get(&name.to_ascii_lowercase()))
            .or_else(|| self.class_oids.get(name))?;
        self.classes.get(*place)
    }
}
