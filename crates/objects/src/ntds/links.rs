//! Links between objects.

use ese::rows::Row;
use ntds::Dnt;

use super::columns::{counted, utf16};
use super::core::{Core, Selection};
use super::link_table::StoredLink;
use super::tables::{Tables, range_of};
use crate::schema::{AttributeSchema, Syntax};
use crate::{AttributeValues, Link, LinkDirection, LinkMetadata, LinkState, Result, Value, Wanted};

/// The requested links of an object.
pub fn of_object(core: &Core, dnt: Dnt, selection: &Selection<'_>) -> Result<Vec<Link>> {
    let mut links = Vec::new();
    if selection.links {
        forward(core, dnt, selection.wanted, &mut links)?;
    }
    if selection.back_links {
        back(core, dnt, selection.wanted, &mut links)?;
    }
    Ok(links)
}

fn forward(core: &Core, dnt: Dnt, wanted: &Wanted, links: &mut Vec<Link>) -> Result<()> {
    let tables = &core.tables;
    let mut add = |row: &Row<'_>| -> Result<()> {
        let stored = core.link_columns.read(row)?;
        links.extend(link(core, &stored, LinkDirection::Forward, wanted)?);
        Ok(())
    };
    if core.link_columns.is_by_link {
        let mut rows = tables.database.rows(&tables.links).within(range_of(dnt));
        while let Some(row) = rows.next()? {
            add(&row)?;
        }
        return Ok(());
    }
    each_of_index(tables, "link_index", dnt, add)
}

fn back(core: &Core, dnt: Dnt, wanted: &Wanted, links: &mut Vec<Link>) -> Result<()> {
    each_of_index(&core.tables, "backlink_index", dnt, |row| {
        let stored = core.link_columns.read(row)?;
        links.extend(link(core, &stored, LinkDirection::Back, wanted)?);
        Ok(())
    })
}

fn each_of_index(
    tables: &Tables,
    name: &str,
    dnt: Dnt,
    mut visit: impl FnMut(&Row<'_>) -> Result<()>,
) -> Result<()> {
    let Some(index) = tables.links.index(name) else {
        return Err(tables.inconsistent("link_table", &format!("the index {name}"), "none"));
    };
    let mut entries = tables.database.entries(index).within(range_of(dnt));
    let mut rows = tables.database.rows(&tables.links);
    while let Some(entry) = entries.next()? {
        match rows.find(entry.bookmark)? {
            Some(row) => visit(&row)?,
            None => {
                let place = format!("{name}, DNT {dnt}");
                return Err(tables.inconsistent(&place, "a row", "none"));
            }
        }
    }
    Ok(())
}

/// The link in a row. `None` if its attribute is not requested, or not in the schema.
fn link(
    core: &Core,
    stored: &StoredLink,
    direction: LinkDirection,
    wanted: &Wanted,
) -> Result<Option<Link>> {
    let Some(base) = stored.base else {
        return Ok(None);
    };
    let (other, offset) = match direction {
        LinkDirection::Forward => (stored.back_link, 0),
        LinkDirection::Back => (stored.link, 1),
    };
    let id = base.checked_mul(2).and_then(|id| id.checked_add(offset));
    let attribute = id.and_then(|id| core.vocabulary.schema.attribute_of_link(id));
    let (Some(attribute), Some(other)) = (attribute, other) else {
        return Ok(None);
    };
    if !wanted.has(&attribute.name) {
        return Ok(None);
    }
    Ok(Some(Link {
        attribute: attribute.clone(),
        direction,
        other: core.reference(other)?,
        data: (stored.data.as_deref()).map(|data| counted(data).unwrap_or(data).to_vec()),
        removed: stored.removed,
        deactivated: stored.deactivated,
        metadata: (stored.metadata).map(|metadata| LinkMetadata {
            local_usn: stored.usn,
            ..metadata
        }),
    }))
}

/// Adds the present links to the values of their attributes, after those in the row.
pub fn add_values(links: &[Link], attributes: &mut Vec<AttributeValues>) {
    let present = |link: &&Link| link.state() == LinkState::Present;
    for link in links.iter().filter(present) {
        let value = value(link, &link.attribute);
        let mut places = attributes.iter_mut();
        match places.find(|values| values.schema.number == link.attribute.number) {
            Some(values) => values.values.push(value),
            None => attributes.push(AttributeValues {
                schema: link.attribute.clone(),
                values: vec![value],
            }),
        }
    }
}

fn value(link: &Link, attribute: &AttributeSchema) -> Value {
    let name = link.other.clone();
    match (attribute.is_secret, attribute.syntax, &link.data) {
        (true, _, data) => Value::Withheld(data.as_ref().map_or(0, Vec::len)),
        (_, Syntax::DnBinary, Some(data)) => Value::BytesAndName(data.clone(), name),
        (_, Syntax::DnText, Some(data)) => Value::TextAndName(utf16(data), name),
        _ => Value::Name(name),
    }
}
