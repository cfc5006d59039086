//! Attributes and classes from the objects that describe them.

use std::str::FromStr;
use std::sync::Arc;

use ::ntds::attribute::Attribute;
use ::samba::ldb::ExtendedDn;
use ids::Guid;

use crate::prefix::PrefixTable;
use crate::schema::{AttributeNumber, AttributeSchema, ClassSchema, Syntax};

/// An object that describes an attribute or a class: its first value of an attribute.
pub struct SchemaObject<'o>(pub &'o dyn Fn(&str) -> Option<&'o [u8]>);

impl SchemaObject<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8((self.0)(name)?).ok()
    }

    fn number<T: FromStr>(&self, name: &str) -> Option<T> {
        self.text(name)?.parse().ok()
    }

    /// A number that may be written with a sign.
    fn bits(&self, name: &str) -> Option<u32> {
        self.number::<i64>(name).map(|number| number as u32)
    }

    fn flag(&self, name: &str) -> bool {
        self.text(name) == Some("TRUE")
    }

    fn guid(&self) -> Option<Guid> {
        let bytes = (self.0)("schemaIDGUID")?;
        bytes.try_into().ok().map(Guid)
    }

    /// The attribute that it describes; `None` where it describes none.
    pub fn attribute(&self, prefixes: &PrefixTable) -> Option<AttributeSchema> {
        let (oid, name) = (self.text("attributeID")?, self.text("lDAPDisplayName")?);
        let syntax = self.text("attributeSyntax")?.strip_prefix("2.5.5.")?;
        let id = prefixes.number(oid);
        // Without a prefix it has no number, so nothing refers to it by one.
        let number = self.bits("msDS-IntId").or(id).unwrap_or(u32::MAX);
        Some(AttributeSchema {
            name: name.into(),
            oid: oid.into(),
            number: AttributeNumber(number),
            syntax: Syntax::new(syntax.parse().ok()?, self.bits("oMSyntax").unwrap_or(0))?,
            is_single_valued: self.flag("isSingleValued"),
            link_id: self.bits("linkID"),
            search_flags: self.bits("searchFlags").unwrap_or(0),
            system_flags: self.bits("systemFlags").unwrap_or(0),
            guid: self.guid(),
            is_defunct: self.flag("isDefunct"),
            is_secret: ::ntds::secrets::protection_of(name, Attribute(id.unwrap_or(u32::MAX)))
                .is_some(),
        })
    }

    /// The class that it describes; `None` where it describes none.
    pub fn class(&self) -> Option<ClassSchema> {
        let (oid, name) = (self.text("governsID")?, self.text("lDAPDisplayName")?);
        let category = (self.0)("defaultObjectCategory").and_then(ExtendedDn::parse);
        Some(ClassSchema {
            name: name.into(),
            oid: oid.into(),
            parent: self.text("subClassOf").map(Arc::from),
            category: self.bits("objectClassCategory").unwrap_or(0),
            default_object_category: category.map(|category| category.dn.into()),
            guid: self.guid(),
            is_defunct: self.flag("isDefunct"),
        })
    }
}
