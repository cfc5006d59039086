//! Walking a tree once, every page of it, in the order of its keys, with everything checked that the tree's form demands.

use std::cmp::Ordering;

use rayon::prelude::*;

use super::check_page::{self, ByteMap};
use super::map::{ObjectNumber, Use};
use super::{Object, Work};
use crate::database::Page;
use crate::page::{Fault, Key, Node, PageKind, PageView, Pgno};
use crate::unshown::Unshown;

/// What looks at the leaves of a tree. Parts of a tree are visited by different visitors, which are joined in order.
pub(super) trait Visitor: Send + Sized {
    /// A node of a leaf that was not deleted, in the order of the keys.
    fn node(&mut self, work: &Work<'_>, page: PageView<'_>, index: usize, node: &Node<'_>);

    /// Takes over what `next` saw, which visited the part of the tree that follows.
    fn join(&mut self, work: &Work<'_>, next: Self);
}

/// What is known about a tree before its pages are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct TreeForm {
    pub object: ObjectNumber,
    pub root: Pgno,
    pub objid: u32,
    /// The kind of the tree; the pages of its space trees tell it too.
    pub kind: PageKind,
    /// Whether keys repeat, where that is known; likewise.
    pub non_unique: Option<bool>,
    pub usage: Use,
}

/// The result of a walk, or of a part of it.
pub(super) struct Walked<V> {
    pub visitor: V,
    /// Whether every page of the part was read.
    pub complete: bool,
    pub pages: u64,
    pub deleted_nodes: u64,
    /// The first and the last page of each level, leaves first, with their links to what lies outside.
    levels: Vec<Level>,
    /// Whether something could not be read before the first page of the levels.
    front_missing: bool,
    /// How many levels the part has; `None` where no leaf was reached.
    depth: Option<usize>,
}

/// The links at the two ends of a level of a part of a tree.
#[derive(Debug, Clone, Copy)]
struct Level {
    first: Option<Link>,
    last: Option<Link>,
}

#[derive(Debug, Clone, Copy)]
struct Link {
    page: Pgno,
    to: Pgno,
}

/// The keys between which all keys of a page must lie: not less than the lower, less than the upper. An empty upper
/// bound is none.
#[derive(Debug, Clone, Default)]
struct Bounds {
    lower: Vec<u8>,
    upper: Vec<u8>,
}

/// Deeper trees cannot be built.
const MAX_DEPTH: usize = 32;

/// Walks the tree `form`, making visitors with `visitor`.
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
    for level in &walked.levels {
        for (end, side) in [(level.first, "previous"), (level.last, "next")] {
            if let Some(link) = end.filter(|link| link.to != 0) {
                let what = if side == "next" { NEXT } else { PREVIOUS };
                walker.damage(Fault::new(
                    link.page,
                    what,
                    "none at the end of the level",
                    format!("page {}", link.to),
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

    /// A part of which nothing could be read.
    fn nothing(&self) -> Walked<V> {
        Walked {
            visitor: (self.visitor)(),
            complete: false,
            pages: 0,
            deleted_nodes: 0,
            levels: Vec::new(),
            front_missing: false,
            depth: None,
        }
    }

    /// Reads a page and checks what does not depend on its keys. `None` where the page cannot be used.
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
        if let Err((other, usage)) = self
            .work
            .map
            .mark(number, self.form.object, self.form.usage)
        {
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
        let flags = header.flags;
        let is_root = depth == 0;
        let is_space = self.form.usage == Use::Space;
        let of_kind = flags.is_space_tree() == is_space
            && flags.is_index() == (self.form.kind == PageKind::Index)
            && flags.is_long_value() == (self.form.kind == PageKind::LongValue);
        let expected_flags = if flags.is_root() != is_root {
            Some(
                if is_root {
                    "the root of a tree"
                } else {
                    "no root"
                }
                .to_owned(),
            )
        } else if !of_kind {
            let space = if is_space { ", of its space" } else { "" };
            Some(format!("a page of the kind {:?}{space}", self.form.kind))
        } else if flags.is_empty() || flags.is_pre_init() {
            Some("a page in use".to_owned())
        } else if flags.is_leaf() && flags.is_parent_of_leaf() {
            Some("a leaf or the parent of leaves".to_owned())
        } else if parent.is_some_and(|parent| parent.flags().is_parent_of_leaf() != flags.is_leaf())
        {
            let parent_of_leaf = parent.is_some_and(|parent| parent.flags().is_parent_of_leaf());
            Some(if parent_of_leaf { "a leaf" } else { "no leaf" }.to_owned())
        } else if self
            .form
            .non_unique
            .is_some_and(|non_unique| non_unique != flags.has_non_unique_keys())
        {
            let unique = if self.form.non_unique == Some(true) {
                "repeat"
            } else {
                "do not repeat"
            };
            Some(format!("keys that {unique}"))
        } else {
            None
        };
        if let Some(expected) = expected_flags {
            fault("page flags", expected, format!("{flags:?}"));
            return None;
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

    fn leaf(&self, page: PageView<'_>, bounds: &Bounds) -> Walked<V> {
        let mut walked = self.nothing();
        walked.complete = true;
        walked.pages = 1;
        walked.depth = Some(1);
        walked.levels.push(self.level(page));
        let non_unique = page.flags().has_non_unique_keys();
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
        let data: &[u8] = if non_unique { node.data } else { &[] };
        if node.key.is_empty() {
            fault("a key".into(), "none".into());
            return;
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
                if cmp_with_data(&node.key, data, &bounds.lower) == Ordering::Less {
                    let expected = format!(
                        "a key from {} on, as the parent page says",
                        shown(bounds.lower.len())
                    );
                    fault(expected, shown(node.key.len()));
                }
            }
        }
        let is_last = index + 1 == page.node_count();
        if is_last
            && !bounds.upper.is_empty()
            && cmp_with_data(&node.key, data, &bounds.upper) != Ordering::Less
        {
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
                if !bounds.upper.is_empty() && upper > bounds.upper {
                    let expected = format!(
                        "a key of at most {}, as the parent page says",
                        shown(bounds.upper.len())
                    );
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
            if node.flags.is_deleted() {
                fault(
                    "branch node",
                    "a node in use".into(),
                    "a deleted node".into(),
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
        // The children of the upper levels are many pages each: they are walked side by side.
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
        joined.levels.push(self.level(page));
        if let Some(depth) = &mut joined.depth {
            *depth += 1;
        }
        joined
    }

    fn level(&self, page: PageView<'_>) -> Level {
        let link = |to| {
            Some(Link {
                page: page.number(),
                to,
            })
        };
        Level {
            first: link(page.header().previous),
            last: link(page.header().next),
        }
    }

    /// Appends a part of the tree to the part before it.
    fn join(&self, walked: &mut Walked<V>, next: Walked<V>, parent: Pgno) {
        let is_first = walked.levels.is_empty() && !walked.front_missing;
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
        for (level, next) in next.levels.iter().enumerate() {
            match walked.levels.get_mut(level) {
                None if is_first => walked.levels.push(*next),
                None => walked.levels.push(Level {
                    first: None,
                    last: next.last,
                }),
                Some(own) => {
                    if let (Some(left), Some(right)) = (own.last, next.first) {
                        for (link, other, what) in
                            [(left, right.page, NEXT), (right, left.page, PREVIOUS)]
                        {
                            // The engine links leaves to each other, but branch pages not.
                            let is_linked = level == 0 || link.to != 0;
                            if link.to != other && is_linked {
                                let (expected, found) =
                                    (format!("page {other}"), format!("page {}", link.to));
                                self.damage(Fault::new(link.page, what, expected, found));
                            }
                        }
                    }
                    own.last = next.last;
                }
            }
        }
        walked.front_missing |= walked.levels.is_empty();
        // A level that the next part did not reach has no known end.
        for own in walked.levels.iter_mut().skip(next.levels.len()) {
            own.last = None;
        }
        walked.complete &= next.complete;
        walked.pages += next.pages;
        walked.deleted_nodes += next.deleted_nodes;
        walked.visitor.join(self.work, next.visitor);
    }
}

thread_local! {
    static BYTE_MAP: std::cell::RefCell<ByteMap> = const { std::cell::RefCell::new(ByteMap::new()) };
}

/// The order of `key` followed by `data` against `bound`.
fn cmp_with_data(key: &Key<'_>, data: &[u8], bound: &[u8]) -> Ordering {
    if bound.is_empty() {
        return Ordering::Greater;
    }
    let head = key.len().min(bound.len());
    match key.cmp_pieces(&[&bound[..head]]) {
        // The key is as long as the part of the bound that it was compared with.
        Ordering::Equal => data.cmp(&bound[head..]),
        order => order,
    }
}

fn shown(length: usize) -> String {
    Unshown(length).to_string()
}
