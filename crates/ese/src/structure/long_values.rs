//! Checks the long values of a table: each has a root, all its chunks, and as many references as
//! its count.

use std::sync::atomic::{AtomicU64, Ordering};

use super::hash::mix;
use super::map::ObjectNumber;
use super::numbers::Numbers;
use super::report::Severity;
use super::walk::Visitor;
use super::{Object, Work};
use crate::compression::{self, Undecoded};
use crate::long_value::{LongValueId, LongValueKey, LongValueRoot, LongValues};
use crate::page::{Fault, Node, PageView, Pgno};

/// The references of a table's rows to its long values, in order, and whether each led to a value.
pub(super) struct References {
    sorted: Vec<u64>,
    met: Vec<AtomicU64>,
    /// Whether all references are kept; if not, values are compared only by their sum.
    pub complete: bool,
}

impl References {
    pub fn new(references: &mut Numbers) -> Self {
        let complete = references.all_kept();
        Self {
            complete,
            ..Self::of(std::mem::take(&mut references.kept))
        }
    }

    /// The references to these ids, if they are all references.
    pub fn of(mut ids: Vec<u64>) -> Self {
        ids.sort_unstable();
        Self {
            met: (0..ids.len().div_ceil(64))
                .map(|_| AtomicU64::new(0))
                .collect(),
            sorted: ids,
            complete: true,
        }
    }

    /// The number of rows that refer to `id`.
    fn count(&self, id: LongValueId) -> usize {
        let start = self.sorted.partition_point(|other| *other < id.0);
        let count = self.sorted[start..]
            .iter()
            .take_while(|other| **other == id.0)
            .count();
        for position in start..start + count {
            self.met[position / 64].fetch_or(1 << (position % 64), Ordering::Relaxed);
        }
        count
    }

    /// The ids without a value to which rows refer.
    pub fn dangling(&self) -> Vec<LongValueId> {
        let is_met = |position: usize| {
            self.met[position / 64].load(Ordering::Relaxed) >> (position % 64) & 1 == 1
        };
        let mut ids: Vec<_> = (self.sorted.iter().enumerate())
            .filter(|(position, _)| !is_met(*position))
            .map(|(_, id)| LongValueId(*id))
            .collect();
        ids.dedup();
        ids
    }
}

/// The visitor of a table's long values.
pub(super) struct LongValueVisitor<'t> {
    object: ObjectNumber,
    chunk_len: u32,
    references: &'t References,
    /// Chunks at the start of this part of the tree whose value has its root before it: the value
    /// and their offset.
    head: Option<(LongValueId, u32, Pgno)>,
    open: Option<OpenValue>,
    decompressed: Vec<u8>,
    pub values: u64,
    pub orphans: u64,
    /// The sum of the hashes of the values' ids, each multiplied by the value's references.
    pub sum: u64,
}

/// A value whose chunks are not all read yet.
#[derive(Debug, Clone, Copy)]
struct OpenValue {
    id: LongValueId,
    root: LongValueRoot,
    /// The offset of the next chunk.
    next: u32,
    page: Pgno,
}

impl<'t> LongValueVisitor<'t> {
    pub fn new(object: ObjectNumber, chunk_len: u32, references: &'t References) -> Self {
        Self {
            object,
            chunk_len: chunk_len.max(1),
            references,
            head: None,
            open: None,
            decompressed: Vec::new(),
            values: 0,
            orphans: 0,
            sum: 0,
        }
    }

    fn damage(&self, work: &Work<'_>, fault: Fault) {
        work.reporter.damage(&work.object(self.object).name, fault);
    }

    /// Reports the missing chunks of the value that ends here.
    pub fn close(&mut self, work: &Work<'_>) {
        if let Some(open) = self.open.take()
            && open.next < open.root.len
            && !open.root.awaits_cleanup()
        {
            let expected = format!(
                "a chunk at {} of long value {}, which has {} bytes",
                open.next, open.id, open.root.len
            );
            self.damage(work, Fault::new(open.page, "long value", expected, "none"));
        }
    }

    fn root(
        &mut self,
        work: &Work<'_>,
        page: PageView<'_>,
        tag: usize,
        id: LongValueId,
        data: &[u8],
    ) {
        self.close(work);
        let number = page.number();
        let Some(root) = LongValueRoot::read(data) else {
            let found = format!("{} bytes", data.len());
            let fault = Fault::new(
                number,
                "root of a long value",
                "a root of 8 or 9 bytes",
                found,
            );
            return self.damage(work, fault.at_tag(tag));
        };
        self.values += 1;
        self.open = Some(OpenValue {
            id,
            root,
            next: 0,
            page: number,
        });
        if root.references != LongValueRoot::PARTLY_DELETED {
            let sum = mix(id.0).wrapping_mul(u64::from(root.references));
            self.sum = self.sum.wrapping_add(sum);
        }
        if self.references.complete {
            let object = work.object(self.object);
            let is_orphan = compare_count(work, object, (number, tag), (id, root), self.references);
            self.orphans += u64::from(is_orphan);
        }
    }

    fn chunk(
        &mut self,
        work: &Work<'_>,
        page: PageView<'_>,
        tag: usize,
        id: LongValueId,
        offset: u32,
        data: &[u8],
    ) {
        let number = page.number();
        let at_start = self.open.is_none() && self.head.is_none() && self.values == 0;
        if at_start {
            // This part of the tree begins inside a value.
            let object = work.object(self.object);
            let root = LongValues::new(work.database.pages(), object.tree, self.chunk_len).find(id);
            if let Ok(root) = root {
                self.head = Some((id, offset, number));
                self.open = Some(OpenValue {
                    id,
                    root,
                    next: offset,
                    page: number,
                });
            }
        }
        let fault = |expected: String, found: String| {
            Fault::new(number, "chunk of a long value", expected, found).at_tag(tag)
        };
        let Some(open) = self.open.as_mut().filter(|open| open.id == id) else {
            let found = format!("a chunk at {offset} of long value {id}");
            return self.damage(
                work,
                fault(
                    format!("the root of long value {id} before its chunks"),
                    found,
                ),
            );
        };
        open.page = number;
        let expected_offset = open.next;
        let root = open.root;
        open.next = offset.saturating_add(self.chunk_len);
        if !offset.is_multiple_of(self.chunk_len) {
            let expected = format!("a chunk at a multiple of {}", self.chunk_len);
            let found = format!("a chunk at {offset} of long value {id}");
            return self.damage(work, fault(expected, found));
        }
        if root.awaits_cleanup() {
            return;
        }
        if offset != expected_offset {
            let expected = format!("a chunk at {expected_offset} of long value {id}");
            return self.damage(work, fault(expected, format!("a chunk at {offset}")));
        }
        if offset >= root.len {
            let expected = format!("no chunk after the {} bytes of long value {id}", root.len);
            return self.damage(work, fault(expected, format!("a chunk at {offset}")));
        }
        if root.encrypted {
            return;
        }
        let part = self.chunk_len.min(root.len - offset) as usize;
        if data.len() > part {
            let expected = format!("at most {part} bytes at {offset} of long value {id}");
            self.damage(work, fault(expected, format!("{} bytes", data.len())));
        } else if data.len() < part {
            self.decompressed.clear();
            let wrong = match compression::decompress(data, &mut self.decompressed) {
                Ok(()) if self.decompressed.len() == part => None,
                Ok(()) => Some(format!("{} bytes", self.decompressed.len())),
                Err(Undecoded::Unsupported(_)) => None,
                Err(undecoded @ (Undecoded::Corrupt(_) | Undecoded::Scrubbed)) => {
                    Some(format!("{} bytes: {undecoded}", data.len()))
                }
            };
            if let Some(found) = wrong {
                self.damage(
                    work,
                    fault(
                        format!("{part} bytes at {offset} of long value {id}"),
                        found,
                    ),
                );
            }
        }
    }
}

impl Visitor for LongValueVisitor<'_> {
    #[inline]
    fn node(&mut self, work: &Work<'_>, page: PageView<'_>, index: usize, node: &Node<'_>) {
        let tag = index + usize::from(page.header().reserved_tags);
        match LongValueKey::read(&node.key) {
            Some(LongValueKey::Root(id)) => self.root(work, page, tag, id, node.data),
            Some(LongValueKey::Chunk(id, offset)) => {
                self.chunk(work, page, tag, id, offset, node.data)
            }
            None => {
                let found = format!("{} bytes", node.key.len());
                let fault = Fault::new(
                    page.number(),
                    "key of a long value",
                    "a key of 4, 8 or 12 bytes",
                    found,
                );
                self.damage(work, fault.at_tag(tag));
            }
        }
    }

    fn join(&mut self, work: &Work<'_>, mut next: Self) {
        match next.head {
            Some((id, offset, page)) => match self.open.filter(|open| open.id == id) {
                Some(open) if open.next != offset && !open.root.awaits_cleanup() => {
                    let expected = format!("a chunk at {} of long value {id}", open.next);
                    let fault = Fault::new(
                        page,
                        "chunk of a long value",
                        expected,
                        format!("a chunk at {offset}"),
                    );
                    self.damage(work, fault);
                }
                // The part before could not be read, or is empty as a new visitor is.
                _ => {
                    if self.values == 0 && self.head.is_none() {
                        self.head = next.head;
                    }
                }
            },
            None if next.values > 0 => self.close(work),
            None => {}
        }
        if next.values > 0 || next.open.is_some() {
            self.open = next.open.take();
        }
        self.values += next.values;
        self.orphans += next.orphans;
        self.sum = self.sum.wrapping_add(next.sum);
    }
}

/// Compares the count of a long value with the references of rows to it, and returns whether there
/// are none. If the count is too low, the engine deletes the value while rows still refer to it; if
/// it is too high, the value is only never deleted.
pub(super) fn compare_count(
    work: &Work<'_>,
    object: &Object,
    (page, tag): (Pgno, usize),
    (id, root): (LongValueId, LongValueRoot),
    references: &References,
) -> bool {
    let (referring, counted) = (references.count(id) as u64, u64::from(root.references));
    let severity = match referring.cmp(&counted) {
        std::cmp::Ordering::Greater => Severity::Damage,
        // The engine was about to delete it.
        _ if referring == 0 && root.awaits_cleanup() => return true,
        std::cmp::Ordering::Less => Severity::Leak,
        std::cmp::Ordering::Equal => return referring == 0,
    };
    let (expected, found) = match referring {
        0 => (
            format!("a row that refers to long value {id}"),
            format!("none, and a count of {counted}"),
        ),
        _ => (
            format!("{referring} references of rows to long value {id}"),
            format!("a count of {counted}"),
        ),
    };
    let fault = Fault::new(page, "root of a long value", expected, found).at_tag(tag);
    (work.reporter).report(&object.name, severity, fault);
    referring == 0
}
