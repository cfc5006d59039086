//! The catalog: the tree of the table MSysObjects, whose records describe all tables, columns,
//! indices and long-value trees (`cat.hxx`, `_cat.cxx`).

mod column;
mod index;
mod load;
mod row;
mod table;
mod text;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

pub use column::{Column, ColumnFlags, ColumnId, ColumnType};
pub use index::{Condition, Index, IndexFlags, KeyColumn, TupleLimits};
pub use table::{Table, TableFlags};

pub(crate) use row::{CatalogRow, ObjectKind};
pub(crate) use table::{LastColumns, Section};
pub(crate) use text::{decode_1252, encode_1252};

use crate::page::Pgno;
use crate::page_file::PageFile;
use crate::tree::TreeId;
use crate::{Error, Result};

/// The catalog's own tree.
pub const CATALOG: TreeId = TreeId { root: 4, objid: 2 };
/// The tree of the catalog's copy, MSysObjectsShadow.
pub const SHADOW_CATALOG: TreeId = TreeId { root: 24, objid: 3 };

/// A table in the catalog, without its columns and indices.
#[derive(Debug, Clone)]
pub struct TableEntry {
    /// The table's name.
    pub name: String,
    /// The table's tree: the primary index, or the records in order of insertion.
    pub tree: TreeId,
    /// The table's flags.
    pub flags: TableFlags,
    /// The tree of the table's long values, if it has one.
    pub long_values: Option<TreeId>,
}

/// The tables of a database.
#[derive(Debug)]
pub struct Catalog {
    tree: TreeId,
    tables: Vec<TableEntry>,
    by_name: HashMap<String, usize>,
    loaded: Mutex<HashMap<u32, Arc<Table>>>,
    fault: Option<Error>,
}

impl Catalog {
    /// Reads the catalog, or its copy if the catalog is damaged.
    pub(crate) fn read(pages: &PageFile) -> Result<Self> {
        match Self::read_from(pages, CATALOG) {
            Err(fault @ Error::Damaged { .. }) => match Self::read_from(pages, SHADOW_CATALOG) {
                Ok(copy) => Ok(Self {
                    fault: Some(fault),
                    ..copy
                }),
                Err(_) => Err(fault),
            },
            read => read,
        }
    }

    /// The damage of the catalog, if this is its copy (`MSysObjectsShadow`).
    pub fn fault(&self) -> Option<&Error> {
        self.fault.as_ref()
    }

    /// Reads the catalog in `tree`, which may be that of the copy.
    pub(crate) fn read_from(pages: &PageFile, tree: TreeId) -> Result<Self> {
        let mut tables: Vec<TableEntry> = Vec::new();
        let mut long_values: Vec<(u32, TreeId)> = Vec::new();
        load::scan(pages, tree, None, |row| {
            match row.kind {
                ObjectKind::Table => tables.push(TableEntry {
                    name: decode_1252(row.name),
                    tree: row.tree(),
                    flags: TableFlags(row.flags),
                    long_values: None,
                }),
                ObjectKind::LongValues => long_values.push((row.table, row.tree())),
                _ => {}
            }
            Ok(())
        })?;
        let by_objid: HashMap<u32, usize> = (tables.iter().enumerate())
            .map(|(position, table)| (table.tree.objid, position))
            .collect();
        for (table, tree) in long_values {
            if let Some(position) = by_objid.get(&table) {
                tables[*position].long_values = Some(tree);
            }
        }
        tables.sort_by(|a, b| a.name.cmp(&b.name));
        let by_name = (tables.iter().enumerate())
            .map(|(position, table)| (table.name.clone(), position))
            .collect();
        Ok(Self {
            tree,
            tables,
            by_name,
            loaded: Mutex::default(),
            fault: None,
        })
    }

    /// The tables, sorted by name.
    pub fn tables(&self) -> &[TableEntry] {
        &self.tables
    }

    /// The entry of the table `name`: the exact spelling if there is one, otherwise in any case.
    pub fn entry(&self, name: &str) -> Option<&TableEntry> {
        match self.by_name.get(name) {
            Some(position) => self.tables.get(*position),
            None => (self.tables.iter()).find(|table| table.name.eq_ignore_ascii_case(name)),
        }
    }

    /// The table `name` with its columns and indices.
    pub(crate) fn table(&self, pages: &PageFile, name: &str) -> Result<Option<Arc<Table>>> {
        self.entry(name)
            .map(|entry| self.load(pages, entry, true))
            .transpose()
    }

    /// The table of `entry` with its columns and indices, read once. `may_derive` is whether it may
    /// have a template: a template has none itself.
    pub(crate) fn load(
        &self,
        pages: &PageFile,
        entry: &TableEntry,
        may_derive: bool,
    ) -> Result<Arc<Table>> {
        let objid = entry.tree.objid;
        let lock = || {
            self.loaded
                .lock()
                .unwrap_or_else(|poisoned| poisoned.into_inner())
        };
        if let Some(table) = lock().get(&objid) {
            return Ok(Arc::clone(table));
        }
        let table = load::table(pages, self.tree, entry, |template| {
            let template = self.entry(template).filter(|_| may_derive);
            let Some(template) = template else {
                return Err(catalog_error(
                    pages,
                    &entry.name,
                    "a template table that is no derived table",
                    "none".into(),
                ));
            };
            self.load(pages, template, false)
        })?;
        let table = Arc::new(table);
        lock().insert(objid, Arc::clone(&table));
        Ok(table)
    }
}

/// The error for a catalog that contradicts itself about `object`.
#[cold]
fn catalog_error(pages: &PageFile, object: &str, expected: &str, found: String) -> Error {
    Error::Damaged {
        file: pages.file().to_path_buf(),
        offset: pages.page_size().offset_of(CATALOG.root as Pgno),
        structure: format!("catalog entry of {object}"),
        expected: expected.into(),
        found,
    }
}
