//! The trees of a database, from its catalog; and the catalog against its copy.

use std::sync::Arc;

use super::map::ObjectNumber;
use super::{Object, Role};
use crate::catalog::{CATALOG, Catalog, SHADOW_CATALOG, Table};
use crate::database::Database;
use crate::page::{Fault, Pgno};
use crate::tree::{TreeCursor, TreeId};

/// The root of the database's own tree, which has no nodes, only space.
pub(super) const DATABASE_ROOT: TreeId = TreeId { root: 1, objid: 1 };

/// A fault of the catalog, found before there are objects to name.
pub(super) type Problems = Vec<(String, Fault)>;

/// Lists all trees: the database's root, then each table, followed by its indices and its long values.
pub(super) fn list(database: &Database, problems: &mut Problems) -> Vec<Object> {
    let mut objects = vec![Object {
        name: "the database's space".into(),
        tree: DATABASE_ROOT,
        parent: 0,
        parent_object: None,
        non_unique: None,
        role: Role::Root,
    }];
    let catalog_fault = |object: &str, tree: TreeId, error: &crate::Error| {
        let fault = Fault::new(
            tree.root,
            "catalog",
            "a catalog that can be read",
            error.to_string(),
        );
        (object.to_owned(), fault)
    };
    let mut read = |tree, name: &str| match Catalog::read_from(database, tree) {
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
        let table = match catalog.load(database, entry, true) {
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
        add_table(&mut objects, table);
    }
    objects
}

fn add_table(objects: &mut Vec<Object>, table: Arc<Table>) {
    let number = objects.len() as ObjectNumber;
    let name = format!("table {}", table.name);
    objects.push(Object {
        name: name.clone(),
        tree: table.tree,
        parent: DATABASE_ROOT.root,
        parent_object: Some(0),
        non_unique: Some(false),
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
            non_unique: Some(!index.flags.is_unique()),
            role: Role::Index(position),
        });
    }
    if let Some(tree) = table.long_values {
        objects.push(Object {
            name: format!("{name}, long values"),
            tree,
            parent: table.tree.root,
            parent_object: Some(number),
            non_unique: Some(false),
            role: Role::LongValues,
        });
    }
}

/// Compares the catalog with its copy, record by record.
pub(super) fn compare_with_shadow(database: &Database, mut damage: impl FnMut(Fault)) {
    let mut catalog = TreeCursor::new(database, CATALOG);
    let mut shadow = TreeCursor::new(database, SHADOW_CATALOG);
    // Where either cannot be read, the walk of its tree tells why.
    while let (Ok(left), Ok(right)) = (advance(&mut catalog), advance(&mut shadow)) {
        let place =
            |cursor: &TreeCursor<'_>, root: Pgno| cursor.page().map_or(root, |page| page.number());
        if !left || !right {
            if left != right {
                let (page, expected, found) = match left {
                    true => (
                        place(&shadow, SHADOW_CATALOG.root),
                        "as many records as in the catalog",
                        "fewer",
                    ),
                    false => (
                        place(&shadow, SHADOW_CATALOG.root),
                        "as many records as in the catalog",
                        "more",
                    ),
                };
                damage(Fault::new(page, "copy of the catalog", expected, found));
            }
            return;
        }
        if let (Ok(Some(a)), Ok(Some(b))) = (catalog.node(), shadow.node())
            && (a.key != b.key || !same_record(&catalog, &shadow))
        {
            let page = place(&shadow, SHADOW_CATALOG.root);
            let expected = format!(
                "the record of the catalog's page {}",
                place(&catalog, CATALOG.root)
            );
            let tag = shadow.index().unwrap_or_default() + 1;
            damage(Fault::new(page, "copy of the catalog", expected, "another record").at_tag(tag));
            if a.key != b.key {
                return;
            }
        }
    }
}

/// Moves to the next record that was not deleted.
fn advance(cursor: &mut TreeCursor<'_>) -> crate::Result<bool> {
    while cursor.advance()? {
        if cursor.node()?.is_some_and(|node| !node.flags.is_deleted()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether two records of the catalog describe the same object in the same way.
fn same_record(left: &TreeCursor<'_>, right: &TreeCursor<'_>) -> bool {
    match (left.node(), right.node()) {
        (Ok(left), Ok(right)) => left.map(|node| node.data) == right.map(|node| node.data),
        _ => false,
    }
}
