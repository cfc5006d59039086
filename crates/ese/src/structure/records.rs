//! The rows of a table: every record must be one, and what depends on it is noted.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::Work;
use super::index_rules::{Rules, ValueCounts};
use super::map::ObjectNumber;
use super::walk::Visitor;
use crate::catalog::{LastColumns, Table};
use crate::compression;
use crate::page::{Fault, Node, PageView};
use crate::record::{Malformed, Record};
use crate::rows::{Fields, Stored};

/// Memory for numbers, shared by all parts of a verification.
#[derive(Debug)]
pub(super) struct Budget(AtomicUsize);

impl Budget {
    /// 96 MiB.
    pub fn new() -> Self {
        Self(AtomicUsize::new(12 << 20))
    }

    /// Takes room for up to `wanted` numbers.
    fn take(&self, wanted: usize) -> usize {
        let mut taken = 0;
        let _ = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                taken = left.min(wanted);
                Some(left - taken)
            });
        taken
    }

    pub fn give_back(&self, room: usize) {
        self.0.fetch_add(room, Ordering::Relaxed);
    }
}

/// Numbers of one kind: kept one by one as long as there is memory, and counted and summed in any case.
#[derive(Debug, Default, Clone)]
pub(super) struct Numbers {
    pub kept: Vec<u64>,
    pub count: u64,
    /// The sum of the numbers' hashes.
    pub sum: u64,
    /// Room that was taken from the budget, used or not.
    pub room: usize,
}

impl Numbers {
    /// Room is taken from the budget for so many numbers at a time.
    const STEP: usize = 1024;

    #[inline]
    pub fn add(&mut self, budget: &Budget, number: u64) {
        self.count += 1;
        self.sum = self.sum.wrapping_add(mix(number));
        if self.kept.len() == self.room {
            self.room += budget.take(Self::STEP);
        }
        if self.kept.len() < self.room {
            self.kept.push(number);
        }
    }

    pub fn join(&mut self, next: Self) {
        self.count += next.count;
        self.sum = self.sum.wrapping_add(next.sum);
        self.room += next.room;
        if self.kept.is_empty() {
            self.kept = next.kept;
        } else {
            self.kept.extend(next.kept);
        }
    }

    /// Whether all numbers were kept.
    pub fn all_kept(&self) -> bool {
        self.kept.len() as u64 == self.count
    }
}

/// Spreads a number over all bits.
#[inline]
pub(super) fn mix(number: u64) -> u64 {
    let product = u128::from(number ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93_u128;
    (product >> 64) as u64 ^ product as u64
}

/// The hash of a bookmark, given in pieces. The seed differs from run to run, so that no file can be made to collide.
#[inline]
pub(super) fn hash(seed: u64, [head, tail]: [&[u8]; 2]) -> u64 {
    if head.is_empty() {
        return hash_whole(seed, tail);
    }
    if tail.is_empty() {
        return hash_whole(seed, head);
    }
    let mut buffer = [0; 256];
    let len = head.len() + tail.len();
    match buffer.get_mut(..len) {
        Some(whole) => {
            let (start, end) = whole.split_at_mut(head.len());
            start.copy_from_slice(head);
            end.copy_from_slice(tail);
            hash_whole(seed, whole)
        }
        None => hash_whole(seed, &[head, tail].concat()),
    }
}

#[inline]
fn hash_whole(seed: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks();
    let mut state = seed ^ bytes.len() as u64;
    for word in words {
        state = mix(state ^ u64::from_le_bytes(*word));
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(state ^ u64::from_le_bytes(last))
}

/// What the catalog says about the form of a table's records.
#[derive(Debug)]
pub(super) struct RecordShape {
    last: LastColumns,
    /// By the number of the last fixed column of a record: where the data of its fixed columns ends, where that is known.
    fixed_ends: Vec<Option<usize>>,
}

impl RecordShape {
    pub fn new(table: &Table) -> Self {
        let last = table.last_columns();
        let mut fixed_ends = vec![None; usize::from(last.fixed) + 1];
        fixed_ends[0] = Some(4);
        for column in table.columns().iter().filter(|column| column.id.is_fixed()) {
            if let Some(end) = fixed_ends.get_mut(usize::from(column.id.fid())) {
                *end = Some(column.record_offset + column.fixed_len());
            }
        }
        Self { last, fixed_ends }
    }

    #[inline]
    fn check(&self, record: &Record<'_>) -> Result<(), Malformed> {
        let wrong = |what, expected| {
            Err(Malformed {
                what,
                expected,
                column: None,
            })
        };
        let Some(end) = self.fixed_ends.get(usize::from(record.last_fixed())) else {
            return wrong("last fixed column", "a column of the table");
        };
        if end.is_some_and(|end| end != record.fixed_end()) {
            return wrong(
                "end of the fixed columns",
                "the end of the last fixed column",
            );
        }
        if record.last_variable() > self.last.variable {
            return wrong("last variable column", "a column of the table");
        }
        if !record.tagged()?.are_in_order(self.last.tagged)? {
            return wrong("tagged columns", "columns of the table in ascending order");
        }
        Ok(())
    }
}

/// What the rows of a table say about an index.
#[derive(Debug, Default, Clone)]
pub(super) struct Eligible {
    /// Rows that the index takes in.
    pub rows: u64,
    /// The greatest number of entries that they may have.
    pub most: u64,
    /// The sum of the hashes of their bookmarks.
    pub sum: u64,
}

/// Looks at the rows of a table.
pub(super) struct RecordVisitor<'t> {
    table: &'t Table,
    object: ObjectNumber,
    rules: &'t Rules,
    shape: &'t RecordShape,
    /// Whether bookmarks must be kept, because some index can only be checked against them.
    keep_bookmarks: bool,
    counts: ValueCounts,
    decompressed: Vec<u8>,
    pub rows: u64,
    /// The hashes of all bookmarks.
    pub bookmarks: Numbers,
    /// By rule.
    pub eligible: Vec<Eligible>,
    /// The ids of the long values that rows refer to, as often as they do.
    pub references: Numbers,
}

impl<'t> RecordVisitor<'t> {
    pub fn new(
        table: &'t Table,
        object: ObjectNumber,
        rules: &'t Rules,
        shape: &'t RecordShape,
        keep_bookmarks: bool,
    ) -> Self {
        Self {
            table,
            object,
            rules,
            shape,
            keep_bookmarks,
            counts: ValueCounts::new(table.columns().len()),
            decompressed: Vec::new(),
            rows: 0,
            bookmarks: Numbers::default(),
            eligible: vec![Eligible::default(); rules.rules.len()],
            references: Numbers::default(),
        }
    }
}

impl Visitor for RecordVisitor<'_> {
    #[inline]
    fn node(&mut self, work: &Work<'_>, page: PageView<'_>, index: usize, node: &Node<'_>) {
        self.rows += 1;
        let bookmark = hash(work.seed, [node.key.prefix, node.key.suffix]);
        if self.keep_bookmarks {
            self.bookmarks.add(&work.budget, bookmark);
        }
        self.counts.clear();
        let Self {
            counts,
            references,
            decompressed,
            ..
        } = self;
        let record = Record::new(node.data, page.size(), page.flags().has_new_record_format());
        let visited = record.and_then(|record| {
            self.shape.check(&record)?;
            Fields::new(self.table, record).visit(
                |malformed| malformed,
                |value| {
                    counts.note(value.position, value.sequence);
                    match value.stored {
                        Stored::Plain(bytes) => {
                            let len = value.column.kind.fixed_len();
                            if len.is_some_and(|len| len != bytes.len()) {
                                return Err(Malformed {
                                    what: "value",
                                    expected: "as many bytes as the column's type has",
                                    column: Some(value.column.id.fid()),
                                });
                            }
                        }
                        Stored::Compressed(bytes) => {
                            decompressed.clear();
                            if let Err(compression::Undecoded::Corrupt(_)) =
                                compression::decompress(bytes, decompressed)
                            {
                                return Err(Malformed {
                                    what: "compressed value",
                                    expected: "data that can be decompressed",
                                    column: Some(value.column.id.fid()),
                                });
                            }
                        }
                        Stored::Encrypted(_) => {}
                        Stored::Separated(id) => references.add(&work.budget, id.0),
                    }
                    Ok(())
                },
            )
        });
        if let Err(malformed) = visited {
            let tag = index + usize::from(page.header().reserved_tags);
            let fault = Fault::new(
                page.number(),
                "record",
                malformed.expected,
                malformed.to_string(),
            );
            work.reporter
                .damage(&work.object(self.object).name, fault.at_tag(tag));
        }
        let eligible = &mut self.eligible;
        self.rules.apply(&self.counts, |rule, most| {
            let eligible = &mut eligible[rule];
            eligible.rows += 1;
            eligible.most += most;
            eligible.sum = eligible.sum.wrapping_add(bookmark);
        });
    }

    fn join(&mut self, _: &Work<'_>, next: Self) {
        self.rows += next.rows;
        self.bookmarks.join(next.bookmarks);
        self.references.join(next.references);
        for (own, next) in self.eligible.iter_mut().zip(next.eligible) {
            own.rows += next.rows;
            own.most += next.most;
            own.sum = own.sum.wrapping_add(next.sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_hash_of_a_bookmark_does_not_depend_on_where_it_is_cut(
            bytes in prop::collection::vec(any::<u8>(), 0..40), cut in 0usize..41, other in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let (head, tail) = bytes.split_at(cut.min(bytes.len()));
            prop_assert_eq!(hash(7, [head, tail]), hash(7, [&bytes, &[]]));
            prop_assert_eq!(hash(7, [&bytes, &[]]) == hash(7, [&other, &[]]), bytes == other);
        }
    }
}
