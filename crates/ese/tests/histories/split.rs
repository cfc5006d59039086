//! Splits: the records of a macro, one per level from the top down, and the resulting pages.

use ese::log::record::{
    BeforeImage, DBTIME_NIL, FlagInsertReplace, Insert, Macro, MacroInfo, Record, RecordType as T,
    Replace, Split, SplitHead,
};
use ese::page::Pgno;
use zerocopy::FromZeros;
use zerocopy::little_endian::U32;

use super::engine::{Actor, Change, DATABASE, Engine, Result};
use super::page::{LEAF, Loose, PARENT_OF_LEAF, Page, ROOT};
use super::tree::Tree;

const VERTICAL: u8 = 0;
const RIGHT: u8 = 1;
const APPEND: u8 = 2;
const SCRUBBED: u32 = 0x4000;

/// The operation whose node does not fit the page.
#[derive(Clone)]
pub enum Operation {
    None,
    Insert(Loose),
    Replace(Vec<u8>),
    /// The node, and the number of the replacement.
    FlagInsertReplace(Loose, u32),
}

impl Operation {
    fn number(&self) -> u8 {
        match self {
            Operation::None => 0,
            Operation::Insert(_) => 1,
            Operation::Replace(_) => 2,
            Operation::FlagInsertReplace(..) => 3,
        }
    }

    /// The nodes after the operation.
    fn done(&self, mut nodes: Vec<Loose>, line: usize) -> Vec<Loose> {
        match self {
            Operation::None => {}
            Operation::Insert(node) => nodes.insert(line, node.clone()),
            Operation::Replace(data) => nodes[line].data.clone_from(data),
            Operation::FlagInsertReplace(node, _) => nodes[line] = node.clone(),
        }
        nodes
    }
}

/// A changed level of the tree.
struct Level {
    before: Page,
    after: Page,
    new: Option<Page>,
    right: Option<Page>,
    head: SplitHead,
    prefix: Vec<u8>,
    /// The separator that the parent gets.
    separator: Vec<u8>,
    /// Whether nodes of the page go to the new one.
    needs_image: bool,
}

impl Engine {
    /// Splits the leaf at the end of the path, and does the operation. Returns the page of the
    /// change; `None` if the operation was omitted, so that it must be tried again.
    pub fn split(
        &mut self,
        session: u16,
        index: usize,
        path: &[(Pgno, usize)],
        operation: Operation,
        id: u32,
    ) -> Result<Option<Pgno>> {
        let tree = self.trees[index].clone();
        let (leaf, line) = *path.last().expect("a leaf");
        let mut levels = Vec::new();
        let mut operation = operation;
        let plan = match self.plan(session, index, &tree, leaf, line, &operation, true)? {
            Some(plan) => plan,
            None => {
                operation = Operation::None;
                let plan = self.plan(session, index, &tree, leaf, line, &operation, true)?;
                plan.expect("a page that can be divided")
            }
        };
        // The rollback data belongs to the page on which the node ends up.
        let place = match &plan.new {
            Some(new) if line >= plan.head.split_line.get().into() => new.number,
            _ => leaf,
        };
        levels.push(plan);
        for (number, line) in path[..path.len() - 1].iter().rev() {
            let child = levels.last().expect("the level below");
            if child.before.is(ROOT) || child.new.is_none() {
                break;
            }
            let separator = Loose {
                key: child.separator.clone(),
                data: child.before.number.to_le_bytes().to_vec(),
                deleted: false,
            };
            let new = child.new.as_ref().map_or(0, |new| new.number);
            let before = self.page(*number).clone();
            let room = before.used() + before.fitted(&separator).size() <= self.area();
            let plan = match room {
                true => {
                    let mut after = before.clone();
                    after.insert(*line, &separator);
                    after.nodes[line + 1].data = new.to_le_bytes().to_vec();
                    Level {
                        head: SplitHead::new_zeroed(),
                        before,
                        after,
                        new: None,
                        right: None,
                        prefix: Vec::new(),
                        separator: Vec::new(),
                        needs_image: false,
                    }
                }
                false => {
                    let operation = Operation::Insert(separator);
                    let plan =
                        self.plan(session, index, &tree, *number, *line, &operation, false)?;
                    let mut plan = plan.expect("a branch page can be divided");
                    plan.lead_to(*line, new);
                    plan
                }
            };
            levels.push(plan);
        }
        levels.reverse();
        let is_done = self.log_split(session, &tree, levels, line, &operation, id)?;
        Ok((is_done && operation.number() != 0).then_some(place))
    }

    /// Plans the division of a page with the operation at `line`; `None` if the operation does not
    /// fit either part.
    #[allow(clippy::too_many_arguments)]
    fn plan(
        &mut self,
        session: u16,
        index: usize,
        tree: &Tree,
        number: Pgno,
        line: usize,
        operation: &Operation,
        is_leaf: bool,
    ) -> Result<Option<Level>> {
        let before = self.page(number).clone();
        let nodes = operation.done(before.all_loose(), line);
        let room = |engine: &Engine, page: &Page, nodes: &[Loose]| {
            let reserved = match is_leaf {
                true => {
                    engine.reserved(index, nodes) + engine.own_rollback(operation, &before, line)
                }
                false => 0,
            };
            page.used() + reserved <= engine.area()
        };
        let mut head = SplitHead::new_zeroed();
        head.operation = operation.number();
        head.operation_line = (line as u16).into();
        head.lines = (nodes.len() as u16).into();
        head.prefix_line_split = (-1).into();
        head.prefix_line_new = (-1).into();
        let flags = before.flags & !ROOT & !SCRUBBED;
        head.new_page_flags = flags.into();
        head.split_page_flags = before.flags.into();
        let mut new = Page::new(0, tree.object, flags, &[]);
        let mut after = before.clone();

        if before.is(ROOT) {
            head.kind = VERTICAL;
            let line = self.random.below(2 * nodes.len());
            let prefix = nodes.get(line).map_or(&[][..], |node| &node.key);
            new.rebuild(prefix, &nodes);
            match room(self, &new, &nodes) && line < nodes.len() {
                true => head.prefix_line_new = (line as i32).into(),
                false => new.rebuild(&[], &nodes),
            }
            if !room(self, &new, &nodes) {
                return Ok(None);
            }
            new.number = self.take_page(session, tree)?;
            after.nodes.clear();
            after.insert(
                0,
                &Loose {
                    key: Vec::new(),
                    data: new.number.to_le_bytes().to_vec(),
                    deleted: false,
                },
            );
            after.flags &= !LEAF & !PARENT_OF_LEAF & !SCRUBBED;
            after.flags |= if is_leaf { PARENT_OF_LEAF } else { 0 };
            head.split_page_flags = after.flags.into();
            return Ok(Some(Level {
                before,
                after,
                new: Some(new),
                right: None,
                head,
                prefix: Vec::new(),
                separator: Vec::new(),
                needs_image: true,
            }));
        }

        let inserts_last = matches!(operation, Operation::Insert(_)) && line + 1 == nodes.len();
        let is_append =
            is_leaf && inserts_last && before.next == 0 && line > 0 && !self.random.once_in(3);
        let split_line = if is_append {
            line
        } else {
            let mut left = before.clone();
            let mut right = new.clone();
            let lines: Vec<usize> = (1..nodes.len())
                .filter(|at| {
                    left.rebuild(&[], &nodes[..*at]);
                    right.rebuild(&[], &nodes[*at..]);
                    room(self, &left, &nodes[..*at]) && room(self, &right, &nodes[*at..])
                })
                .collect();
            if lines.is_empty() {
                return Ok(None);
            }
            // Mostly near the middle, otherwise trees grow without need.
            match self.random.once_in(4) {
                true => self.random.pick(&lines),
                false => lines[lines.len() / 2],
            }
        };
        head.kind = if is_append { APPEND } else { RIGHT };
        head.split_line = (split_line as u16).into();
        let (left, right) = nodes.split_at(split_line);
        let prefix_line = self.random.below(2 * right.len());
        if let Some(node) = right.get(prefix_line) {
            new.rebuild(&node.key, right);
            head.prefix_line_new = (prefix_line as i32).into();
        }
        if head.prefix_line_new.get() < 0 || !room(self, &new, right) {
            head.prefix_line_new = (-1).into();
            new.rebuild(&[], right);
        }
        let moves_only_new = inserts_last && split_line == line;
        let mut prefix = Vec::new();
        if !is_append {
            let prefix_line = self.random.below(2 * left.len());
            if let Some(node) = left.get(prefix_line) {
                after.rebuild(&node.key, left);
                prefix.clone_from(&node.key);
                head.prefix_line_split = (prefix_line as i32).into();
            }
            if head.prefix_line_split.get() < 0 || !room(self, &after, left) {
                head.prefix_line_split = (-1).into();
                prefix.clear();
                after.rebuild(&[], left);
            }
        }
        let last = left.last().expect("a node stays");
        let separator = match is_leaf {
            true => separator(tree, last, &right[0]),
            false => last.key.clone(),
        };
        new.number = self.take_page(session, tree)?;
        let mut sibling = None;
        if is_leaf {
            new.previous = number;
            new.next = before.next;
            after.next = new.number;
            sibling = (before.next != 0).then(|| self.page(before.next).clone());
            if let Some(sibling) = &mut sibling {
                sibling.previous = new.number;
            }
        }
        Ok(Some(Level {
            before,
            after,
            new: Some(new),
            right: sibling,
            head,
            prefix,
            separator,
            needs_image: !is_append && !moves_only_new,
        }))
    }

    /// The space that a rollback of the operation itself needs.
    fn own_rollback(&self, operation: &Operation, before: &Page, line: usize) -> usize {
        let new = match operation {
            Operation::Replace(data) => data.len(),
            Operation::FlagInsertReplace(node, _) => node.data.len(),
            _ => return 0,
        };
        before.nodes[line].data.len().saturating_sub(new)
    }

    /// Returns whether the split was done; otherwise its macro was aborted, and nothing changed.
    #[allow(clippy::too_many_arguments)]
    fn log_split(
        &mut self,
        session: u16,
        tree: &Tree,
        mut levels: Vec<Level>,
        line: usize,
        operation: &Operation,
        id: u32,
    ) -> Result<bool> {
        let dbtime = self.tick();
        let mut mark = Macro::new_zeroed();
        mark.session = session.into();
        mark.dbtime = dbtime.into();
        let mut change = Change::default();
        let encode = |kind: T, record: &Record<'_>| record.encode(kind).expect("a record");
        change
            .records
            .push(encode(T::MACRO_BEGIN, &Record::MacroBegin(&mark)));
        for index in 0..levels.len() {
            let parent = index
                .checked_sub(1)
                .map(|parent| levels[parent].before.clone());
            let is_lowest = index + 1 == levels.len();
            let level = &mut levels[index];
            let own = level.head.operation_line.get().into();
            let head = &mut level.head;
            head.page = self.page_head(session, &level.before, own, dbtime);
            if tree.unique {
                head.page.flags |= ese::log::record::PageHead::FLAG_UNIQUE;
            }
            if !is_lowest {
                head.page.dbtime_before = DBTIME_NIL.into();
            }
            head.new_page = level.new.as_ref().map_or(0, |page| page.number).into();
            if let Some(right) = &level.right {
                head.right_page = right.number.into();
                head.right_dbtime_before = right.dbtime.into();
            }
            if let Some(parent) = parent {
                head.parent_page = parent.number.into();
                head.parent_dbtime_before = parent.dbtime.into();
            }
            head.root = tree.root.into();
            head.object = tree.object.into();
            let (bytes, flags) = match level.needs_image {
                true => self.image(&level.before),
                false => (Vec::new(), 0),
            };
            let prefix_old = match level.needs_image && level.head.kind == RIGHT {
                true => level.before.prefix().to_vec(),
                false => Vec::new(),
            };
            let split = Split {
                head: &level.head,
                parent_key: &level.separator,
                prefix_split_old: &prefix_old,
                prefix_split_new: &level.prefix,
                image: Some(BeforeImage {
                    bytes: &bytes,
                    flags,
                }),
            };
            change
                .records
                .push(encode(T::SPLIT2, &Record::Split(split)));
        }
        let leaf = levels.last().expect("a leaf").before.clone();
        let actor = Actor {
            session,
            versioned: true,
        };
        let mut head = self.node_head(actor, tree, &leaf, line, dbtime, id);
        head.page.dbtime_before = DBTIME_NIL.into();
        match operation {
            Operation::None => {}
            Operation::Insert(node) => {
                let insert = Insert {
                    head: &head,
                    prefix: &[],
                    suffix: &node.key,
                    data: &node.data,
                };
                change
                    .records
                    .push(encode(T::INSERT, &Record::Insert(insert)));
            }
            Operation::Replace(data) => {
                let replace = Replace {
                    head: &head,
                    old_size: leaf.nodes[line].data.len() as u16,
                    new_size: data.len() as u16,
                    content: data,
                    wide_differences: false,
                };
                change
                    .records
                    .push(encode(T::REPLACE, &Record::Replace(replace)));
            }
            Operation::FlagInsertReplace(node, replace_version) => {
                let insert = FlagInsertReplace {
                    head: &head,
                    replace_version: *replace_version,
                    key: &node.key,
                    data: &node.data,
                };
                let record = Record::FlagInsertReplace(insert);
                change.records.push(encode(T::FLAG_INSERT_REPLACE, &record));
            }
        }
        if self.knows_more && self.random.once_in(12) {
            let left = self.random.between(1, change.records.len());
            change.records.truncate(left);
            let abort = encode(T::MACRO_ABORT, &Record::MacroAbort(&mark));
            change.records.push(abort);
            self.settle()?;
            for record in change.records {
                self.write(record)?;
            }
            for new in levels.into_iter().filter_map(|level| level.new) {
                self.give_back(session, tree, new.number)?;
            }
            return Ok(false);
        }
        change
            .records
            .push(encode(T::MACRO_COMMIT, &Record::MacroCommit(&mark)));
        for level in levels {
            let pages = [Some(level.after), level.new, level.right];
            change.pages.extend(pages.into_iter().flatten());
        }
        for page in &mut change.pages {
            page.touch(dbtime);
        }
        change.records.push(self.macro_info(&change.pages));
        self.apply(session, change)?;
        Ok(true)
    }

    /// The record of a macro's pages.
    pub fn macro_info(&self, pages: &[Page]) -> Vec<u8> {
        let pages: Vec<U32> = pages.iter().map(|page| page.number.into()).collect();
        let info = MacroInfo {
            database: DATABASE,
            pages: &pages,
        };
        let kind = if self.notes_new_pages {
            T::MACRO_INFO2
        } else {
            T::MACRO_INFO
        };
        Record::MacroInfo(info).encode(kind).expect("a record")
    }

    /// The image of the page in a record: whole, or without the gap between lines and tags.
    pub fn image(&mut self, page: &Page) -> (Vec<u8>, u32) {
        const FREE: usize = 28;
        let bytes = page.to_bytes(self.size);
        if self.random.once_in(4) {
            return (bytes, 0);
        }
        let tags = ese::page::Tag::LEN * (page.nodes.len() + 1);
        let lines = self.size.header_len() + page.used() - tags;
        let gap = bytes.len() - tags - lines;
        let mut image = [&bytes[..lines], &bytes[bytes.len() - tags..]].concat();
        let free = u16::from_le_bytes([bytes[FREE], bytes[FREE + 1]]) - gap as u16;
        image[FREE..FREE + 2].copy_from_slice(&free.to_le_bytes());
        (image, BeforeImage::FLAG_DEHYDRATED)
    }
}

impl Level {
    /// Makes the node after the separator lead to the new page of the level below.
    fn lead_to(&mut self, line: usize, child: Pgno) {
        let split_line = usize::from(self.head.split_line.get());
        let data = child.to_le_bytes().to_vec();
        let (page, line) = match (self.head.kind, &mut self.new) {
            (RIGHT, _) if line + 1 < split_line => (&mut self.after, line + 1),
            (RIGHT, Some(new)) => (new, line + 1 - split_line),
            (_, Some(new)) => (new, line + 1),
            (_, None) => unreachable!("a split has a new page"),
        };
        page.nodes[line].data = data;
    }
}

/// The shortest key that is greater than all nodes that stay and not greater than the nodes that
/// move.
pub fn separator(tree: &Tree, last: &Loose, first: &Loose) -> Vec<u8> {
    let bookmark = |node: &Loose| match tree.unique {
        true => node.key.clone(),
        false => [&node.key[..], &node.data].concat(),
    };
    let (last, first) = (bookmark(last), bookmark(first));
    let common = last.iter().zip(&first).take_while(|(a, b)| a == b).count();
    first[..common + 1].to_vec()
}
