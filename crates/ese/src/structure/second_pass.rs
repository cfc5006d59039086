//! Reads rows a second time, to report in detail what the first pass only counted.

use std::sync::atomic::{AtomicBool, Ordering};

use super::hash::mix;
use super::long_values::{References, compare_count};
use super::{Object, Work};
use crate::catalog::Table;
use crate::long_value::{LongValueId, LongValueKey, LongValueRoot};
use crate::page::{Fault, Node};
use crate::record::{Malformed, Record};
use crate::rows::{Fields, Stored};

/// The most missing or dangling entries of one index, or long values of one table, to report one by
/// one.
pub(super) const NAMED: usize = 1000;

/// The number of references kept at a time while they are counted again.
const PART: u64 = 4 << 20;

/// Calls `visit` with each row of `table`: page, tag, node, fields. Returns whether all rows could
/// be read.
pub(super) fn each_row(
    work: &Work<'_>,
    table: &Table,
    mut visit: impl FnMut(u32, usize, &Node<'_>, Fields<'_>),
) -> bool {
    let mut cursor = work.database.nodes(table.tree);
    loop {
        match cursor.advance() {
            Ok(true) => {}
            Ok(false) => return true,
            Err(_) => return false,
        }
        let (Some(page), Ok(Some(node))) = (cursor.page(), cursor.node()) else {
            return false;
        };
        if node.flags.is_deleted() {
            continue;
        }
        let tag = cursor.index().unwrap_or_default() + usize::from(page.header().reserved_tags);
        let record = Record::new(node.data, page.size(), page.flags().has_new_record_format());
        if let Ok(record) = record {
            visit(page.number(), tag, &node, Fields::new(table, record));
        }
    }
}

/// Compares the counts of a table's long values with the references of its rows, if these were too
/// many to keep and the sums differ: in parts, each of which is kept whole. Returns the number of
/// values without a reference.
pub(super) fn recount_references(
    work: &Work<'_>,
    object: &Object,
    table: &Table,
    references: u64,
) -> u64 {
    let parts = references.div_ceil(PART).max(1);
    let mut orphans = 0;
    for part in 0..parts {
        let is_in_part = |id: LongValueId| mix(id.0) % parts == part;
        let mut ids = Vec::new();
        each_row(work, table, |_, _, _, fields| {
            let visited: Result<(), Malformed> = fields.visit(
                |malformed| malformed,
                |value| {
                    if let Stored::Separated(id) = value.stored
                        && is_in_part(id)
                    {
                        ids.push(id.0);
                    }
                    Ok(())
                },
            );
            // Malformed records were reported in the first pass.
            let _ = visited;
        });
        let references = References::of(ids);
        let mut cursor = work.database.nodes(object.tree);
        while let Ok(true) = cursor.advance() {
            let (Some(page), Ok(Some(node))) = (cursor.page(), cursor.node()) else {
                break;
            };
            let key = LongValueKey::read(&node.key).filter(|_| !node.flags.is_deleted());
            if let Some(LongValueKey::Root(id)) = key
                && is_in_part(id)
                && let Some(root) = LongValueRoot::read(node.data)
            {
                let tag =
                    cursor.index().unwrap_or_default() + usize::from(page.header().reserved_tags);
                let place = (page.number(), tag);
                orphans += u64::from(compare_count(work, object, place, (id, root), &references));
            }
        }
        name_dangling(work, object, table, &references.dangling());
    }
    orphans
}

/// Reports the rows that refer to missing long values.
pub(super) fn name_dangling(
    work: &Work<'_>,
    object: &Object,
    table: &Table,
    dangling: &[LongValueId],
) {
    if dangling.is_empty() {
        return;
    }
    let named = std::cell::Cell::new(0);
    let any = AtomicBool::new(false);
    each_row(work, table, |page, tag, _, fields| {
        let visited: Result<(), Malformed> = fields.visit(
            |malformed| malformed,
            |value| {
                if let Stored::Separated(id) = value.stored
                    && dangling.binary_search(&id).is_ok()
                    && named.replace(named.get() + 1) < NAMED
                {
                    any.store(true, Ordering::Relaxed);
                    let expected = format!("long value {id} of column {}", value.column.name);
                    let fault =
                        Fault::new(page, "reference to a long value", expected, "no such value")
                            .at_tag(tag);
                    work.reporter.damage(&object.name, fault);
                }
                Ok(())
            },
        );
        // Malformed records were reported in the first pass.
        let _ = visited;
    });
    if !any.load(Ordering::Relaxed) {
        let expected = format!("long value {}", dangling[0]);
        let fault = Fault::new(
            object.tree.root,
            "reference to a long value",
            expected,
            "no such value",
        );
        work.reporter.damage(&object.name, fault);
    }
}
