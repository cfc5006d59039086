//! Checks the rows of a table, and collects their values for the checks of indices and long values.

use super::Work;
use super::hash::hash;
use super::index_rules::Rules;
use super::map::ObjectNumber;
use super::numbers::Numbers;
use super::report::Severity;
use super::row_values::RowValues;
use super::walk::Visitor;
use crate::catalog::{LastColumns, Table};
use crate::page::{Fault, Key, Node, PageView};
use crate::record::{Malformed, Record};
use crate::redacted::Redacted;
use crate::rows::{Fields, Stored};

/// The form of a table's records by the catalog.
#[derive(Debug)]
pub(super) struct RecordShape {
    last: LastColumns,
    /// By the number of a record's last fixed column: the end of the data of its fixed columns, if
    /// known.
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

    /// Checks a record against the catalog. Sets `odd` for contradictions that the engine's check
    /// ignores.
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

/// The results from a table's rows for an index.
#[derive(Debug, Default, Clone)]
pub(super) struct Eligible {
    /// Rows that the index includes.
    pub rows: u64,
    /// The most entries that they may have.
    pub most: u64,
    /// The sum of the hashes of their bookmarks.
    pub bookmarks: u64,
    /// The number of their entries, and the sum of the entries' hashes, if all keys are known.
    pub entries: u64,
    pub sum: u64,
    /// Whether the key of some row is unknown.
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

/// The visitor of a table's rows.
pub(super) struct RecordVisitor<'t> {
    table: &'t Table,
    object: ObjectNumber,
    rules: &'t Rules,
    shape: &'t RecordShape,
    /// Whether to keep bookmarks, because some index can be checked only against them.
    keep_bookmarks: bool,
    values: RowValues,
    key: Vec<u8>,
    hashes: Vec<u64>,
    pub rows: u64,
    /// The hashes of all bookmarks.
    pub bookmarks: Numbers,
    /// By the position of the rule.
    pub eligible: Vec<Eligible>,
    /// The ids of the long values that rows refer to, one for each reference.
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
        // The engine's check of a record covers the places of the values, not their content.
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
                    let expected = format!("the key {} of its values", Redacted(key.len()));
                    let found = format!("another, {}", Redacted(node.key.len()));
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
    /// Adds the index entries of the row whose values were recorded.
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
