//! Links between objects: rows of `link_table`.
//!
//! `link_metadata`, 48 bytes: created (8), version (4), padding (4), changed (8), invocation id
//! (16), originating USN (8). Times are in seconds since 1601. Little-endian.

use ese::rows::{Row, Stored};
use ids::Guid;
use ntds::Dnt;

use super::columns::{counted, utf16};
use super::core::Core;
use super::tables::{Tables, position, range_of, whole_number};
use crate::schema::{AttributeSchema, Syntax};
use crate::{
    AttributeValues, Link, LinkDirection, LinkMetadata, LinkState, Result, Time, Value, Wanted,
};

/// The positions of the columns of `link_table`.
pub struct LinkColumns {
    link: Option<usize>,
    back_link: Option<usize>,
    base: Option<usize>,
    data: Option<usize>,
    removed: Option<usize>,
    deactivated: Option<usize>,
    usn: Option<usize>,
    metadata: Option<usize>,
    /// Whether rows come in the order of the objects that hold the values.
    is_by_link: bool,
}

/// A row of `link_table`.
#[derive(Default)]
struct StoredLink {
    link: Option<Dnt>,
    back_link: Option<Dnt>,
    base: Option<u32>,
    data: Option<Vec<u8>>,
    removed: Option<Time>,
    deactivated: Option<Time>,
    usn: i64,
    metadata: Option<LinkMetadata>,
}

impl LinkColumns {
    pub fn of(tables: &Tables) -> Result<Self> {
        let table = &tables.links;
        let link = table.column("link_DNT");
        let first = table.primary_index().and_then(|index| index.key.first());
        Ok(Self {
            is_by_link: first.map(|part| part.column) == link.map(|column| column.id),
            link: position(table, "link_DNT"),
            back_link: position(table, "backlink_DNT"),
            base: position(table, "link_base"),
            data: position(table, "link_data"),
            removed: position(table, "link_deltime"),
            deactivated: position(table, "link_deactivetime"),
            usn: position(table, "link_usnchanged"),
            metadata: position(table, "link_metadata"),
        })
    }

    fn read(&self, row: &Row<'_>) -> Result<StoredLink> {
        let mut link = StoredLink::default();
        row.visit(|value| {
            let place = Some(value.position);
            let (bytes, _) = match value.stored {
                Stored::Plain(bytes) => (bytes.into(), ese::long_value::ValueState::Decoded),
                stored => row.decode(stored)?,
            };
            let number = || whole_number(&bytes);
            let dnt = || number().and_then(|number| Dnt::try_from(number).ok());
            if place == self.link {
                link.link = dnt();
            } else if place == self.back_link {
                link.back_link = dnt();
            } else if place == self.base {
                link.base = number().and_then(|number| u32::try_from(number).ok());
            } else if place == self.data {
                link.data = Some(bytes.to_vec());
            } else if place == self.removed {
                link.removed = number().map(Time);
            } else if place == self.deactivated {
                link.deactivated = number().map(Time);
            } else if place == self.usn {
                link.usn = number().unwrap_or_default();
            } else if place == self.metadata {
                link.metadata = metadata(&bytes);
            }
            Ok(())
        })?;
        Ok(link)
    }
}

fn metadata(bytes: &[u8]) -> Option<LinkMetadata> {
    let (created, rest) = bytes.split_first_chunk::<8>()?;
    let (version, rest) = rest.split_first_chunk::<4>()?;
    let (_, rest) = rest.split_first_chunk::<4>()?;
    let (changed, rest) = rest.split_first_chunk::<8>()?;
    let (invocation_id, rest) = rest.split_first_chunk::<16>()?;
    let (usn, _) = rest.split_first_chunk::<8>()?;
    Some(LinkMetadata {
        created: Time(i64::from_le_bytes(*created)),
        version: u32::from_le_bytes(*version),
        changed: Time(i64::from_le_bytes(*changed)),
        invocation_id: Guid(*invocation_id),
        originating_usn: i64::from_le_bytes(*usn),
        local_usn: 0,
    })
}

/// The links of an object, as they are wanted.
pub fn of_object(core: &Core, dnt: Dnt, wanted: &Wanted) -> Result<Vec<Link>> {
    let mut links = Vec::new();
    if wanted.links {
        forward(core, dnt, wanted, &mut links)?;
    }
    if wanted.back_links {
        back(core, dnt, wanted, &mut links)?;
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

/// The link of a row; `None` where its attribute is not wanted, or the schema knows none.
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

/// The links that are present as values of their attributes, behind those of the row.
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
