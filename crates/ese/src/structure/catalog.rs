//! Checks the catalog, and compares it with its copy.
//!
//! Follows the rules of the engine's integrity check (`ErrREPAIRCheckFixCatalogLogical`,
//! `ErrREPAIRCompareCatalogs`). The two catalogs are changed one after the other, and some fields
//! are set in each separately, so they need not be equal in every byte.

use super::report::{Reporter, Severity};
use crate::Result;
use crate::catalog::{CATALOG, CatalogRow, ObjectKind, SHADOW_CATALOG};
use crate::database::Database;
use crate::page::{Fault, Pgno};
use crate::tree::{TreeCursor, TreeId};

const COPY: &str = "copy of the catalog";

/// Checks both catalogs. Records that cannot be read are reported by the walk of the tree.
pub(super) fn check(database: &Database, reporter: &Reporter<'_>) {
    for (tree, name) in [
        (CATALOG, "table MSysObjects"),
        (SHADOW_CATALOG, "table MSysObjectsShadow"),
    ] {
        // The walk of the tree reports the error.
        let _ = check_records(database, tree, |fault| reporter.damage(name, fault));
    }
    let _ = compare(database, |severity, fault| {
        reporter.report("table MSysObjectsShadow", severity, fault)
    });
}

/// The records of a catalog.
struct Records<'db> {
    cursor: TreeCursor<'db>,
}

impl<'db> Records<'db> {
    fn of(database: &'db Database, tree: TreeId) -> Self {
        Self {
            cursor: database.nodes(tree),
        }
    }

    /// Moves to the next record that was not deleted; `false` at the end.
    fn advance(&mut self) -> Result<bool> {
        while self.cursor.advance()? {
            let node = self.cursor.node()?;
            if node.is_some_and(|node| !node.flags.is_deleted()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The record, and all of its bytes; `None` if it is not a record.
    fn row(&self) -> Result<Option<(CatalogRow<'_>, &[u8])>> {
        let (Some(page), Some(node)) = (self.cursor.page(), self.cursor.node()?) else {
            return Ok(None);
        };
        Ok(CatalogRow::read(page, &node)
            .ok()
            .map(|row| (row, node.data)))
    }

    fn page(&self) -> Pgno {
        (self.cursor.page()).map_or(self.cursor.tree().root, |page| page.number())
    }

    fn fault(&self, what: &'static str, expected: String, found: String) -> Fault {
        let reserved = (self.cursor.page()).map_or(0, |page| page.header().reserved_tags);
        let fault = Fault::new(self.page(), what, expected, found);
        match self.cursor.index() {
            Some(index) => fault.at_tag(index + usize::from(reserved)),
            None => fault,
        }
    }
}

/// The facts of the table whose records are being read.
#[derive(Default)]
struct TableRecords {
    id: u32,
    root: Pgno,
    long_values: Option<TreeId>,
    has_callback: bool,
}

/// A table has one record, which is its first, and at most one for its long values and one for its
/// callback.
fn check_records(database: &Database, tree: TreeId, mut damage: impl FnMut(Fault)) -> Result<()> {
    const DATABASE: u32 = 1;
    let mut records = Records::of(database, tree);
    let mut table = TableRecords::default();
    while records.advance()? {
        let Some((row, _)) = records.row()? else {
            continue;
        };
        let mut wrong = |expected: &str, found: &str| {
            let found = format!("{found}, of object {}", row.table);
            damage(records.fault("catalog record", expected.into(), found));
        };
        if row.table == DATABASE {
            wrong("an object of a table", "one of the database itself");
        } else if row.table != table.id {
            table = TableRecords {
                id: row.table,
                root: row.root_or_type,
                ..TableRecords::default()
            };
            match row.kind {
                ObjectKind::Table if row.id == row.table => {}
                ObjectKind::Table => wrong("a table of the same object id", "one of another"),
                _ => wrong("the record of the table first", "another"),
            }
        } else {
            match row.kind {
                ObjectKind::Table => wrong("one record of the table", "a second"),
                ObjectKind::Column => {}
                ObjectKind::Index => {
                    if let Some((expected, found)) = wrong_index(&row, &table) {
                        wrong(expected, found);
                    }
                }
                ObjectKind::LongValues if table.long_values.is_some() => {
                    wrong("one record of long values", "a second");
                }
                ObjectKind::LongValues => table.long_values = Some(row.tree()),
                ObjectKind::Callback if table.has_callback => {
                    wrong("one callback", "a second");
                }
                ObjectKind::Callback => table.has_callback = true,
                ObjectKind::Other(_) => wrong("a type from 1 to 5", "another"),
            }
        }
    }
    Ok(())
}

/// A primary index is the table's own tree; any other index has its own.
fn wrong_index(row: &CatalogRow<'_>, table: &TableRecords) -> Option<(&'static str, &'static str)> {
    const PRIMARY: u32 = 0x20;
    let is_primary = row.flags & PRIMARY != 0;
    let is_of_long_values = (table.long_values)
        .is_some_and(|tree| tree.objid == row.id || tree.root == row.root_or_type);
    if is_primary != (row.id == table.id) {
        return Some(match is_primary {
            true => ("a primary index with the table's object id", "another"),
            false => ("an index with an object id of its own", "the table's"),
        });
    }
    if !is_primary && row.root_or_type == table.root {
        return Some(("an index with a tree of its own", "the table's"));
    }
    is_of_long_values.then_some((
        "an index with a tree of its own",
        "that of the table's long values",
    ))
}

/// Compares the catalog with its copy, record by record.
fn compare(database: &Database, mut report: impl FnMut(Severity, Fault)) -> Result<()> {
    let mut catalog = Records::of(database, CATALOG);
    let mut copy = Records::of(database, SHADOW_CATALOG);
    let mut more = (catalog.advance()?, copy.advance()?);
    loop {
        if more != (true, true) {
            if more.0 != more.1 {
                let found = if more.0 { "fewer" } else { "more" };
                let expected = "as many records as in the catalog";
                let fault = Fault::new(copy.page(), COPY, expected, found);
                report(Severity::Damage, fault);
            }
            return Ok(());
        }
        let (Some((row, bytes)), Some((other, other_bytes))) = (catalog.row()?, copy.row()?) else {
            return Ok(());
        };
        let expected = format!("the record of the catalog's page {}", catalog.page());
        let differs = |found: &str| copy.fault(COPY, expected.clone(), found.to_owned());
        more = if is_same(&row, &other) {
            if bytes != other_bytes {
                let found = "one that differs in what the engine sets in each by itself";
                report(Severity::Note, differs(found));
            }
            (catalog.advance()?, copy.advance()?)
        } else if other.is_deleted_column() {
            report(Severity::Note, differs("a column that was deleted"));
            (true, copy.advance()?)
        } else {
            report(Severity::Damage, differs("another record"));
            if (row.table, row.kind, row.id) != (other.table, other.kind, other.id) {
                return Ok(());
            }
            (catalog.advance()?, copy.advance()?)
        };
    }
}

/// Whether two records describe the same object in the same way, by the fields of the engine's
/// check.
fn is_same(row: &CatalogRow<'_>, other: &CatalogRow<'_>) -> bool {
    // NULL counts as zero, or as empty.
    let bytes = |value: Option<&[u8]>| {
        let value = value.unwrap_or_default();
        let zeros = value.iter().rev().take_while(|byte| **byte == 0).count();
        value[..value.len() - zeros].to_vec()
    };
    (row.table, row.kind, row.id, row.name) == (other.table, other.kind, other.id, other.name)
        && (row.root_or_type, row.flags) == (other.root_or_type, other.flags)
        && row.record_offset.unwrap_or_default() == other.record_offset.unwrap_or_default()
        && [
            (row.template, other.template),
            (row.key_columns, other.key_columns),
            (row.sort_version, other.sort_version),
            (row.sort_id, other.sort_id),
            (row.locale_name, other.locale_name),
        ]
        .into_iter()
        .all(|(own, other)| bytes(own) == bytes(other))
}
