//! Verifies the structure of a database: its pages, trees, space, catalog, records, long values and
//! indices must be consistent with each other.
//!
//! Every page is read once. Trees are walked from their roots, with their parts in parallel on all
//! cores, and each page is recorded with its owner and its use, so that no page serves two trees.
//! Damage is reported where it is found and does not stop the scan; checks that depend on damaged
//! pages are skipped, not reported again.
//!
//! The line between damage and other findings is that of the engine's integrity check
//! (`repair.cxx`): docs/verification.md names the function behind each check.
//!
//! Only a database that was shut down cleanly, or recovered, must be consistent.

mod catalog;
mod check_page;
mod cross;
mod hash;
mod index_rules;
mod long_values;
mod map;
mod numbers;
mod objects;
mod records;
mod report;
mod row_values;
mod second_pass;
mod space;
mod walk;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use rayon::prelude::*;

pub use report::{Finding, Severity, Summary};

use crate::Result;
use crate::catalog::Table;
use crate::database::Database;
use crate::page::{Fault, PageKind, Pgno};
use crate::tree::TreeId;
use map::{ObjectNumber, PageMap, Use};
use report::Reporter;
use walk::{TreeForm, Visitor};

/// A tree of the database.
#[derive(Debug)]
struct Object {
    /// The name in findings.
    name: String,
    tree: TreeId,
    /// The root of the tree from which its space comes, and that tree's object.
    parent: Pgno,
    parent_object: Option<ObjectNumber>,
    /// Whether the tree may have duplicate keys.
    non_unique: bool,
    role: Role,
}

/// The role of an object's tree.
#[derive(Debug)]
enum Role {
    /// Only space.
    Root,
    Table(Arc<Table>),
    /// A secondary index of the table before it, and its position among the table's indices.
    Index(usize),
    /// The long values of the table before it.
    LongValues,
}

/// The state shared by all parts of the verification.
struct Work<'w> {
    database: &'w Database,
    objects: &'w [Object],
    map: &'w PageMap,
    reporter: &'w Reporter<'w>,
    /// The seed of the hashes by which bookmarks are compared.
    seed: u64,
    /// The memory for the facts of rows.
    budget: numbers::Budget,
}

impl Work<'_> {
    fn object(&self, number: ObjectNumber) -> &Object {
        &self.objects[number as usize]
    }
}

impl Object {
    fn kind(&self) -> PageKind {
        match &self.role {
            Role::Root | Role::Table(_) => PageKind::Primary,
            Role::Index(_) => PageKind::Index,
            Role::LongValues => PageKind::LongValue,
        }
    }

    fn form(&self, object: ObjectNumber) -> TreeForm {
        TreeForm {
            object,
            root: self.tree.root,
            objid: self.tree.objid,
            kind: self.kind(),
            non_unique: self.non_unique,
            usage: Use::Nodes,
        }
    }
}

/// Verifies the structure of `database`, with the checksum of every page, and calls `on_finding`
/// for each problem, in no particular order.
///
/// # Errors
/// Only if the file itself cannot be read; damage is a finding.
///
/// ```
/// # let folder = testkit::find("sample-forest/clean").unwrap().unpack();
/// # let path = folder.path().join("ntds.dit");
/// let database = ese::Database::open(&path)?;
/// let mut findings = Vec::new();
/// let summary = ese::structure::verify_structure(&database, &mut |finding| findings.push(finding))?;
/// assert!(summary.is_sound() && findings.is_empty());
/// # Ok::<(), ese::Error>(())
/// ```
pub fn verify_structure(
    database: &Database,
    on_finding: &mut (dyn FnMut(Finding) + Send),
) -> Result<Summary> {
    verify_within(database, numbers::Budget::new(), on_finding)
}

fn verify_within(
    database: &Database,
    budget: numbers::Budget,
    on_finding: &mut (dyn FnMut(Finding) + Send),
) -> Result<Summary> {
    let reporter = Reporter::new(database.page_size(), on_finding);
    let mut problems = Vec::new();
    let objects = objects::list(database, &mut problems);
    for (object, severity, fault) in problems {
        reporter.report(&object, severity, fault);
    }
    let map = PageMap::new(database.page_count());
    let work = Work {
        database,
        objects: &objects,
        map: &map,
        reporter: &reporter,
        seed: random_seed(),
        budget,
    };
    check_object_ids(&work);

    // Space first: the owner of each page. A tree's space comes from its parent's, so the order of
    // the objects matters.
    let numbers = 0..objects.len() as ObjectNumber;
    let spaces: Vec<space::Space> = (numbers.clone().into_par_iter())
        .map(|number| space::read(&work, number))
        .collect();
    let shelved: HashSet<Pgno> = (spaces.iter())
        .flat_map(|space| space.shelved.iter().copied())
        .collect();
    for number in numbers.clone() {
        space::hand_over(&work, number, &spaces[number as usize], &shelved);
    }
    let mut summary = Summary::default();
    for space in &spaces {
        summary.space_pages += space.pages;
        summary.deleted_nodes += space.deleted_nodes;
    }

    // Then the tables with their indices and long values, in parallel.
    let totals: Vec<Summary> = (numbers.into_par_iter())
        .filter_map(|number| match &work.object(number).role {
            Role::Root => Some(walk_root(&work, number)),
            Role::Table(table) => Some(cross::verify_table(&work, number, table)),
            Role::Index { .. } | Role::LongValues => None,
        })
        .collect();
    totals.iter().for_each(|total| summary.add(total));
    catalog::check(database, &reporter);
    sweep(&work, &spaces, &shelved, &mut summary);
    let counts = reporter.counts();
    (summary.damages, summary.leaks, summary.notes) = (counts.damages, counts.leaks, counts.notes);
    Ok(summary)
}

/// A number that no file can foresee.
fn random_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(0)
}

/// Each object id is used once, and the header holds the highest; the engine's check does not cover
/// this.
fn check_object_ids(work: &Work<'_>) {
    let highest = work.database.headers().header.last_object_id.get();
    let mut seen = HashMap::new();
    for object in work.objects {
        let TreeId { root, objid } = object.tree;
        if objid > highest {
            let fault = Fault::new(
                root,
                "object id",
                format!("at most the header's {highest}"),
                objid.to_string(),
            );
            work.reporter.note(&object.name, fault);
        }
        if let Some(other) = seen.insert(objid, &object.name) {
            let fault = Fault::new(
                root,
                "object id",
                "an id of its own",
                format!("{objid}, also of {other}"),
            );
            work.reporter.damage(&object.name, fault);
        }
    }
}

/// The tree of the database's root has no nodes. The engine's check ignores any content.
fn walk_root(work: &Work<'_>, number: ObjectNumber) -> Summary {
    struct Nothing;
    impl Visitor for Nothing {
        fn node(
            &mut self,
            work: &Work<'_>,
            page: crate::page::PageView<'_>,
            index: usize,
            _: &crate::page::Node<'_>,
        ) {
            let fault = Fault::new(page.number(), "root of the database", "no node", "a node");
            (work.reporter).note(&work.object(0).name, fault.at_tag(index + 1));
        }

        fn join(&mut self, _: &Work<'_>, _: Self) {}
    }
    let walked = walk::walk(work, work.object(number).form(number), || Nothing);
    Summary {
        trees: 1,
        used_pages: walked.pages,
        incomplete_trees: u64::from(!walked.complete),
        ..Summary::default()
    }
}

/// Compares owner and use of every page, and reads the pages to which no tree led.
fn sweep(work: &Work<'_>, spaces: &[space::Space], shelved: &HashSet<Pgno>, summary: &mut Summary) {
    let parts: Vec<Summary> = (1..=work.map.last())
        .into_par_iter()
        .fold(Summary::default, |mut totals, page| {
            totals.pages += 1;
            let owner = work.map.owner(page);
            match work.map.usage(page) {
                Some((user, usage)) => {
                    if matches!(usage, Use::Available | Use::Reserve | Use::Spare) {
                        totals.available_pages += 1;
                        check_unused(work, page, user);
                    }
                    let owner_known = spaces
                        .get(user as usize)
                        .is_some_and(|space| space.complete);
                    if owner != Some(user) && owner_known && usage != Use::Spare {
                        let owner =
                            owner.map_or("nobody".into(), |owner| work.object(owner).name.clone());
                        let fault =
                            Fault::new(page, "owner of the page", "the tree that uses it", owner);
                        work.reporter.damage(&work.object(user).name, fault);
                    }
                }
                None => match owner {
                    Some(_) if shelved.contains(&page) => totals.available_pages += 1,
                    Some(owner) => {
                        totals.leaked_pages += 1;
                        check_unused(work, page, owner);
                    }
                    None => totals.pages_beyond_space += 1,
                },
            }
            totals
        })
        .collect();
    parts.iter().for_each(|part| summary.add(part));
}

/// An unused page must keep its checksum.
fn check_unused(work: &Work<'_>, number: Pgno, object: ObjectNumber) {
    let Ok(page) = work.database.page(number) else {
        return;
    };
    if let Some(fault) = check_page::checksum(page.view().bytes(), number) {
        work.reporter.damage(&work.object(object).name, fault);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(bytes: &[u8], budget: numbers::Budget) -> Summary {
        let database = Database::over(bytes.to_vec(), "ntds.dit").unwrap();
        verify_within(&database, budget, &mut |_| {}).unwrap()
    }

    #[test]
    fn the_verdict_does_not_depend_on_the_memory_for_what_is_remembered() {
        let folder = testkit::find("sample-forest/clean").unwrap().unpack();
        let sound = std::fs::read(folder.path().join("ntds.dit")).unwrap();
        assert_eq!(
            verdict(&sound, numbers::Budget::new()),
            verdict(&sound, numbers::Budget::of(0))
        );
        let size = Database::over(sound.clone(), "ntds.dit")
            .unwrap()
            .page_size();
        let pages = sound.len() / size.bytes();
        let mut damaged = 0;
        for number in (4..pages).step_by(pages / 60) {
            let mut bytes = sound.clone();
            let page = &mut bytes[(number + 1) * size.bytes()..][..size.bytes()];
            // Some bytes among the page's nodes.
            for eighth in 1..7 {
                page[size.bytes() * eighth / 8] ^= 0x10;
            }
            crate::checksum::seal_page(page, number as Pgno);
            let whole = verdict(&bytes, numbers::Budget::new()).is_sound();
            assert_eq!(
                whole,
                verdict(&bytes, numbers::Budget::of(0)).is_sound(),
                "page {number}"
            );
            damaged += usize::from(!whole);
        }
        assert!(damaged > 5, "{damaged}");
    }

    /// The end of a long value's root in the file, and its count of references.
    fn root_of_a_long_value(bytes: &[u8]) -> (Pgno, usize) {
        use crate::long_value::LongValueKey;
        let database = Database::over(bytes.to_vec(), "ntds.dit").unwrap();
        let table = database.table("datatable").unwrap().unwrap();
        let mut cursor = database.nodes(table.long_values.unwrap());
        while cursor.advance().unwrap() {
            let (page, node) = (cursor.page().unwrap(), cursor.node().unwrap().unwrap());
            let key = LongValueKey::read(&node.key);
            if matches!(key, Some(LongValueKey::Root(_))) && !node.flags.is_deleted() {
                let start = node.data.as_ptr() as usize - page.bytes().as_ptr() as usize;
                return (page.number(), start);
            }
        }
        panic!("a directory has long values")
    }

    #[test]
    fn counts_of_references_are_judged_the_same_without_memory_for_the_references() {
        let folder = testkit::find("sample-forest/clean").unwrap().unpack();
        let sound = std::fs::read(folder.path().join("ntds.dit")).unwrap();
        let size = Database::over(sound.clone(), "ntds.dit")
            .unwrap()
            .page_size();
        let (page, start) = root_of_a_long_value(&sound);
        for (count, damages, leaks) in [(9u32, 0, 1), (0, 1, 0), (u32::MAX, 0, 1)] {
            let mut bytes = sound.clone();
            let content = &mut bytes[size.offset_of(page) as usize..][..size.bytes()];
            content[start..start + 4].copy_from_slice(&count.to_le_bytes());
            crate::checksum::seal_page(content, page);
            for budget in [numbers::Budget::new(), numbers::Budget::of(0)] {
                let summary = verdict(&bytes, budget);
                assert_eq!(
                    (summary.damages, summary.leaks),
                    (damages, leaks),
                    "{count}"
                );
            }
        }
    }
}
