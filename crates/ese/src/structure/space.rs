//! Space: which pages a tree owns and which of them it has available.

use super::map::{ObjectNumber, Use};
use super::walk::{TreeForm, Visitor, walk};
use super::{Object, Work};
use crate::database::Database;
use crate::page::{
    Extent, ExtentNode, Extents, Fault, Node, PageView, Pgno, RootHeader, SplitBuffers,
};

/// The space of a tree, as its root and its space trees tell it.
#[derive(Debug, Default)]
pub(super) struct Space {
    /// What the root's external header says.
    pub header: Option<RootHeader>,
    pub owned: Vec<Extent>,
    pub available: Vec<Extent>,
    pub reserves: Vec<Extent>,
    /// Whether all of it could be read.
    pub complete: bool,
    /// Pages of the space trees, and nodes in them that were deleted.
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
    if header.space.parent != object.parent {
        bad_header(
            format!("parent {}", object.parent),
            format!("parent {}", header.space.parent),
        );
    }
    if header.space.non_unique != view.flags().has_non_unique_keys() {
        let repeat = |repeat| {
            if repeat {
                "keys that repeat"
            } else {
                "keys that do not repeat"
            }
        };
        let found = repeat(header.space.non_unique);
        bad_header(
            format!(
                "{} as in the page's flags",
                repeat(!header.space.non_unique)
            ),
            found.into(),
        );
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
                bad_header(expected, format!("{available:#034b}"));
            }
            for bit in (0..reach).filter(|bit| available >> bit & 1 == 1) {
                space.available.push(Extent {
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

/// The tree of the available extents begins at the page after that of the owned ones.
fn header_available(header: RootHeader) -> Pgno {
    match header.space.extents {
        Extents::Trees(owned) => owned.saturating_add(1),
        Extents::Single(_) => 0,
    }
}

/// The extents in the space tree with the root `root`; `None` where they could not all be read.
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
        non_unique: space.header.map(|header| header.space.non_unique),
        usage: Use::Space,
    };
    let walked = walk(work, form, || ExtentVisitor {
        object: number,
        available,
        extents: Vec::new(),
    });
    space.pages += walked.pages;
    space.deleted_nodes += walked.deleted_nodes;
    walked.complete.then_some(walked.visitor.extents)
}

/// The pages that the space tree keeps for its own growth.
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
    extents: Vec<Extent>,
}

impl Visitor for ExtentVisitor {
    fn node(&mut self, work: &Work<'_>, page: PageView<'_>, index: usize, node: &Node<'_>) {
        let tag = index + usize::from(page.header().reserved_tags);
        let bad = |expected: &'static str, found: String| {
            let fault = Fault::new(page.number(), "extent", expected, found).at_tag(tag);
            work.reporter.damage(&work.object(self.object).name, fault);
        };
        let ExtentNode { extent, pool } =
            match ExtentNode::read(&node.key, node.data, self.available) {
                Ok(extent) => extent,
                Err(expected) => {
                    let (key, data) = (node.key.len(), node.data.len());
                    return bad(expected, format!("{key} bytes of key, {data} of data"));
                }
            };
        let Extent { last, count } = extent;
        if pool == ExtentNode::SHELVED && last > work.map.last() {
            return;
        }
        if last == 0 || last > LAST_PAGE || count > last {
            return bad("a run of pages", format!("{count} pages up to page {last}"));
        }
        if let Some(before) = self
            .extents
            .last()
            .filter(|before| pool == 0 && before.last > last - count)
        {
            return bad(
                "pages after those of the extent before",
                format!("{count} pages up to {last}, after {}", before.last),
            );
        }
        self.extents.push(extent);
    }

    fn join(&mut self, _: &Work<'_>, next: Self) {
        self.extents.extend(next.extents);
    }
}

/// Notes whose each page is. Trees come after the trees that their space comes from.
pub(super) fn hand_over(work: &Work<'_>, number: ObjectNumber, space: &Space) {
    let object = work.object(number);
    let from = object.parent_object;
    let damage = |fault| work.reporter.damage(&object.name, fault);
    for extent in &space.owned {
        let mut wrong = 0u32;
        for page in extent.pages() {
            if page > work.map.last() {
                let expected = format!("pages up to {}, the last of the file", work.map.last());
                damage(Fault::new(
                    work.map.last(),
                    "owned extent",
                    expected,
                    format!("{} to {}", page, extent.last),
                ));
                break;
            }
            // The first wrong page of an extent is named, the others follow from it.
            if let Err(owner) = work.map.hand_over(page, from, number)
                && std::mem::replace(&mut wrong, 1) == 0
            {
                let name = |owner: Option<ObjectNumber>| match owner {
                    Some(owner) => work.object(owner).name.clone(),
                    None => "nobody".into(),
                };
                let expected = format!("a page of {}", name(from));
                damage(Fault::new(
                    page,
                    "owner of the page",
                    expected,
                    format!("a page of {}", name(owner)),
                ));
            }
        }
    }
    for (extents, usage) in [
        (&space.available, Use::Available),
        (&space.reserves, Use::Reserve),
    ] {
        for extent in extents {
            for page in extent.pages().take_while(|page| *page <= work.map.last()) {
                if let Err((other, used)) = work.map.mark(page, number, usage) {
                    let found = format!("{used}, of {}", work.object(other).name);
                    damage(Fault::new(
                        page,
                        "page",
                        format!("{usage} and nothing else"),
                        found,
                    ));
                    break;
                }
            }
        }
    }
}
