//! Space: the pages that a tree owns, and those of them that are available.

use std::borrow::Cow;
use std::collections::HashSet;

use super::map::{ObjectNumber, Use};
use super::report::Severity;
use super::walk::{TreeForm, Visitor, walk};
use super::{Object, Work};
use crate::database::Database;
use crate::page::{
    Extent, ExtentNode, Extents, Fault, Node, PageView, Pgno, RootHeader, SplitBuffers,
};

/// The space of a tree, by its root and its space trees.
#[derive(Debug, Default)]
pub(super) struct Space {
    /// The root's external header.
    pub header: Option<RootHeader>,
    pub owned: Vec<Extent>,
    pub available: Vec<Extent>,
    pub reserves: Vec<Extent>,
    /// Available pages after a single extent's root, recorded only by its bits.
    pub spare: Vec<Extent>,
    /// Pages that a shrinking file keeps out of use: after its end, or soon to be. Only in the
    /// database's own space; their owner does not change.
    pub shelved: Vec<Pgno>,
    /// Whether all of it could be read.
    pub complete: bool,
    /// Pages of the space trees, and their deleted nodes.
    pub pages: u64,
    pub deleted_nodes: u64,
}

/// The largest page number of the format.
const LAST_PAGE: Pgno = 0x7fef_ffff;

/// Reads the space of the object `number`.
pub(super) fn read(work: &Work<'_>, number: ObjectNumber) -> Space {
    let object = work.object(number);
    let root = object.tree.root;
    let damage = |fault| work.reporter.damage(&object.name, fault);
    let mut space = Space::default();
    let page = match work.database.page(root) {
        Ok(page) => page,
        // The walk of the tree reports it.
        Err(_) => return space,
    };
    let view = page.view();
    if !view.flags().is_root()
        || view.flags().is_space_tree()
        || view.header().objid != object.tree.objid
    {
        return space;
    }
    let header = match view.root_header() {
        Ok(header) => header,
        Err(fault) => {
            damage(fault);
            return space;
        }
    };
    space.header = Some(header);
    let bad_header = |expected: String, found: String| {
        damage(Fault::new(root, "space header", expected, found).at_tag(0));
    };
    // The engine's check does not cover these two in the database's own space.
    let mismatch = |expected: String, found: String| {
        let fault = Fault::new(root, "space header", expected, found).at_tag(0);
        let severity = match number {
            DATABASE_SPACE => Severity::Note,
            _ => Severity::Damage,
        };
        work.reporter.report(&object.name, severity, fault);
    };
    if header.space.parent != object.parent {
        mismatch(
            format!("parent {}", object.parent),
            format!("parent {}", header.space.parent),
        );
    }
    if object.non_unique != header.space.non_unique {
        let repeat = |repeat| match repeat {
            true => "keys that repeat",
            false => "keys that do not repeat",
        };
        let expected = format!("{} as the catalog says", repeat(object.non_unique));
        mismatch(expected, repeat(!object.non_unique).into());
    }
    match header.space.extents {
        Extents::Single(_) if object.parent == 0 => {
            bad_header("two space trees".into(), "a single extent".into());
        }
        Extents::Single(available) => {
            let pages = header.space.primary_pages;
            if pages == 0 || pages > 1 << 20 {
                bad_header(
                    "a first extent of at least one page".into(),
                    format!("{pages} pages"),
                );
                return space;
            }
            space.owned.push(Extent {
                last: root.saturating_add(pages - 1),
                count: pages,
            });
            let reach = (pages - 1).min(32);
            if reach < 32 && available >> reach != 0 {
                let expected = format!("available pages among the {pages} of the extent");
                let found = format!("{available:#034b}");
                let fault = Fault::new(root, "space header", expected, found).at_tag(0);
                work.reporter.note(&object.name, fault);
            }
            for bit in (0..reach).filter(|bit| available >> bit & 1 == 1) {
                space.spare.push(Extent {
                    last: root.saturating_add(1 + bit),
                    count: 1,
                });
            }
            space.complete = true;
        }
        Extents::Trees(owned) => {
            let owned = extents(work, number, object, owned, false, &mut space);
            let available = match owned {
                Some(_) => extents(
                    work,
                    number,
                    object,
                    header_available(header),
                    true,
                    &mut space,
                ),
                None => None,
            };
            space.complete = owned.is_some() && available.is_some();
            space.owned = owned.unwrap_or_default();
            space.available = available.unwrap_or_default();
        }
    }
    space
}

/// The root of the available extents is the page after that of the owned ones.
fn header_available(header: RootHeader) -> Pgno {
    match header.space.extents {
        Extents::Trees(owned) => owned.saturating_add(1),
        Extents::Single(_) => 0,
    }
}

/// The extents in the space tree with the root `root`; `None` if some could not be read.
fn extents(
    work: &Work<'_>,
    number: ObjectNumber,
    object: &Object,
    root: Pgno,
    available: bool,
    space: &mut Space,
) -> Option<Vec<Extent>> {
    space.reserves.extend(reserves(work.database, root, object));
    let form = TreeForm {
        object: number,
        root,
        objid: object.tree.objid,
        kind: object.kind(),
        // Extents are distinguished by their keys, whatever tree they belong to.
        non_unique: false,
        usage: Use::Space,
    };
    let walked = walk(work, form, || ExtentVisitor {
        object: number,
        available,
        first: None,
        last: None,
        extents: Vec::new(),
        shelved: Vec::new(),
    });
    space.pages += walked.pages;
    space.deleted_nodes += walked.deleted_nodes;
    space.shelved.extend(walked.visitor.shelved);
    walked.complete.then_some(walked.visitor.extents)
}

/// The pages that the space tree reserves for its own growth.
fn reserves(database: &Database, root: Pgno, object: &Object) -> Vec<Extent> {
    let Ok(page) = database.page(root) else {
        return Vec::new();
    };
    let view = page.view();
    let is_space_root = view.flags().is_root() && view.flags().is_space_tree();
    if !is_space_root || view.header().objid != object.tree.objid {
        return Vec::new();
    }
    let buffers = view.external_header().ok().and_then(SplitBuffers::read);
    buffers.map_or(Vec::new(), |buffers| buffers.0.to_vec())
}

/// Collects the extents of a space tree.
struct ExtentVisitor {
    object: ObjectNumber,
    available: bool,
    /// The pool of the first extent of this part of the tree, its first page and its place.
    first: Option<(u8, Pgno, Place)>,
    /// The pool of the last extent, and its last page.
    last: Option<(u8, Pgno)>,
    extents: Vec<Extent>,
    shelved: Vec<Pgno>,
}

/// The place of a node: page and tag.
type Place = (Pgno, usize);

impl ExtentVisitor {
    fn damage(
        &self,
        work: &Work<'_>,
        (page, tag): Place,
        expected: impl Into<Cow<'static, str>>,
        found: String,
    ) {
        let fault = Fault::new(page, "extent", expected, found).at_tag(tag);
        work.reporter.damage(&work.object(self.object).name, fault);
    }

    /// Checks that the extents of a pool do not overlap. `next` is the pool, the first page and the
    /// place of an extent.
    fn check_order(
        &self,
        work: &Work<'_>,
        last: Option<(u8, Pgno)>,
        (pool, first, place): (u8, Pgno, Place),
    ) {
        if let Some((_, before)) = last.filter(|last| last.0 == pool && last.1 >= first) {
            let found = format!("pages from {first} on, after one up to {before}");
            self.damage(work, place, "pages after those of the extent before", found);
        }
    }
}

impl Visitor for ExtentVisitor {
    fn node(&mut self, work: &Work<'_>, page: PageView<'_>, index: usize, node: &Node<'_>) {
        let place = (
            page.number(),
            index + usize::from(page.header().reserved_tags),
        );
        if node.flags.is_versioned() {
            let found = "one with versions".into();
            self.damage(work, place, "a node without versions", found);
        }
        let ExtentNode { extent, pool } =
            match ExtentNode::read(&node.key, node.data, self.available) {
                Ok(extent) => extent,
                Err(expected) => {
                    let (key, data) = (node.key.len(), node.data.len());
                    let found = format!("{key} bytes of key, {data} of data");
                    return self.damage(work, place, expected, found);
                }
            };
        let Extent { last, count } = extent;
        let found = || format!("{count} pages up to page {last}, of pool {pool}");
        if pool > ExtentNode::SHELVED {
            return self.damage(work, place, "a pool from 0 to 2", found());
        }
        // An empty run of the pool of contiguous ones is a marker.
        let is_marker = pool == ExtentNode::CONTIGUOUS && count == 0;
        if !is_marker && (last == 0 || last > LAST_PAGE || count > last) {
            return self.damage(work, place, "a run of pages", found());
        }
        let first = last - count.min(last) + 1;
        self.check_order(work, self.last, (pool, first, place));
        self.first.get_or_insert((pool, first, place));
        self.last = Some((pool, last));
        if pool == ExtentNode::SHELVED {
            if self.object != DATABASE_SPACE || count != 1 {
                let expected = "one shelved page, of the database's own space";
                return self.damage(work, place, expected, found());
            }
            self.shelved.push(last);
            return;
        }
        self.extents.push(extent);
    }

    fn join(&mut self, work: &Work<'_>, next: Self) {
        if let Some(first) = next.first {
            self.check_order(work, self.last, first);
            self.first.get_or_insert(first);
            self.last = next.last;
        }
        self.extents.extend(next.extents);
        self.shelved.extend(next.shelved);
    }
}

/// The database's own space is the first of the objects.
const DATABASE_SPACE: ObjectNumber = 0;

/// Records the owner of each page. Trees come after the trees from which their space comes.
/// `shelved` are the pages that a shrinking file keeps out of use: they may keep their former
/// owner, and be after the end of the file.
pub(super) fn hand_over(
    work: &Work<'_>,
    number: ObjectNumber,
    space: &Space,
    shelved: &HashSet<Pgno>,
) {
    let hand = Handover {
        work,
        number,
        object: work.object(number),
        shelved,
    };
    for extent in &space.owned {
        hand.owned(*extent);
    }
    for extent in &space.available {
        hand.use_for(*extent, Use::Available);
    }
    for extent in &space.spare {
        hand.use_for(*extent, Use::Spare);
    }
    for extent in &space.reserves {
        // The engine's check does not read those of the database's own space trees.
        match number {
            DATABASE_SPACE => hand.use_for(*extent, Use::Spare),
            // The parent may still own them.
            _ => hand.owned_or_kept(*extent),
        }
    }
}

/// The space of one object during the handover.
struct Handover<'h, 'w> {
    work: &'h Work<'w>,
    number: ObjectNumber,
    object: &'h Object,
    shelved: &'h HashSet<Pgno>,
}

impl Handover<'_, '_> {
    fn damage(&self, fault: Fault) {
        self.work.reporter.damage(&self.object.name, fault);
    }

    fn is_shelved(&self, page: Pgno) -> bool {
        self.number != DATABASE_SPACE && self.shelved.contains(&page)
    }

    /// Whether the page is in the file. Reports a page after its end that is not shelved.
    fn is_in_file(&self, page: Pgno, what: &'static str, extent: Extent) -> Option<bool> {
        let last = self.work.map.last();
        if page <= last {
            return Some(true);
        }
        if self.is_shelved(page) {
            return Some(false);
        }
        let expected = format!("pages up to {last}, the last of the file");
        let found = format!("{page} to {}", extent.last);
        self.damage(Fault::new(last, what, expected, found));
        None
    }

    /// Takes a page over from the parent, or, if it is shelved, from the database. Otherwise
    /// returns the owner.
    fn take(&self, page: Pgno) -> Result<(), Option<ObjectNumber>> {
        let map = self.work.map;
        let from_parent = map.hand_over(page, self.object.parent_object, self.number);
        match from_parent {
            Err(Some(DATABASE_SPACE)) if self.is_shelved(page) => {
                map.hand_over(page, Some(DATABASE_SPACE), self.number)
            }
            from_parent => from_parent,
        }
    }

    fn wrong_owner(&self, page: Pgno, owner: Option<ObjectNumber>) {
        let name = |owner: Option<ObjectNumber>| match owner {
            Some(owner) => self.work.object(owner).name.clone(),
            None => "nobody".into(),
        };
        let expected = format!("a page of {}", name(self.object.parent_object));
        let found = format!("a page of {}", name(owner));
        self.damage(Fault::new(page, "owner of the page", expected, found));
    }

    fn owned(&self, extent: Extent) {
        for page in extent.pages() {
            match self.is_in_file(page, "owned extent", extent) {
                Some(true) => {}
                Some(false) => continue,
                None => break,
            }
            // The first wrong page of an extent is reported; the others follow from it.
            if let Err(owner) = self.take(page) {
                self.wrong_owner(page, owner);
                for page in extent.pages().filter(|other| *other > page) {
                    let _ = self.take(page);
                }
                break;
            }
        }
    }

    fn owned_or_kept(&self, extent: Extent) {
        for page in extent.pages() {
            match self.is_in_file(page, "reserve of the space trees", extent) {
                Some(true) => {}
                Some(false) => continue,
                None => break,
            }
            if self.work.map.owner(page) != Some(self.number)
                && let Err(owner) = self.take(page)
            {
                self.wrong_owner(page, owner);
                break;
            }
        }
        self.use_for(extent, Use::Reserve);
    }

    fn use_for(&self, extent: Extent, usage: Use) {
        let work = self.work;
        for page in extent.pages() {
            if usage == Use::Available
                && self.is_in_file(page, "available extent", extent).is_none()
            {
                break;
            }
            match work.map.mark(page, self.number, usage) {
                Ok(None) => {}
                Ok(Some(spare)) => {
                    let fault = usage.of_spare(page, &work.object(spare).name);
                    work.reporter.note(&self.object.name, fault);
                }
                Err((other, used)) => {
                    let expected = format!("{usage} and nothing else");
                    let found = format!("{used}, of {}", work.object(other).name);
                    let fault = Fault::new(page, "page", expected, found);
                    match usage {
                        Use::Spare => work.reporter.note(&self.object.name, fault),
                        _ => self.damage(fault),
                    }
                    break;
                }
            }
        }
    }
}
