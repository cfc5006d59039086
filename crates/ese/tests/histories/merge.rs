//! Merges and moves of leaves: empty or small pages leave the tree, pages move elsewhere.

use ese::log::record::{
    BeforeImage, Macro, Merge, MergeHead, PageMove, PageMoveHead, Record, RecordType as T,
};
use ese::page::{Pgno, Tag};
use zerocopy::FromZeros;

use super::engine::{Change, Engine, Result};
use super::page::{Loose, Page, ROOT};
use super::split::separator;
use super::tree::Tree;

const NONE: u8 = 0;
const EMPTY_PAGE: u8 = 1;
const FULL_RIGHT: u8 = 2;
const PARTIAL_RIGHT: u8 = 3;
const FULL_LEFT: u8 = 5;
const PARTIAL_LEFT: u8 = 6;

/// A leaf with its siblings and its parent.
struct Place {
    leaf: Page,
    left: Option<Page>,
    right: Option<Page>,
    parent: Page,
    /// The parent's line that leads to the leaf.
    line: usize,
}

impl Engine {
    fn place(&mut self, tree: &Tree) -> Option<Place> {
        let leaves = self.leaves(tree);
        let path = &leaves[self.random.below(leaves.len())];
        let (parent, line) = *path.get(path.len().checked_sub(2)?)?;
        let leaf = self.page(path.last()?.0).clone();
        let sibling = |number: Pgno| (number != 0).then(|| self.page(number).clone());
        Some(Place {
            left: sibling(leaf.previous),
            right: sibling(leaf.next),
            parent: self.page(parent).clone(),
            line,
            leaf,
        })
    }

    /// Merges a leaf with a sibling below the same parent, or removes it from the tree if it is
    /// empty; returns whether it could.
    pub fn merge(&mut self, session: u16, index: usize) -> Result<bool> {
        let tree = self.trees[index].clone();
        let Some(place) = self.place(&tree) else {
            return Ok(false);
        };
        let Place {
            leaf,
            mut left,
            mut right,
            mut parent,
            line,
        } = place;
        let nodes = leaf.all_loose();
        // A node that a session may make valid again does not move.
        let is_dead =
            |engine: &Engine, node: &Loose| node.deleted && !engine.has_versions(index, node);
        if nodes
            .iter()
            .any(|node| node.deleted && !is_dead(self, node))
        {
            return Ok(false);
        }
        let live: Vec<Loose> = nodes.iter().filter(|node| !node.deleted).cloned().collect();
        let is_last = line + 1 == parent.nodes.len();
        let has_null_key = parent.key(line).is_empty();
        if parent.nodes.len() < 2 {
            return Ok(false);
        }
        let kinds: &[u8] = match live.is_empty() {
            true => &[EMPTY_PAGE],
            false => &[FULL_RIGHT, PARTIAL_RIGHT, FULL_LEFT, PARTIAL_LEFT],
        };
        let kind = self.random.pick(kinds);
        let before = (leaf.clone(), left.clone(), right.clone(), parent.clone());
        let mut leaf = leaf;
        let mut head = MergeHead::new_zeroed();
        let mut parent_head = MergeHead::new_zeroed();
        let mut new_separator = Vec::new();
        let mut merge_line = 0;
        let fits = |engine: &Engine, page: &Page| {
            page.used() + engine.reserved(index, &page.all_loose()) <= engine.area()
        };
        match kind {
            EMPTY_PAGE => {
                // The parent's own separator would have to change.
                if is_last && !has_null_key {
                    return Ok(false);
                }
                delete_pointer(&mut parent, line);
                parent_head.flags |= MergeHead::FLAG_DELETE_NODE;
            }
            FULL_RIGHT => {
                let Some(right) = right.as_mut().filter(|_| !is_last) else {
                    return Ok(false);
                };
                for (at, node) in live.iter().enumerate() {
                    right.insert(at, node);
                }
                if !fits(self, right) {
                    return Ok(false);
                }
                parent.nodes.remove(line);
                parent_head.flags |= MergeHead::FLAG_DELETE_NODE;
            }
            FULL_LEFT => {
                let Some(left) = left.as_mut().filter(|_| line > 0) else {
                    return Ok(false);
                };
                for node in &live {
                    left.insert(left.nodes.len(), node);
                }
                if !fits(self, left) {
                    return Ok(false);
                }
                merge_line = nodes.len() - 1;
                parent.nodes[line].data = left.number.to_le_bytes().to_vec();
                parent.nodes.remove(line - 1);
                parent_head.flags |= MergeHead::FLAG_DELETE_NODE | MergeHead::FLAG_KEY_CHANGE;
            }
            PARTIAL_RIGHT => {
                let Some(right) = right.as_mut().filter(|_| !is_last && nodes.len() > 1) else {
                    return Ok(false);
                };
                merge_line = self.random.between(1, nodes.len() - 1);
                let moved = nodes[merge_line..].iter().filter(|node| !node.deleted);
                for (at, node) in moved.enumerate() {
                    right.insert(at, node);
                }
                let Some(first) = right.nodes.first().map(|_| right.loose(0)) else {
                    return Ok(false);
                };
                leaf.nodes.truncate(merge_line);
                new_separator = separator(&tree, &nodes[merge_line - 1], &first);
                if !fits(self, right) {
                    return Ok(false);
                }
                change_key(&mut parent, line, &new_separator);
                parent_head.flags |= MergeHead::FLAG_KEY_CHANGE;
            }
            _ => {
                let Some(left) = left.as_mut().filter(|_| line > 0 && nodes.len() > 1) else {
                    return Ok(false);
                };
                merge_line = self.random.between(0, nodes.len() - 2);
                let moved = nodes[..=merge_line].iter().filter(|node| !node.deleted);
                for node in moved {
                    left.insert(left.nodes.len(), node);
                }
                let Some(last) = left.nodes.len().checked_sub(1).map(|last| left.loose(last))
                else {
                    return Ok(false);
                };
                leaf.nodes.drain(..=merge_line);
                new_separator = separator(&tree, &last, &nodes[merge_line + 1]);
                if !fits(self, left) {
                    return Ok(false);
                }
                change_key(&mut parent, line - 1, &new_separator);
                parent_head.flags |= MergeHead::FLAG_KEY_CHANGE;
            }
        }
        if parent.used() > self.area() {
            return Ok(false);
        }
        let is_partial = matches!(kind, PARTIAL_LEFT | PARTIAL_RIGHT);
        if !is_partial {
            leaf.make_empty();
            head.flags |= MergeHead::FLAG_EMPTY_PAGE;
            if let Some(left) = &mut left {
                left.next = before.2.as_ref().map_or(0, |right| right.number);
            }
            if let Some(right) = &mut right {
                right.previous = before.1.as_ref().map_or(0, |left| left.number);
            }
        }
        self.log_merge(
            session,
            &tree,
            kind,
            head,
            parent_head,
            line,
            merge_line,
            &new_separator,
            &before,
            [Some(leaf), left, right, Some(parent)],
        )?;
        if !is_partial {
            self.give_back(session, &tree, before.0.number)?;
        }
        Ok(true)
    }

    #[allow(clippy::too_many_arguments)]
    fn log_merge(
        &mut self,
        session: u16,
        tree: &Tree,
        kind: u8,
        mut head: MergeHead,
        mut parent_head: MergeHead,
        line: usize,
        merge_line: usize,
        separator: &[u8],
        before: &(Page, Option<Page>, Option<Page>, Page),
        after: [Option<Page>; 4],
    ) -> Result {
        let (leaf, left, right, parent) = before;
        let dbtime = self.tick();
        head.page = self.page_head(session, leaf, merge_line, dbtime);
        head.parent_page = parent.number.into();
        head.parent_dbtime_before = parent.dbtime.into();
        if let Some(left) = left {
            head.left_page = left.number.into();
            head.left_dbtime_before = left.dbtime.into();
        }
        if let Some(right) = right {
            head.right_page = right.number.into();
            head.right_dbtime_before = right.dbtime.into();
        }
        head.kind = kind;
        head.merge_line = (merge_line as u16).into();
        parent_head.page = self.page_head(session, parent, line, dbtime);
        parent_head.kind = NONE;
        for head in [&mut head, &mut parent_head] {
            head.root = tree.root.into();
            head.object = tree.object.into();
        }
        let (bytes, flags) = match kind {
            EMPTY_PAGE => (Vec::new(), 0),
            _ => self.image(leaf),
        };
        let record = |head: &MergeHead, separator: &[u8], bytes: &[u8], flags| {
            let merge = Merge {
                head,
                parent_separator: separator,
                image: Some(BeforeImage { bytes, flags }),
            };
            Record::Merge(merge).encode(T::MERGE2).expect("a record")
        };
        let mut mark = Macro::new_zeroed();
        mark.session = session.into();
        mark.dbtime = dbtime.into();
        let mut change = Change::default();
        let begin = Record::MacroBegin(&mark).encode(T::MACRO_BEGIN);
        change.records.push(begin.expect("a record"));
        change.records.push(record(&parent_head, &[], &[], 0));
        change.records.push(record(&head, separator, &bytes, flags));
        let commit = Record::MacroCommit(&mark).encode(T::MACRO_COMMIT);
        change.records.push(commit.expect("a record"));
        change.pages.extend(after.into_iter().flatten());
        for page in &mut change.pages {
            page.touch(dbtime);
        }
        change.records.push(self.macro_info(&change.pages));
        self.apply(session, change)
    }

    /// Moves a leaf to another page of its tree; returns whether it could.
    pub fn move_leaf(&mut self, session: u16, index: usize) -> Result<bool> {
        let tree = self.trees[index].clone();
        let Some(place) = self.place(&tree).filter(|place| !place.leaf.is(ROOT)) else {
            return Ok(false);
        };
        let target = self.take_page(session, &tree)?;
        let Place {
            leaf,
            mut left,
            mut right,
            mut parent,
            line,
        } = place;
        let dbtime = self.tick();
        let mut head = PageMoveHead::new_zeroed();
        head.page = self.page_head(session, &leaf, 0, dbtime);
        head.destination = target.into();
        head.parent_page = parent.number.into();
        head.parent_dbtime_before = parent.dbtime.into();
        if let Some(left) = &mut left {
            head.left_page = left.number.into();
            head.left_dbtime_before = left.dbtime.into();
            left.next = target;
        }
        if let Some(right) = &mut right {
            head.right_page = right.number.into();
            head.right_dbtime_before = right.dbtime.into();
            right.previous = target;
        }
        head.root = tree.root.into();
        head.object = tree.object.into();
        head.parent_line = (line as i32).into();
        let bytes = leaf.to_bytes(self.size);
        let tags = Tag::LEN * (leaf.nodes.len() + 1);
        let lines = self.size.header_len() + leaf.used() - tags;
        let record = PageMove {
            head: &head,
            page_header: &bytes[..lines],
            page_trailer: &bytes[bytes.len() - tags..],
        };
        let record = Record::PageMove(record)
            .encode(T::PAGE_MOVE)
            .expect("a record");
        parent.nodes[line].data = target.to_le_bytes().to_vec();
        let moved = Page {
            number: target,
            ..leaf.clone()
        };
        let mut emptied = leaf.clone();
        emptied.make_empty();
        let mut change = Change {
            records: vec![record],
            pages: [Some(emptied), Some(moved), left, right, Some(parent)]
                .into_iter()
                .flatten()
                .collect(),
        };
        for page in &mut change.pages {
            page.touch(dbtime);
        }
        self.apply(session, change)?;
        self.give_back(session, &tree, leaf.number)?;
        Ok(true)
    }
}

/// Deletes a page pointer. The last pointer of a level has the null key; if it is deleted, the one
/// before inherits the null key.
fn delete_pointer(parent: &mut Page, line: usize) {
    let had_null_key = parent.key(line).is_empty();
    parent.nodes.remove(line);
    if had_null_key {
        change_key(parent, line - 1, &[]);
    }
}

fn change_key(parent: &mut Page, line: usize, key: &[u8]) {
    let node = Loose {
        key: key.to_vec(),
        ..parent.loose(line)
    };
    parent.nodes.remove(line);
    parent.insert(line, &node);
}
