//! The state shared by all parts of the reader.

use std::collections::HashMap;
use std::sync::Arc;

use ese::Database;
use ese::rows::Rows;
use ntds::Dnt;

use super::columns::{self, ColumnRole};
use super::descriptors::Descriptors;
use super::link_table::LinkColumns;
use super::names::{Named, Names};
use super::schema::Vocabulary;
use super::tables::Tables;
use super::text_index::TextIndices;
use crate::schema::AttributeSchema;
use crate::{ObjectId, Reference, Result, Wanted};

/// The state shared by all parts of the reader.
pub struct Core {
    pub tables: Tables,
    pub vocabulary: Vocabulary,
    pub roles: Vec<ColumnRole>,
    pub link_columns: LinkColumns,
    pub names: Names,
    pub descriptors: Descriptors,
    pub text_indices: TextIndices,
    /// Whether the Recycle Bin is enabled.
    pub recycle_bin: bool,
}

/// The requested part of each object, in terms of the tables.
pub struct Selection<'w> {
    pub wanted: &'w Wanted,
    /// Whether an attribute whose values are links is requested, and one of back links.
    pub links: bool,
    pub back_links: bool,
    /// By position in `datatable`.
    pub columns: Vec<bool>,
}

impl Core {
    pub fn over(database: Database) -> Result<Self> {
        let tables = Tables::over(database)?;
        let names = Names::default();
        let vocabulary = Vocabulary::read(&tables, |dnt, words| {
            Ok(names.get(&tables, words, dnt)?.reference.dn.clone())
        })?;
        Ok(Self {
            roles: columns::roles(&tables.data, &vocabulary),
            link_columns: LinkColumns::of(&tables)?,
            tables,
            vocabulary,
            names,
            descriptors: Descriptors::default(),
            text_indices: TextIndices::default(),
            recycle_bin: true,
        })
    }

    /// The rows of `datatable`.
    pub fn rows(&self) -> Rows<'_> {
        self.tables.database.rows(&self.tables.data)
    }

    pub fn select<'w>(&self, wanted: &'w Wanted) -> Selection<'w> {
        let schema = &self.vocabulary.schema;
        let has = |fits: fn(&AttributeSchema) -> bool| match &wanted.attributes {
            None => true,
            Some(names) => {
                let mut known = names.iter().filter_map(|name| schema.attribute(name));
                known.any(|attribute| fits(attribute))
            }
        };
        Selection {
            links: wanted.links && has(AttributeSchema::is_forward_link),
            back_links: wanted.back_links && has(AttributeSchema::is_back_link),
            wanted,
            columns: columns::wanted(&self.roles, wanted),
        }
    }

    /// The name of a row, and further data for references to it.
    pub fn named(&self, dnt: Dnt) -> Result<Arc<Named>> {
        let words: &HashMap<u32, Arc<str>> = self.vocabulary.attribute_names();
        self.names.get(&self.tables, words, dnt)
    }

    /// A reference to a row.
    pub fn reference(&self, dnt: Dnt) -> Result<Reference> {
        Ok(self.named(dnt)?.reference.clone())
    }
}

/// The row that an entry of an index of `datatable` leads to.
///
/// # Errors
/// Fails if the entry does not hold the key of a row.
pub fn dnt_of_entry(tables: &Tables, entry: &ese::rows::Entry<'_>) -> Result<Dnt> {
    ntds::dnt_of_key(entry.bookmark).ok_or_else(|| {
        let key = format!("key {:?}", entry.key.to_vec());
        let found = format!("{:?}", entry.bookmark);
        tables.inconsistent(&key, "the key of a row", &found)
    })
}

/// The id of a row.
pub fn id_of(dnt: Dnt) -> ObjectId {
    ObjectId(u64::from(dnt as u32))
}

/// The row of an id. `None` for the id of another source.
pub fn dnt_of(id: ObjectId) -> Option<Dnt> {
    Dnt::try_from(id.0).ok()
}
