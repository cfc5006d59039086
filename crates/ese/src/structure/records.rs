//! The rows of a table: every record must be one, and what depends on it is noted.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::Work;
use super::index_rules::Rules;
use super::map::ObjectNumber;
use super::report::Severity;
use super::row_values::RowValues;
use super::walk::Visitor;
use crate::catalog::{LastColumns, Table};
use crate::page::{Fault, Key, Node, PageView};
use crate::record::{Malformed, Record};
use crate::rows::{Fields, Stored};
use crate::unshown::Unshown;

/// Memory for numbers, shared by all parts of a verification.
#[derive(Debug)]
pub(super) struct Budget(AtomicUsize);

impl Budget {
    /// 96 MiB.
    pub fn new() -> Self {
        Self::of(12 << 20)
    }

    /// Room for so many numbers.
    pub fn of(numbers: usize) -> Self {
        Self(AtomicUsize::new(numbers))
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
    let len = head.len() + tail.len();
    let join = |buffer: &mut [u8]| {
        let (start, end) = buffer.split_at_mut(head.len());
        start.copy_from_slice(head);
        end.copy_from_slice(tail);
        hash_whole(seed, buffer)
    };
    match len {
        0..=64 => join(&mut [0; 64][..len]),
        65..=256 => join(&mut [0; 256][..len]),
        _ => hash_whole(seed, &[head, tail].concat()),
    }
}

#[inline]
fn hash_whole(seed: u64, bytes: &[u8]) -> u64 {
    let mut state = mix(seed ^ bytes.len() as u64);
    let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    // The last 16 bytes, or what there is; what overlaps does no harm, as the length counts too.
    let (left, right) = match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(first), Some(last)) => match bytes.last_chunk::<16>() {
            Some(last) => {
                for pair in bytes[..bytes.len() - 1].as_chunks::<16>().0 {
                    state = mix_pair(state, halves(pair));
                }
                halves(last)
            }
            None => (word(first), word(last)),
        },
        _ => match (bytes.first_chunk(), bytes.last_chunk()) {
            (Some(first), Some(last)) => {
                let (first, last) = (u32::from_le_bytes(*first), u32::from_le_bytes(*last));
                (u64::from(first), u64::from(last))
            }
            _ => {
                let byte = |index: usize| bytes.get(index).map_or(0, |byte| u64::from(*byte));
                (byte(0) | byte(1) << 8, byte(2))
            }
        },
    };
    mix_pair(state, (left, right))
}

fn halves(pair: &[u8; 16]) -> (u64, u64) {
    let both = u128::from_le_bytes(*pair);
    (both as u64, (both >> 64) as u64)
}

#[inline]
fn mix_pair(state: u64, (left, right): (u64, u64)) -> u64 {
    let left = left ^ state;
    let right = right ^ state.rotate_left(32) ^ 0xd6e8_feb8_6659_fd93;
    let product = u128::from(left) * u128::from(right);
    (product >> 64) as u64 ^ product as u64 ^ state.rotate_left(17)
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

    /// What contradicts the catalog. What the engine's check passes over is given to `odd`.
    #[inline]
    fn check(&self, record: &Record<'_>, odd: &mut Option<Malformed>) -> Result<(), Malformed> {
        let malformed = |what, expected| Malformed {
            what,
            expected,
            column: None,
        };
        let wrong = |what, expected| Err(malformed(what, expected));
        let Some(end) = self.fixed_ends.get(usize::from(record.last_fixed())) else {
            return wrong("last fixed column", "a column of the table");
        };
        if end.is_some_and(|end| end != record.fixed_end()) {
            *odd = Some(malformed(
                "end of the fixed columns",
                "the end of the last fixed column",
            ));
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
    pub bookmarks: u64,
    /// The number of entries that they have, and the sum of their hashes, where all keys are known.
    pub entries: u64,
    pub sum: u64,
    /// Whether the key of some row is not known.
    pub unknown_keys: bool,
}

impl Eligible {
    fn add(&mut self, next: &Self) {
        self.rows += next.rows;
        self.most += next.most;
        self.bookmarks = self.bookmarks.wrapping_add(next.bookmarks);
        self.entries += next.entries;
        self.sum = self.sum.wrapping_add(next.sum);
        self.unknown_keys |= next.unknown_keys;
    }
}

/// Looks at the rows of a table.
pub(super) struct RecordVisitor<'t> {
    table: &'t Table,
    object: ObjectNumber,
    rules: &'t Rules,
    shape: &'t RecordShape,
    /// Whether bookmarks must be kept, because some index can only be checked against them.
    keep_bookmarks: bool,
    values: RowValues,
    key: Vec<u8>,
    hashes: Vec<u64>,
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
            values: RowValues::new(table.columns().len()),
            key: Vec::new(),
            hashes: Vec::new(),
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
        self.values.clear();
        let Self {
            values, references, ..
        } = self;
        let record = Record::new(node.data, page.size(), page.flags().has_new_record_format());
        // What the engine's check of a record does not look at: it follows the places of the values, not their content.
        let mut odd = None;
        let visited = record.and_then(|record| {
            self.shape.check(&record, &mut odd)?;
            Fields::new(self.table, record).visit(
                |malformed| malformed,
                |value| {
                    if values.note(node.data, &value).is_err() {
                        odd = Some(Malformed {
                            what: "compressed value",
                            expected: "data that can be decompressed",
                            column: Some(value.column.id.fid()),
                        });
                    }
                    match value.stored {
                        Stored::Plain(bytes) => {
                            let len = value.column.kind.fixed_len();
                            if len.is_some_and(|len| len != bytes.len()) {
                                odd = Some(Malformed {
                                    what: "value",
                                    expected: "as many bytes as the column's type has",
                                    column: Some(value.column.id.fid()),
                                });
                            }
                        }
                        Stored::Compressed(_) | Stored::Encrypted(_) => {}
                        Stored::Separated(id) => references.add(&work.budget, id.0),
                    }
                    Ok(())
                },
            )
        });
        let tag = index + usize::from(page.header().reserved_tags);
        let report = |severity, fault: Fault| {
            let object = &work.object(self.object).name;
            (work.reporter).report(object, severity, fault.at_tag(tag));
        };
        let record_fault = |malformed: Malformed| {
            let found = malformed.to_string();
            Fault::new(page.number(), "record", malformed.expected, found)
        };
        if let Some(odd) = odd {
            report(Severity::Note, record_fault(odd));
        }
        match visited {
            Ok(()) => {
                let plan = self.rules.primary.as_ref();
                if let Some(plan) = plan
                    && let Some(key) =
                        plan.make(&mut self.key, self.table, node.data, &self.values, 0)
                    && node.key != Key::whole(key)
                {
                    let expected = format!("the key {} of its values", Unshown(key.len()));
                    let found = format!("another, {}", Unshown(node.key.len()));
                    let fault = Fault::new(page.number(), "key of the row", expected, found);
                    report(Severity::Damage, fault);
                }
            }
            Err(malformed) => report(Severity::Damage, record_fault(malformed)),
        }
        self.note_entries(work, node.data, bookmark);
    }

    fn join(&mut self, _: &Work<'_>, next: Self) {
        self.rows += next.rows;
        self.bookmarks.join(next.bookmarks);
        self.references.join(next.references);
        for (own, next) in self.eligible.iter_mut().zip(&next.eligible) {
            own.add(next);
        }
    }
}

impl RecordVisitor<'_> {
    /// Takes in the entries of the row whose values were noted.
    fn note_entries(&mut self, work: &Work<'_>, record: &[u8], bookmark: u64) {
        let Self {
            eligible,
            key,
            hashes,
            values,
            table,
            ..
        } = self;
        self.rules.apply(values, |position, rule, most| {
            let eligible = &mut eligible[position];
            eligible.rows += 1;
            eligible.most += most;
            eligible.bookmarks = eligible.bookmarks.wrapping_add(bookmark);
            let Some(plan) = &rule.keys else { return };
            hashes.clear();
            let row = (*table, record, &*values);
            match plan.entries((key, hashes), row, (work.seed, bookmark)) {
                Some(()) => {
                    eligible.entries += hashes.len() as u64;
                    for hash in hashes.iter() {
                        eligible.sum = eligible.sum.wrapping_add(*hash);
                    }
                }
                None => eligible.unknown_keys = true,
            }
        });
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
