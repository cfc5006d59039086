//! The schema, from the records of the schema's naming context.

use ::samba::ldb::Record;

use super::index::Index;
use crate::ldap::{SchemaObject, prefix_map};
use crate::prefix::PrefixTable;
use crate::schema::Schema;
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
        let value = |name: &str| record.value(name);
        let row = SchemaObject(&value);
        attributes.extend(row.attribute(&prefixes));
        classes.extend(row.class());
    }
    Ok(Schema::new(attributes, classes))
}
