//! The trees of a database, by its catalog.

use std::sync::Arc;

use super::map::ObjectNumber;
use super::report::Severity;
use super::{Object, Role};
use crate::catalog::{CATALOG, Catalog, ColumnId, Index, SHADOW_CATALOG, Table};
use crate::database::Database;
use crate::page::Fault;
use crate::tree::TreeId;

/// The root of the database's own tree, which has no nodes, only space.
pub(super) const DATABASE_ROOT: TreeId = TreeId { root: 1, objid: 1 };

/// The problems of the catalog, found before there are objects: the object, the severity, and the
/// fault.
pub(super) type Problems = Vec<(String, Severity, Fault)>;

/// Lists all trees: the database's root, then each table, followed by its indices and its long
/// values.
pub(super) fn list(database: &Database, problems: &mut Problems) -> Vec<Object> {
    let mut objects = vec![Object {
        name: "the database's space".into(),
        tree: DATABASE_ROOT,
        parent: 0,
        parent_object: None,
        non_unique: false,
        role: Role::Root,
    }];
    let catalog_fault = |object: &str, tree: TreeId, error: &crate::Error| {
        let fault = Fault::new(
            tree.root,
            "catalog",
            "a catalog that can be read",
            error.to_string(),
        );
        (object.to_owned(), Severity::Damage, fault)
    };
    let mut read = |tree, name: &str| match Catalog::read_from(database.pages(), tree) {
        Ok(catalog) => Some(catalog),
        Err(error) => {
            problems.push(catalog_fault(name, tree, &error));
            None
        }
    };
    let catalog = read(CATALOG, "table MSysObjects")
        .or_else(|| read(SHADOW_CATALOG, "table MSysObjectsShadow"));
    let Some(catalog) = catalog else {
        return objects;
    };
    for entry in catalog.tables() {
        let table = match catalog.load(database.pages(), entry, true) {
            Ok(table) => table,
            Err(error) => {
                problems.push(catalog_fault(
                    &format!("table {}", entry.name),
                    CATALOG,
                    &error,
                ));
                continue;
            }
        };
        if was_deleted(database, table.tree) {
            let fault = Fault::new(
                table.tree.root,
                "page flags",
                "a table that is there",
                "the root of one that a revert deleted",
            );
            problems.push((format!("table {}", table.name), Severity::Note, fault));
            continue;
        }
        check_index_columns(&table, problems);
        add_table(&mut objects, table);
    }
    objects
}

/// Whether a revert to an older state of the database left only the root page of the table. The
/// engine's check skips it: the rest of the table need not exist.
fn was_deleted(database: &Database, tree: TreeId) -> bool {
    let page = database.page(tree.root);
    page.is_ok_and(|page| {
        let flags = page.view().flags();
        flags.is_root() && flags.is_fdp_delete()
    })
}

/// Checks that every column of an index exists.
fn check_index_columns(table: &Table, problems: &mut Problems) {
    let is_there = |index: &Index, id: ColumnId| {
        // Indices of the old form do not state whether a column is the table's own or its
        // template's.
        let other = ColumnId::new(id.fid(), !id.is_template());
        table.column_by_id(id).is_some()
            || !index.flags.has_extended_columns() && table.column_by_id(other).is_some()
    };
    for index in table.indexes() {
        for part in index
            .key
            .iter()
            .filter(|part| !is_there(index, part.column))
        {
            let fault = Fault::new(
                index.tree.root,
                "catalog entry of an index",
                "columns of the table",
                format!("column {}, which is none", part.column.fid()),
            );
            let name = format!("table {}, index {}", table.name, index.name);
            problems.push((name, Severity::Damage, fault));
        }
    }
}

fn add_table(objects: &mut Vec<Object>, table: Arc<Table>) {
    let number = objects.len() as ObjectNumber;
    let name = format!("table {}", table.name);
    objects.push(Object {
        name: name.clone(),
        tree: table.tree,
        parent: DATABASE_ROOT.root,
        parent_object: Some(0),
        non_unique: false,
        role: Role::Table(Arc::clone(&table)),
    });
    for (position, index) in table.indexes().iter().enumerate() {
        if index.flags.is_primary() {
            continue;
        }
        objects.push(Object {
            name: format!("{name}, index {}", index.name),
            tree: index.tree,
            parent: table.tree.root,
            parent_object: Some(number),
            non_unique: !index.flags.is_unique(),
            role: Role::Index(position),
        });
    }
    if let Some(tree) = table.long_values {
        objects.push(Object {
            name: format!("{name}, long values"),
            tree,
            parent: table.tree.root,
            parent_object: Some(number),
            non_unique: false,
            role: Role::LongValues,
        });
    }
}
