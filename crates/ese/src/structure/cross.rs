//! Compares a table with its indices and its long values.

use rayon::prelude::*;

use super::hash::hash;
use super::index_rules::{Expects, IndexRule, KeyPlan, Rules, entry_hash};
use super::long_values::{LongValueVisitor, References};
use super::map::ObjectNumber;
use super::records::{Eligible, RecordShape, RecordVisitor};
use super::report::{Severity, Summary};
use super::row_values::RowValues;
use super::second_pass::{NAMED, each_row, name_dangling, recount_references};
use super::walk::{Visitor, walk};
use super::{Object, Role, Work};
use crate::catalog::Table;
use crate::page::{Fault, Key, Node, PageView};
use crate::redacted::Redacted;

/// Walks the table `number`, its indices and its long values.
pub(super) fn verify_table(work: &Work<'_>, number: ObjectNumber, table: &Table) -> Summary {
    let object = work.object(number);
    let rules = Rules::new(table);
    let shape = RecordShape::new(table);
    let keep_bookmarks = rules
        .rules
        .iter()
        .any(|rule| rule.expects != Expects::One && rule.keys.is_none());
    let walked = walk(work, object.form(number), || {
        RecordVisitor::new(table, number, &rules, &shape, keep_bookmarks)
    });
    let mut summary = Summary {
        trees: 1,
        used_pages: walked.pages,
        deleted_nodes: walked.deleted_nodes,
        rows: walked.visitor.rows,
        incomplete_trees: u64::from(!walked.complete),
        ..Summary::default()
    };
    let complete = walked.complete;
    let mut rows = walked.visitor;
    rows.bookmarks.kept.sort_unstable();
    let references = References::new(&mut rows.references);
    let seen = TableSeen {
        table,
        rules: &rules,
        rows: &rows,
        references: &references,
        complete,
        bookmarks_kept: keep_bookmarks && rows.bookmarks.all_kept(),
    };

    let children = (work.objects.iter().enumerate().skip(number as usize + 1))
        .map(|(position, child)| (position as ObjectNumber, child))
        .take_while(|(_, child)| !matches!(child.role, Role::Table(_)));
    let children: Vec<(ObjectNumber, &Object)> = children.collect();
    let totals: Vec<Summary> = (children.par_iter())
        .map(|(number, child)| match &child.role {
            Role::Index(position) => verify_index(work, *number, *position, &seen),
            Role::LongValues => verify_long_values(work, *number, &seen),
            Role::Root | Role::Table(_) => Summary::default(),
        })
        .collect();
    totals.iter().for_each(|total| summary.add(total));

    let has_long_values = children
        .iter()
        .any(|(_, child)| matches!(child.role, Role::LongValues));
    if !has_long_values && rows.references.count > 0 {
        name_dangling(work, object, table, &references.dangling());
    }
    work.budget
        .give_back(rows.bookmarks.room + rows.references.room);
    summary
}

/// The results from a table's rows, for the walks of its indices and long values.
struct TableSeen<'s> {
    table: &'s Table,
    rules: &'s Rules,
    rows: &'s RecordVisitor<'s>,
    references: &'s References,
    /// Whether all rows were read.
    complete: bool,
    /// Whether the bookmarks of all rows were kept.
    bookmarks_kept: bool,
}

impl TableSeen<'_> {
    /// The severity of index entries that do not match the rows.
    fn of_entries(&self) -> Severity {
        match self.complete && self.rows.rows == 0 {
            true => Severity::Note,
            false => Severity::Damage,
        }
    }

    /// Whether a row has the bookmark; `None` if unknown.
    fn has_row(&self, work: &Work<'_>, bookmark: &[u8], hash: u64) -> Option<bool> {
        if !self.complete {
            return None;
        }
        if self.bookmarks_kept {
            return Some(self.rows.bookmarks.kept.binary_search(&hash).is_ok());
        }
        let mut cursor = work.database.nodes(self.table.tree);
        let found = cursor.seek(bookmark, &[]).ok()?;
        let node = cursor.node().ok()?;
        Some(found && node.is_some_and(|node| !node.flags.is_deleted()))
    }
}

/// The basis for comparing the entries of an index with the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Identity<'r> {
    /// Key and bookmark.
    Entry(&'r KeyPlan),
    /// The bookmark, which occurs once.
    Bookmark,
    /// Only the existence of the row.
    Row,
}

impl<'r> Identity<'r> {
    fn new(rule: &'r IndexRule, eligible: &Eligible) -> Self {
        match &rule.keys {
            Some(plan) if !eligible.unknown_keys => Self::Entry(plan),
            _ if rule.expects == Expects::One => Self::Bookmark,
            _ => Self::Row,
        }
    }

    /// The hash of an entry whose bookmark has the hash `bookmark`.
    #[inline]
    fn hash(self, work: &Work<'_>, key: &Key<'_>, bookmark: u64) -> u64 {
        match self {
            Self::Entry(_) => entry_hash(work.seed, key, bookmark),
            Self::Bookmark | Self::Row => bookmark,
        }
    }
}

/// The visitor of a secondary index's entries.
struct EntryVisitor<'s> {
    object: ObjectNumber,
    seen: &'s TableSeen<'s>,
    identity: Identity<'s>,
    entries: u64,
    sum: u64,
}

impl Visitor for EntryVisitor<'_> {
    #[inline]
    fn node(&mut self, work: &Work<'_>, page: PageView<'_>, index: usize, node: &Node<'_>) {
        self.entries += 1;
        let bookmark = hash(work.seed, [node.data, &[]]);
        self.sum = (self.sum).wrapping_add(self.identity.hash(work, &node.key, bookmark));
        if self.identity == Identity::Row
            && self.seen.has_row(work, node.data, bookmark) == Some(false)
        {
            let tag = index + usize::from(page.header().reserved_tags);
            let fault = dangling_entry(self.identity, page.number(), tag, node);
            let object = &work.object(self.object).name;
            (work.reporter).report(object, self.seen.of_entries(), fault);
        }
    }

    fn join(&mut self, _: &Work<'_>, next: Self) {
        self.entries += next.entries;
        self.sum = self.sum.wrapping_add(next.sum);
    }
}

fn dangling_entry(identity: Identity<'_>, page: u32, tag: usize, node: &Node<'_>) -> Fault {
    let bookmark = Redacted(node.data.len());
    let (expected, found) = match identity {
        Identity::Entry(_) => {
            let key = Redacted(node.key.len());
            (
                "the key and the bookmark of a row that the index takes in",
                format!("no row has the key {key} and the bookmark {bookmark}"),
            )
        }
        Identity::Bookmark | Identity::Row => (
            "the bookmark of a row that the index takes in",
            format!("no row has the bookmark {bookmark}"),
        ),
    };
    Fault::new(page, "index entry", expected, found).at_tag(tag)
}

fn verify_index(
    work: &Work<'_>,
    number: ObjectNumber,
    position: usize,
    seen: &TableSeen<'_>,
) -> Summary {
    let object = work.object(number);
    let found = (seen.rules.rules.iter().enumerate()).find(|(_, rule)| rule.index == position);
    let Some((rule_position, rule)) = found else {
        return Summary::default();
    };
    let identity = Identity::new(rule, &seen.rows.eligible[rule_position]);
    let walked = walk(work, object.form(number), || EntryVisitor {
        object: number,
        seen,
        identity,
        entries: 0,
        sum: 0,
    });
    if walked.complete && seen.complete {
        compare(work, object, seen, rule_position, &walked.visitor);
    }
    Summary {
        trees: 1,
        used_pages: walked.pages,
        deleted_nodes: walked.deleted_nodes,
        index_entries: walked.visitor.entries,
        incomplete_trees: u64::from(!walked.complete),
        ..Summary::default()
    }
}

/// Compares the entries of an index with the rows that it includes. The engine's check ignores the
/// indices of a table without rows.
fn compare(
    work: &Work<'_>,
    object: &Object,
    seen: &TableSeen<'_>,
    rule_position: usize,
    entries: &EntryVisitor<'_>,
) {
    let eligible = &seen.rows.eligible[rule_position];
    let (counted, sum) = match entries.identity {
        Identity::Entry(_) => (eligible.entries, eligible.sum),
        Identity::Bookmark => (eligible.rows, eligible.bookmarks),
        Identity::Row => (0, 0),
    };
    let expected = match entries.identity {
        Identity::Entry(_) | Identity::Bookmark => counted..=counted,
        Identity::Row => match seen.rules.rules[rule_position].expects {
            Expects::Values(_) => eligible.rows..=eligible.most,
            Expects::One | Expects::Any => 0..=u64::MAX,
        },
    };
    let right_count = expected.contains(&entries.entries);
    if !right_count {
        let (least, most) = expected.into_inner();
        let number = if least == most {
            least.to_string()
        } else {
            format!("{least} to {most}")
        };
        let expected = format!("{number} entries for the rows and values that the index takes in");
        let found = format!("{} entries", entries.entries);
        let fault = Fault::new(object.tree.root, "number of index entries", expected, found);
        work.reporter.report(&object.name, seen.of_entries(), fault);
    }
    if entries.identity != Identity::Row && (!right_count || entries.sum != sum) {
        name_differences(work, object, seen, rule_position, entries.identity);
    }
}

/// Reports the entries that lead to no row or to a row that the index does not include, and the
/// rows without an entry.
fn name_differences(
    work: &Work<'_>,
    object: &Object,
    seen: &TableSeen<'_>,
    rule_position: usize,
    identity: Identity<'_>,
) {
    let mut expected: Vec<u64> = Vec::new();
    let complete = expected_entries(work, seen, rule_position, identity, |hash, _, _, _| {
        expected.push(hash)
    });
    if !complete {
        return;
    }
    expected.sort_unstable();
    let mut met = vec![false; expected.len()];
    let mut named = 0;
    let mut cursor = work.database.nodes(object.tree);
    while let Ok(true) = cursor.advance() {
        let (Some(page), Ok(Some(node))) = (cursor.page(), cursor.node()) else {
            break;
        };
        if node.flags.is_deleted() {
            continue;
        }
        let hash = identity.hash(work, &node.key, hash(work.seed, [node.data, &[]]));
        let start = expected.partition_point(|other| *other < hash);
        let place = (start..expected.len())
            .take_while(|place| expected[*place] == hash)
            .find(|place| !met[*place]);
        match place {
            Some(place) => met[place] = true,
            None if named < NAMED => {
                named += 1;
                let tag =
                    cursor.index().unwrap_or_default() + usize::from(page.header().reserved_tags);
                let fault = dangling_entry(identity, page.number(), tag, &node);
                work.reporter.report(&object.name, seen.of_entries(), fault);
            }
            None => break,
        }
    }
    let missing: Vec<u64> = (expected.iter().zip(&met))
        .filter(|(_, met)| !**met)
        .map(|(hash, _)| *hash)
        .collect();
    if missing.is_empty() {
        return;
    }
    let mut named = 0;
    expected_entries(
        work,
        seen,
        rule_position,
        identity,
        |hash, page, tag, key| {
            if missing.binary_search(&hash).is_ok() && named < NAMED {
                named += 1;
                let found = format!("none for the bookmark {}", Redacted(key.len()));
                let fault = Fault::new(page, "row", "an entry in the index", found).at_tag(tag);
                work.reporter.damage(&object.name, fault);
            }
        },
    );
}

/// Calls `visit` for each entry that an index must have: with its hash, and the page, the tag and
/// the key of its row. Returns whether all rows could be read.
fn expected_entries(
    work: &Work<'_>,
    seen: &TableSeen<'_>,
    rule_position: usize,
    identity: Identity<'_>,
    mut visit: impl FnMut(u64, u32, usize, Key<'_>),
) -> bool {
    let table = seen.table;
    let mut values = RowValues::new(table.columns().len());
    let (mut key, mut hashes) = (Vec::new(), Vec::new());
    each_row(work, table, |page, tag, node, fields| {
        values.clear();
        let visited = fields.visit(Some, |value| {
            values.note(node.data, &value).map_err(|_| None)
        });
        if visited.is_err() {
            return;
        }
        let bookmark = hash(work.seed, [node.key.prefix, node.key.suffix]);
        seen.rules.apply(&values, |rule, _, _| {
            if rule != rule_position {
                return;
            }
            hashes.clear();
            let row = (table, node.data, &values);
            match identity {
                Identity::Entry(plan) => {
                    // Unknown keys were already found in the first pass.
                    let _ = plan.entries((&mut key, &mut hashes), row, (work.seed, bookmark));
                }
                Identity::Bookmark | Identity::Row => hashes.push(bookmark),
            }
            hashes
                .iter()
                .for_each(|hash| visit(*hash, page, tag, node.key));
        });
    })
}

fn verify_long_values(work: &Work<'_>, number: ObjectNumber, seen: &TableSeen<'_>) -> Summary {
    let object = work.object(number);
    // References are known only if all rows were read.
    let nothing = References::new(&mut super::numbers::Numbers {
        count: 1,
        ..Default::default()
    });
    let references = if seen.complete {
        seen.references
    } else {
        &nothing
    };
    let chunk_len = seen.table.chunk_len;
    let mut walked = walk(work, object.form(number), || {
        LongValueVisitor::new(number, chunk_len, references)
    });
    walked.visitor.close(work);
    if walked.complete && seen.complete {
        if references.complete {
            name_dangling(work, object, seen.table, &references.dangling());
        } else if walked.visitor.sum != seen.rows.references.sum {
            let made = seen.rows.references.count;
            walked.visitor.orphans += recount_references(work, object, seen.table, made);
        }
    }
    Summary {
        trees: 1,
        used_pages: walked.pages,
        deleted_nodes: walked.deleted_nodes,
        long_values: walked.visitor.values,
        orphaned_long_values: walked.visitor.orphans,
        incomplete_trees: u64::from(!walked.complete),
        ..Summary::default()
    }
}
