//! Rows of `link_table`.
//!
//! `link_metadata`, 48 bytes: created (8), version (4), padding (4), changed (8), invocation id
//! (16), originating USN (8). Times are in seconds since 1601. Little-endian.

use ese::rows::{Row, Stored};
use ids::Guid;
use ntds::Dnt;

use super::tables::{Tables, position, whole_number};
use crate::{LinkMetadata, Result, Time};

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
    /// Whether rows are sorted by the objects that hold the values.
    pub is_by_link: bool,
}

/// A row of `link_table`.
#[derive(Default)]
pub struct StoredLink {
    pub link: Option<Dnt>,
    pub back_link: Option<Dnt>,
    pub base: Option<u32>,
    pub data: Option<Vec<u8>>,
    pub removed: Option<Time>,
    pub deactivated: Option<Time>,
    pub usn: i64,
    pub metadata: Option<LinkMetadata>,
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

    /// Reads a row.
    pub fn read(&self, row: &Row<'_>) -> Result<StoredLink> {
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
