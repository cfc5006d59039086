//! Finding objects by name or identity.

use ese::catalog::{Column, ColumnType, Index};
use ese::rows::{KeyRange, Row, Value};
use ids::{Guid, Sid};
use ntds::Dnt;
use ntds::attribute::Attribute;

use super::core::{Core, dnt_of_entry, id_of};
use super::tables::{ROOT, range_of};
use crate::schema::{AttributeSchema, Syntax};
use crate::{Lookup, ObjectId, Result, dn};

const ACCOUNT_NAME: Attribute = Attribute(590_045);
const PRINCIPAL_NAME: Attribute = Attribute(590_480);

/// The matching objects.
pub fn find(core: &Core, what: &Lookup<'_>) -> Result<Vec<ObjectId>> {
    let found = match what {
        Lookup::Dn(name) => by_name(core, name)?.into_iter().collect(),
        Lookup::Guid(Guid(bytes)) => by_bytes(core, Attribute::OBJECT_GUID, bytes)?,
        Lookup::Sid(sid) => by_bytes(core, Attribute::OBJECT_SID, &stored(sid))?,
        Lookup::Account(name) => by_text(core, ACCOUNT_NAME, name)?,
        Lookup::PrincipalName(name) => by_text(core, PRINCIPAL_NAME, name)?,
    };
    Ok(found.into_iter().map(id_of).collect())
}

/// The objects that an index has for the value of a filter; of texts, those that equal it. `None`
/// if no index tells them: of attributes with several values, an index has only the first one.
pub fn find_in_index(
    core: &Core,
    attribute: &AttributeSchema,
    value: &[u8],
) -> Result<Option<Vec<ObjectId>>> {
    let column = core.tables.column(Attribute(attribute.number.0));
    let index = column.and_then(|column| index_of(core, column));
    let (true, Some(column), Some(index), Ok(text)) = (
        attribute.is_single_valued,
        column,
        index,
        std::str::from_utf8(value),
    ) else {
        return Ok(None);
    };
    let number = match (attribute.syntax, column.kind) {
        (_, ColumnType::Text | ColumnType::LongText) => {
            let found = by_indexed_text(core, index, column, text)?;
            return Ok((!found.is_empty()).then(|| found.into_iter().map(id_of).collect()));
        }
        (Syntax::Integer, ColumnType::Long) => text.trim().parse().ok(),
        (Syntax::Dn, ColumnType::Long) => match core.vocabulary.schema.class(text) {
            // In objectCategory a class name means the category of the class.
            Some(class) => match &class.default_object_category {
                Some(category) => by_name(core, category)?,
                None => None,
            },
            None => by_name(core, text)?,
        },
        _ => None,
    };
    match number {
        Some(number) => by_number(core, index, number).map(Some),
        None => Ok(None),
    }
}

/// The rows that an index of numbers has for one of them, in the order of the index.
fn by_number(core: &Core, index: &Index, number: i32) -> Result<Vec<ObjectId>> {
    let range = KeyRange::beginning_with(&ntds::key_of(number));
    let mut entries = core.tables.database.entries(index).within(range);
    let mut found = Vec::new();
    while let Some(entry) = entries.next()? {
        found.push(id_of(dnt_of_entry(&core.tables, &entry)?));
    }
    Ok(found)
}

/// A SID in the form of a row: the bytes of its last part in reverse order.
fn stored(sid: &Sid) -> Vec<u8> {
    let mut bytes = sid.to_bytes();
    if bytes.len() > 8
        && let Some(last) = bytes.last_chunk_mut::<4>()
    {
        last.reverse();
    }
    bytes
}

/// Finds an object by name: from the root down, one part at a time.
fn by_name(core: &Core, name: &str) -> Result<Option<Dnt>> {
    let Some(parts) = dn::parse(name).filter(|parts| !parts.is_empty()) else {
        return Ok(None);
    };
    let mut at = ROOT;
    for part in parts.iter().rev() {
        match child(core, at, part)? {
            Some(child) => at = child,
            None => return Ok(None),
        }
    }
    let named = core.named(at)?;
    Ok((!named.reference.is_phantom).then_some(at))
}

fn child(core: &Core, parent: Dnt, part: &dn::Rdn) -> Result<Option<Dnt>> {
    let tables = &core.tables;
    let mut entries = tables.database.entries(tables.children()?);
    entries = entries.within(range_of(parent));
    let mut rows = tables.database.rows(&tables.data);
    let wanted = part.value.to_lowercase();
    while let Some(entry) = entries.next()? {
        let Some(row) = rows.find(entry.bookmark)? else {
            let place = format!("PDNT_index, child of DNT {parent}");
            return Err(tables.inconsistent(&place, "a row", "none"));
        };
        if !has_text(&row, tables.column(Attribute::RDN), &wanted)? {
            continue;
        }
        let Some(dnt) = own_number(core, &row)? else {
            continue;
        };
        // Siblings may have the same name with different naming attributes.
        let name = core.named(dnt)?;
        let kind = dn::rdn(&name.reference.dn)
            .split('=')
            .next()
            .unwrap_or_default();
        if kind.eq_ignore_ascii_case(&part.kind) {
            return Ok(Some(dnt));
        }
    }
    Ok(None)
}

fn has_text(row: &Row<'_>, column: Option<&Column>, lower: &str) -> Result<bool> {
    match column {
        Some(column) => Ok(match row.typed(column)? {
            Value::Text(text) => {
                text.len() == lower.len() && text.eq_ignore_ascii_case(lower)
                    || text.to_lowercase() == lower
            }
            _ => false,
        }),
        None => Ok(false),
    }
}

fn own_number(core: &Core, row: &Row<'_>) -> Result<Option<Dnt>> {
    core.tables.dnt(row, core.tables.data.column("DNT_col"))
}

/// Whether the row is an object, not a phantom.
fn is_object(core: &Core, row: &Row<'_>) -> Result<bool> {
    let is_object = core
        .tables
        .number(row, core.tables.data.column("OBJ_col"))?;
    Ok(is_object.is_some_and(|flag| flag != 0))
}

/// Finds rows through an index with computable keys, or by reading every row.
fn by_bytes(core: &Core, attribute: Attribute, bytes: &[u8]) -> Result<Vec<Dnt>> {
    let tables = &core.tables;
    let Some(column) = tables.column(attribute) else {
        return Ok(Vec::new());
    };
    let fits = |row: &Row<'_>| -> Result<bool> {
        Ok(row.value(column)?.is_some_and(|value| *value == *bytes) && is_object(core, row)?)
    };
    let mut found = Vec::new();
    if let Some(index) = index_of(core, column) {
        let mut key = tables.data.key(index);
        if key.push_stored(Some(bytes)).is_ok() {
            let range = KeyRange::beginning_with(key.bytes());
            let mut entries = tables.database.entries(index).within(range);
            let mut rows = tables.database.rows(&tables.data);
            while let Some(entry) = entries.next()? {
                if let Some(row) = rows.find(entry.bookmark)?
                    && fits(&row)?
                {
                    found.extend(own_number(core, &row)?);
                }
            }
            return Ok(found);
        }
    }
    let mut rows = tables.database.rows(&tables.data);
    while let Some(row) = rows.next()? {
        if fits(&row)? {
            found.extend(own_number(core, &row)?);
        }
    }
    Ok(found)
}

/// Finds rows through an index whose order was learned, or by reading every row.
fn by_text(core: &Core, attribute: Attribute, text: &str) -> Result<Vec<Dnt>> {
    let tables = &core.tables;
    let Some(column) = tables.column(attribute) else {
        return Ok(Vec::new());
    };
    if let Some(index) = index_of(core, column) {
        let found = by_indexed_text(core, index, column, text)?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    let wanted = text.to_lowercase();
    let mut found = Vec::new();
    let mut rows = tables.database.rows(&tables.data);
    while let Some(row) = rows.next()? {
        if has_text(&row, Some(column), &wanted)? && is_object(core, &row)? {
            found.extend(own_number(core, &row)?);
        }
    }
    Ok(found)
}

/// Finds rows through an index whose order was learned. Only reading every row tells that there are
/// none.
fn by_indexed_text(core: &Core, index: &Index, column: &Column, text: &str) -> Result<Vec<Dnt>> {
    let tables = &core.tables;
    let Some(range) = (core.text_indices).keys_of(tables, index, column, text)? else {
        return Ok(Vec::new());
    };
    let wanted = text.to_lowercase();
    let mut found = Vec::new();
    let mut rows = tables.database.rows(&tables.data);
    let mut entries = tables.database.entries(index).within(range);
    while let Some(entry) = entries.next()? {
        if let Some(row) = rows.find(entry.bookmark)?
            && has_text(&row, Some(column), &wanted)?
            && is_object(core, &row)?
        {
            found.extend(own_number(core, &row)?);
        }
    }
    Ok(found)
}

/// An index that begins with a column and has all rows with a value of it.
fn index_of<'c>(core: &'c Core, column: &Column) -> Option<&'c Index> {
    let is_of_column = |index: &&Index| {
        let first = index.key.first();
        first.is_some_and(|part| part.column == column.id && !part.descending)
            && index.conditions.is_empty()
            && index.tuples.is_none()
            && !index.flags.is_deferred_populate()
            && (index.key.len() == 1 || index.flags.allows_some_nulls())
    };
    core.tables.data.indexes().iter().find(is_of_column)
}
