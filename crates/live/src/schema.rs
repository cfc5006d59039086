//! The schema of a server.

use objects::ldap::{SchemaObject, prefix_map};
use objects::prefix::PrefixTable;
use objects::schema::Schema;
use rasn_ldap::{Filter, SearchRequestScope};

use crate::connection::{Connection, Search, Sent};
use crate::{Result, controls};

/// What describes attributes and classes.
const WANTED: [&str; 16] = [
    "lDAPDisplayName",
    "attributeID",
    "governsID",
    "attributeSyntax",
    "oMSyntax",
    "isSingleValued",
    "linkID",
    "searchFlags",
    "systemFlags",
    "schemaIDGUID",
    "isDefunct",
    "msDS-IntId",
    "subClassOf",
    "objectClassCategory",
    "defaultObjectCategory",
    "prefixMap",
];

/// Reads the schema beneath its head.
pub fn read(connection: &mut Connection, head: &str) -> Result<Schema> {
    let mut search = Search {
        base: head.to_owned(),
        scope: SearchRequestScope::BaseObject,
        filter: Filter::Present("objectClass".into()),
        attributes: WANTED.map(str::to_owned).to_vec(),
        controls: vec![controls::extended_names()],
    };
    let mut prefixes = PrefixTable::default();
    for own in &connection.page(&search, &[])?.entries {
        if let Some(map) = first(own, "prefixMap") {
            // Stamps of attributes whose prefixes are not read are shown by number.
            let _ = prefix_map::add(&mut prefixes, map);
        }
    }
    search.scope = SearchRequestScope::SingleLevel;
    let (mut attributes, mut classes) = (Vec::new(), Vec::new());
    let mut cookie = Vec::new();
    loop {
        let page = connection.page(&search, &cookie)?;
        for entry in &page.entries {
            let value = |name: &str| first(entry, name);
            let object = SchemaObject(&value);
            attributes.extend(object.attribute(&prefixes));
            classes.extend(object.class());
        }
        cookie = page.cookie;
        if cookie.is_empty() {
            return Ok(Schema::new(attributes, classes));
        }
    }
}

/// The first value of an attribute.
pub fn first<'s>(entry: &'s Sent, name: &str) -> Option<&'s [u8]> {
    let mut attributes = entry.attributes.iter();
    let (_, values) = attributes.find(|(found, _)| found.eq_ignore_ascii_case(name))?;
    values.first().map(Vec::as_slice)
}
