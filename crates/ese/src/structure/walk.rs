//! Walks every page of a tree once, in key order, and checks it against the tree's form.

use std::borrow::Cow;
use std::cmp::Ordering;

use rayon::prelude::*;

use super::check_page::{self, ByteMap};
use super::map::{ObjectNumber, Use};
use super::report::Severity;
use super::{Object, Work};
use crate::page::{Fault, Key, Node, PageFlags, PageKind, PageView, Pgno};
use crate::page_file::Page;
use crate::redacted::Redacted;

/// A visitor of a tree's leaves. Parts of a tree have different visitors, which are joined in
/// order.
pub(super) trait Visitor: Send + Sized {
    /// Visits a node of a leaf that is not deleted, in key order.
    fn node(&mut self, work: &Work<'_>, page: PageView<'_>, index: usize, node: &Node<'_>);

    /// Adds the results of `next`, which visited the following part of the tree.
    fn join(&mut self, work: &Work<'_>, next: Self);
}

/// The properties of a tree that are known before its pages are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct TreeForm {
    pub object: ObjectNumber,
    pub root: Pgno,
    pub objid: u32,
    /// The kind of the tree; the pages of its space trees state it too.
    pub kind: PageKind,
    /// Whether the tree may have duplicate keys.
    pub non_unique: bool,
    pub usage: Use,
}

/// The result of a walk, or of a part of it.
pub(super) struct Walked<V> {
    pub visitor: V,
    /// Whether every page of the part was read.
    pub complete: bool,
    pub pages: u64,
    pub deleted_nodes: u64,
    /// The first and the last leaf with their links to pages outside the part, if leaves were
    /// reached; only leaves are linked to each other.
    leaves: Option<Leaves>,
    /// Whether something before the first of the leaves could not be read.
    front_missing: bool,
    /// The number of levels; `None` if no leaf was reached.
    depth: Option<usize>,
}

/// The links at the two ends of the leaves of a part of a tree; none if the neighbouring part could
/// not be read.
#[derive(Debug, Clone, Copy)]
struct Leaves {
    first: Option<Link>,
    last: Option<Link>,
}

#[derive(Debug, Clone, Copy)]
struct Link {
    page: Pgno,
    to: Pgno,
}

/// The bounds of all keys of a page: not less than the lower, less than the upper. An empty upper
/// bound means none.
#[derive(Debug, Clone, Default)]
struct Bounds {
    lower: Vec<u8>,
    upper: Vec<u8>,
}

/// Trees cannot be deeper.
const MAX_DEPTH: usize = 32;

/// Walks the tree `form`, with visitors made by `visitor`.
pub(super) fn walk<V: Visitor>(
    work: &Work<'_>,
    form: TreeForm,
    visitor: impl Fn() -> V + Sync,
) -> Walked<V> {
    let walker = Walker {
        work,
        form,
        object: work.object(form.object),
        visitor,
    };
    let walked = walker.page(form.root, &Bounds::default(), 0, None);
    if let Some(leaves) = walked.leaves {
        for (end, what) in [(leaves.first, PREVIOUS), (leaves.last, NEXT)] {
            if let Some(link) = end.filter(|link| link.to != 0) {
                let found = format!("page {}", link.to);
                walker.damage(Fault::new(
                    link.page,
                    what,
                    "none at the end of the leaves",
                    found,
                ));
            }
        }
    }
    walked
}

const NEXT: &str = "link to the next page";
const PREVIOUS: &str = "link to the previous page";

struct Walker<'w, 'x, F> {
    work: &'w Work<'x>,
    form: TreeForm,
    object: &'w Object,
    visitor: F,
}

impl<V: Visitor, F: Fn() -> V + Sync> Walker<'_, '_, F> {
    fn damage(&self, fault: Fault) {
        self.work.reporter.damage(&self.object.name, fault);
    }

    fn note(&self, fault: Fault) {
        self.work.reporter.note(&self.object.name, fault);
    }

    /// Walks the page `number` and everything below it.
    fn page(
        &self,
        number: Pgno,
        bounds: &Bounds,
        depth: usize,
        parent: Option<PageView<'_>>,
    ) -> Walked<V> {
        match self.enter(number, depth, parent) {
            Some(page) => {
                let view = page.view();
                if view.flags().is_leaf() {
                    self.leaf(view, bounds)
                } else {
                    self.branch(view, bounds, depth)
                }
            }
            None => self.nothing(),
        }
    }

    /// A part that could not be read at all.
    fn nothing(&self) -> Walked<V> {
        Walked {
            visitor: (self.visitor)(),
            complete: false,
            pages: 0,
            deleted_nodes: 0,
            leaves: None,
            front_missing: false,
            depth: None,
        }
    }

    /// Reads a page and checks everything that does not depend on its keys. `None` if the page is
    /// unusable.
    fn enter(&self, number: Pgno, depth: usize, parent: Option<PageView<'_>>) -> Option<Page<'_>> {
        let fault = |what, expected: String, found: String| {
            self.damage(Fault::new(number, what, expected, found));
        };
        if number == 0 || number > self.work.map.last() {
            let at = parent.map_or(self.form.root, |parent| parent.number());
            let expected = format!("a page from 1 to {}", self.work.map.last());
            self.damage(Fault::new(
                at,
                "child page",
                expected,
                format!("page {number}"),
            ));
            return None;
        }
        let marked = (self.work.map).mark(number, self.form.object, self.form.usage);
        match marked {
            Ok(None) => {}
            Ok(Some(spare)) => {
                let of = &self.work.object(spare).name;
                self.note(self.form.usage.of_spare(number, of));
            }
            Err((other, usage)) => {
                let parent = parent.map_or(String::new(), |parent| {
                    format!(", as page {} says", parent.number())
                });
                let expected = format!("{} and nothing else{parent}", self.form.usage);
                fault(
                    "page",
                    expected,
                    format!("{usage}, of {}", self.work.object(other).name),
                );
                return None;
            }
        }
        if depth > MAX_DEPTH {
            fault("tree", format!("at most {MAX_DEPTH} levels"), "more".into());
            return None;
        }
        let page = match self.work.database.page(number) {
            Ok(page) => page,
            Err(error) => {
                fault("page", "a page that can be read".into(), error.to_string());
                return None;
            }
        };
        let view = page.view();
        if view.header().objid == 0 && view.is_blank() {
            fault(
                "page",
                "a page of the tree".into(),
                "a page that was never written".into(),
            );
            return None;
        }
        if let Some(wrong) = check_page::checksum(view.bytes(), number) {
            self.damage(wrong);
            return None;
        }
        let header = view.header();
        if header.objid != self.form.objid {
            fault(
                "object of the page",
                format!("object {}", self.form.objid),
                format!("object {}", header.objid),
            );
            return None;
        }
        if let Some((severity, expected)) = self.wrong_flags(header.flags, depth == 0, parent) {
            let found = format!("{:?}", header.flags);
            let wrong = Fault::new(number, "page flags", expected, found);
            (self.work.reporter).report(&self.object.name, severity, wrong);
            if severity == Severity::Damage {
                return None;
            }
        }
        let header_dbtime = self.work.database.headers().header.dbtime.get();
        if header.dbtime > header_dbtime && self.work.database.is_clean() {
            let expected = format!("at most the database's {header_dbtime}");
            fault("DBTIME", expected, header.dbtime.to_string());
        }
        let inside = BYTE_MAP.with_borrow_mut(|map| check_page::inside(view, map));
        if let Some(wrong) = inside {
            self.damage(wrong);
            return None;
        }
        Some(page)
    }

    /// Checks the flags of a page. The engine's check requires the flags that a page of the tree
    /// must have; of its other flags, some never occur in a database that was not repaired.
    fn wrong_flags(
        &self,
        flags: PageFlags,
        is_root: bool,
        parent: Option<PageView<'_>>,
    ) -> Option<(Severity, Cow<'static, str>)> {
        let damage = |expected: &'static str| Some((Severity::Damage, expected.into()));
        let note = |expected: &'static str| Some((Severity::Note, expected.into()));
        let kind = self.form.kind;
        let is_space = self.form.usage == Use::Space;
        let lacks_kind = is_space && !flags.is_space_tree()
            || kind == PageKind::Index && !flags.is_index()
            || kind == PageKind::LongValue && !flags.is_long_value();
        let of_kind = || {
            let space = if is_space { ", of its space" } else { "" };
            format!("a page of the kind {kind:?}{space}").into()
        };
        let parent_of_leaf = parent.map(|parent| parent.flags().is_parent_of_leaf());
        match parent_of_leaf {
            _ if is_root && !flags.is_root() => damage("the root of a tree"),
            _ if lacks_kind || flags.is_index() && flags.is_long_value() => {
                Some((Severity::Damage, of_kind()))
            }
            _ if flags.is_pre_init() => damage("a page in use"),
            _ if flags.is_leaf() && flags.is_parent_of_leaf() => {
                damage("a leaf or the parent of leaves")
            }
            Some(true) if !flags.is_leaf() => damage("a leaf"),
            Some(false) if flags.is_leaf() => damage("no leaf"),
            // The engine's check does not cover the flags from here on.
            _ if !is_root && flags.is_root() => note("no root"),
            _ if flags.is_empty() => note("a page in use"),
            _ if flags.is_space_tree() != is_space
                || flags.is_index() != (kind == PageKind::Index)
                || flags.is_long_value() != (kind == PageKind::LongValue) =>
            {
                Some((Severity::Note, of_kind()))
            }
            // The flag on pages of space trees is that of the tree that owns the space.
            _ if is_space || flags.has_non_unique_keys() == self.form.non_unique => None,
            _ if self.form.non_unique => note("keys that repeat"),
            _ => note("keys that do not repeat"),
        }
    }

    fn leaf(&self, page: PageView<'_>, bounds: &Bounds) -> Walked<V> {
        let mut walked = self.nothing();
        walked.complete = true;
        walked.pages = 1;
        walked.depth = Some(1);
        let header = page.header();
        let link = |to| {
            let page = page.number();
            Some(Link { page, to })
        };
        walked.leaves = Some(Leaves {
            first: link(header.previous),
            last: link(header.next),
        });
        if page.node_count() == 0 && !header.flags.is_root() {
            let fault = Fault::new(page.number(), "leaf", "at least one node", "none");
            self.damage(fault);
        }
        let non_unique = self.form.non_unique;
        let mut before: Option<Node<'_>> = None;
        for (index, node) in page.nodes().enumerate() {
            let node = match node {
                Ok(node) => node,
                Err(fault) => {
                    self.damage(fault);
                    walked.complete = false;
                    continue;
                }
            };
            self.check_order(page, index, &node, before.as_ref(), non_unique, bounds);
            before = Some(node);
            if node.flags.is_deleted() {
                walked.deleted_nodes += 1;
            } else {
                walked.visitor.node(self.work, page, index, &node);
            }
        }
        walked
    }

    #[inline]
    fn check_order(
        &self,
        page: PageView<'_>,
        index: usize,
        node: &Node<'_>,
        before: Option<&Node<'_>>,
        non_unique: bool,
        bounds: &Bounds,
    ) {
        let tag = index + usize::from(page.header().reserved_tags);
        let fault = |expected: String, found: String| {
            self.damage(Fault::new(page.number(), "node key", expected, found).at_tag(tag));
        };
        if node.key.prefix.len() == 1 {
            // The reference to the page's prefix takes two bytes.
            fault(
                "a key with none or several bytes of the page's prefix".into(),
                "one byte of it".into(),
            );
        }
        if node.data.is_empty() && self.form.usage != Use::Space {
            fault("a node with data".into(), "none".into());
        }
        if node.key.is_empty() {
            let fault = Fault::new(page.number(), "node key", "a key", "none").at_tag(tag);
            self.note(fault);
        }
        match before {
            Some(before) => {
                let order = match before.key.cmp(&node.key) {
                    Ordering::Equal if non_unique => before.data.cmp(node.data),
                    order => order,
                };
                if order != Ordering::Less {
                    fault(
                        "a key greater than the one before".into(),
                        shown(node.key.len()),
                    );
                }
            }
            None => {
                // A separator may end in a part of the data.
                let order = cmp_with_data(&node.key, node.data, &bounds.lower);
                if order == Ordering::Less && !node.key.is_empty() {
                    let expected = format!(
                        "a key from {} on, as the parent page says",
                        shown(bounds.lower.len())
                    );
                    fault(expected, shown(node.key.len()));
                }
            }
        }
        let is_last = index + 1 == page.node_count();
        let is_too_great = |data| cmp_with_data(&node.key, data, &bounds.upper) != Ordering::Less;
        if is_last && !bounds.upper.is_empty() && is_too_great(&[]) {
            let expected = format!(
                "a key less than {}, as the parent page says",
                shown(bounds.upper.len())
            );
            fault(expected, shown(node.key.len()));
        }
    }

    fn branch(&self, page: PageView<'_>, bounds: &Bounds, depth: usize) -> Walked<V> {
        let number = page.number();
        let count = page.node_count();
        for (link, what) in [
            (page.header().previous, PREVIOUS),
            (page.header().next, NEXT),
        ] {
            if link != 0 {
                let found = format!("page {link}");
                self.damage(Fault::new(number, what, "none of a branch page", found));
            }
        }
        if count == 0 {
            self.damage(Fault::new(
                number,
                "branch page",
                "at least one child",
                "none",
            ));
            return self.nothing();
        }
        let mut children: Vec<(Pgno, Bounds)> = Vec::with_capacity(count);
        let mut complete = true;
        let mut lower = bounds.lower.clone();
        for (index, node) in page.nodes().enumerate() {
            let node = match node {
                Ok(node) => node,
                Err(fault) => {
                    self.damage(fault);
                    complete = false;
                    continue;
                }
            };
            let tag = index + usize::from(page.header().reserved_tags);
            let fault = |what, expected: String, found: String| {
                self.damage(Fault::new(number, what, expected, found).at_tag(tag));
            };
            let is_last = index + 1 == count;
            let mut upper = node.key.to_vec();
            if upper.is_empty() {
                if !is_last || !bounds.upper.is_empty() {
                    fault(
                        "separator",
                        "a key, but after the last child of the level".into(),
                        "none".into(),
                    );
                    upper.clone_from(&bounds.upper);
                }
            } else {
                if upper <= lower {
                    fault(
                        "separator",
                        format!("a key greater than {}", shown(lower.len())),
                        shown(upper.len()),
                    );
                }
                let is_outside = match is_last {
                    true => upper != bounds.upper,
                    false => upper > bounds.upper,
                };
                if !bounds.upper.is_empty() && is_outside {
                    let bound = shown(bounds.upper.len());
                    let expected = match is_last {
                        true => format!("the key {bound} of the parent page"),
                        false => format!("a key of at most {bound}, as the parent page says"),
                    };
                    fault("separator", expected, shown(upper.len()));
                }
                if is_last && bounds.upper.is_empty() {
                    fault(
                        "separator",
                        "none after the last child of the level".into(),
                        shown(upper.len()),
                    );
                }
            }
            if node.flags.is_deleted() || node.flags.is_versioned() {
                let found = match node.flags.is_deleted() {
                    true => "a deleted node",
                    false => "a node with versions",
                };
                fault("branch node", "a node in use".into(), found.into());
            }
            if node.key.prefix.len() == 1 {
                fault(
                    "separator",
                    "none or several bytes of the page's prefix".into(),
                    "one byte of it".into(),
                );
            }
            match node.child() {
                Some(child) => children.push((
                    child,
                    Bounds {
                        lower: std::mem::replace(&mut lower, upper.clone()),
                        upper,
                    },
                )),
                None => {
                    let found = format!("{} bytes", node.data.len());
                    fault("branch node", "a page number of 4 bytes".into(), found);
                    complete = false;
                    lower = upper;
                }
            }
        }
        // The children of the upper levels are many pages each, so they are walked in parallel.
        let walk_child =
            |(child, bounds): &(Pgno, Bounds)| self.page(*child, bounds, depth + 1, Some(page));
        let mut joined = self.nothing();
        joined.complete = complete;
        if page.flags().is_parent_of_leaf() {
            for child in &children {
                self.join(&mut joined, walk_child(child), number);
            }
        } else {
            let walked: Vec<Walked<V>> = children.par_iter().map(walk_child).collect();
            for child in walked {
                self.join(&mut joined, child, number);
            }
        }
        joined.pages += 1;
        if let Some(depth) = &mut joined.depth {
            *depth += 1;
        }
        joined
    }

    /// Appends a part of the tree to the part before it.
    fn join(&self, walked: &mut Walked<V>, next: Walked<V>, parent: Pgno) {
        match (walked.depth, next.depth) {
            (Some(depth), Some(next)) if depth != next => {
                let expected = format!("{depth} levels below each child");
                self.damage(Fault::new(
                    parent,
                    "depth of the tree",
                    expected,
                    format!("{next} levels"),
                ));
            }
            (None, depth) => walked.depth = depth,
            _ => {}
        }
        match (&mut walked.leaves, next.leaves) {
            (Some(own), Some(next)) => {
                if let (Some(left), Some(right)) = (own.last, next.first) {
                    for (link, other, what) in
                        [(left, right.page, NEXT), (right, left.page, PREVIOUS)]
                    {
                        if link.to != other {
                            let (expected, found) =
                                (format!("page {other}"), format!("page {}", link.to));
                            self.damage(Fault::new(link.page, what, expected, found));
                        }
                    }
                }
                own.last = next.last;
            }
            // The following part could not be read.
            (Some(own), None) => own.last = None,
            (None, Some(next)) if walked.front_missing => {
                walked.leaves = Some(Leaves {
                    first: None,
                    ..next
                });
            }
            (None, next) => {
                walked.front_missing = next.is_none();
                walked.leaves = next;
            }
        }
        walked.complete &= next.complete;
        walked.pages += next.pages;
        walked.deleted_nodes += next.deleted_nodes;
        walked.visitor.join(self.work, next.visitor);
    }
}

thread_local! {
    static BYTE_MAP: std::cell::RefCell<ByteMap> =
        const { std::cell::RefCell::new(ByteMap::new()) };
}

/// Compares `key` followed by `data` with `bound`.
fn cmp_with_data(key: &Key<'_>, data: &[u8], bound: &[u8]) -> Ordering {
    if bound.is_empty() {
        return Ordering::Greater;
    }
    let head = key.len().min(bound.len());
    match key.cmp_pieces(&[&bound[..head]]) {
        // The key is as long as the compared part of the bound.
        Ordering::Equal => data.cmp(&bound[head..]),
        order => order,
    }
}

fn shown(length: usize) -> String {
    Redacted(length).to_string()
}
