//! The schema, from the records of the schema's naming context.

use std::str::FromStr;
use std::sync::Arc;

use ::ntds::attribute::Attribute;
use ::samba::ldb::{ExtendedDn, Record};
use ids::Guid;

use super::index::Index;
use super::prefix_map;
use crate::prefix::PrefixTable;
use crate::schema::{AttributeNumber, AttributeSchema, ClassSchema, Schema, Syntax};
use crate::{Lookup, Result};

/// Reads the schema.
pub fn read(index: &Index) -> Result<Schema> {
    let name = index
        .root
        .get("schemaNamingContext")
        .and_then(|names| names.first());
    let head = name.and_then(|name| index.find(&Lookup::Dn(name)).first().copied());
    let Some(head) = head else {
        return Ok(Schema::default());
    };
    let mut prefixes = PrefixTable::default();
    let (mut attributes, mut classes) = (Vec::new(), Vec::new());
    let own = index.get(head).into_iter();
    let children = index.children(head).iter();
    for object in own.chain(children.filter_map(|number| index.get(*number))) {
        let bytes = index.bytes(object)?;
        let record = Record::parse(&bytes)
            .map_err(|malformed| index.damaged(object, &format!("{}: {malformed}", object.dn)))?;
        if let Some(map) = record.value("prefixMap") {
            // Metadata of attributes with unread prefixes is shown by number.
            let _ = prefix_map::add(&mut prefixes, map);
        }
        let row = SchemaRecord(&record);
        attributes.extend(row.attribute(&prefixes));
        classes.extend(row.class());
    }
    Ok(Schema::new(attributes, classes))
}

struct SchemaRecord<'r>(&'r Record<'r>);

impl SchemaRecord<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.0.value(name)?).ok()
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
        let bytes = self.0.value("schemaIDGUID")?;
        bytes.try_into().ok().map(Guid)
    }

    fn attribute(&self, prefixes: &PrefixTable) -> Option<AttributeSchema> {
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

    fn class(&self) -> Option<ClassSchema> {
        let (oid, name) = (self.text("governsID")?, self.text("lDAPDisplayName")?);
        let category = self
            .0
            .value("defaultObjectCategory")
            .and_then(ExtendedDn::parse);
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
