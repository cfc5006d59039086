//! The entries that a row has in a secondary index.

use super::hash::{hash, mix};
use super::row_values::RowValues;
use crate::catalog::{Column, ColumnId, Index, Table};
use crate::keys::Progress;
use crate::page::Key;

/// The rules for the entries of a secondary index.
#[derive(Debug)]
pub(super) struct IndexRule {
    /// The position of the index among the table's.
    pub index: usize,
    /// The positions of the key's columns.
    key: Vec<usize>,
    conditions: Vec<(usize, bool)>,
    allows_all_nulls: bool,
    allows_first_null: bool,
    allows_some_nulls: bool,
    pub expects: Expects,
    /// The way to make its keys, if they can be known.
    pub keys: Option<KeyPlan>,
}

/// The way to make the keys of an index from the values of a row.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct KeyPlan {
    /// The position of the index among the table's.
    index: usize,
    /// The positions of the columns, and whether they are descending.
    parts: Vec<(usize, bool)>,
    /// The part of which each value makes a key.
    multi_valued: Option<usize>,
}

impl KeyPlan {
    /// `None` if the keys of `index` cannot be known.
    fn new(table: &Table, number: usize, index: &Index, expects: Expects) -> Option<Self> {
        if expects == Expects::Any {
            return None;
        }
        let mut parts = Vec::with_capacity(index.key.len());
        let mut multi_valued = None;
        for (number, part) in index.key.iter().enumerate() {
            let (position, column) = table.position_of(part.column)?;
            if column.is_unicode() {
                return None;
            }
            if column.flags.is_multi_valued() && multi_valued.is_none() {
                multi_valued = Some(number);
            }
            parts.push((position, part.descending));
        }
        Some(Self {
            index: number,
            parts,
            multi_valued,
        })
    }

    /// The number of keys of a row, equal ones included.
    fn count(&self, values: &RowValues) -> u32 {
        let part = self.multi_valued.and_then(|part| self.parts.get(part));
        part.map_or(1, |(position, _)| values.count(*position).max(1))
    }

    /// Makes the key number `number`, from 0, of a row. `None` if it cannot be known.
    #[inline]
    pub fn make<'k>(
        &self,
        key: &'k mut Vec<u8>,
        table: &Table,
        record: &[u8],
        values: &RowValues,
        number: u32,
    ) -> Option<&'k [u8]> {
        let index = table.indexes().get(self.index)?;
        let mut progress = Progress::default();
        key.clear();
        for (part, (position, descending)) in self.parts.iter().enumerate() {
            let column = table.columns().get(*position)?;
            let number = if self.multi_valued == Some(part) {
                number
            } else {
                0
            };
            let value = values.value(table, record, *position, number)?;
            let pushed = progress.push(key, index, column, *descending, value);
            pushed.ok()?;
        }
        Some(key)
    }

    /// Appends the hashes of a row's entries in the index to `hashes`. `None` if its keys cannot be
    /// known.
    pub fn entries(
        &self,
        (key, hashes): (&mut Vec<u8>, &mut Vec<u64>),
        (table, record, values): (&Table, &[u8], &RowValues),
        (seed, bookmark): (u64, u64),
    ) -> Option<()> {
        let count = self.count(values);
        let start = hashes.len();
        for number in 0..count {
            let key = self.make(key, table, record, values, number)?;
            hashes.push(entry_hash(seed, &Key::whole(key), bookmark));
        }
        if count > 1 {
            // Equal values share an entry.
            hashes[start..].sort_unstable();
            let mut kept = start;
            for next in start..hashes.len() {
                if kept == start || hashes[next] != hashes[kept - 1] {
                    hashes[kept] = hashes[next];
                    kept += 1;
                }
            }
            hashes.truncate(kept);
        }
        Some(())
    }
}

/// The hash of an entry with the key `key` and a bookmark with the hash `bookmark`.
#[inline]
pub(super) fn entry_hash(seed: u64, key: &Key<'_>, bookmark: u64) -> u64 {
    mix(hash(seed, [key.prefix, key.suffix]) ^ bookmark.rotate_left(32))
}

/// The number of entries of a row that the index includes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expects {
    /// One.
    One,
    /// At least one, and at most one for each value of the column at this position: equal values
    /// share an entry.
    Values(usize),
    /// Any number: substrings, combinations of values, rows from before the index, or defaults that
    /// only the application knows.
    Any,
}

/// The rules of a table's secondary indices.
#[derive(Debug)]
pub(super) struct Rules {
    pub rules: Vec<IndexRule>,
    /// By the position of a column: the rules that no row without that column satisfies.
    by_first_column: Vec<Vec<usize>>,
    /// The rules to try on every row.
    always: Vec<usize>,
    /// The way to make the keys of the rows themselves, if they can be known.
    pub primary: Option<KeyPlan>,
}

impl Rules {
    pub fn new(table: &Table) -> Self {
        let columns = table.columns();
        let position = |id: ColumnId| table.position_of(id).map(|(position, _)| position);
        let mut rules = Vec::new();
        let mut by_first_column = vec![Vec::new(); columns.len()];
        let mut always = Vec::new();
        let mut primary = None;
        for (number, index) in table.indexes().iter().enumerate() {
            let mut rule = IndexRule::new(number, index, columns, position);
            rule.keys = KeyPlan::new(table, number, index, rule.expects);
            if index.flags.is_primary() {
                primary = rule.keys;
                continue;
            }
            let needs_first = !rule.allows_first_null && !rule.allows_all_nulls;
            let first = rule.key.first().copied().filter(|_| needs_first);
            match first.and_then(|first| by_first_column.get_mut(first)) {
                Some(rules_of_column) => rules_of_column.push(rules.len()),
                None => always.push(rules.len()),
            }
            rules.push(rule);
        }
        Self {
            rules,
            by_first_column,
            always,
            primary,
        }
    }

    /// Calls `visit` for each rule that includes a row with these values: with its position, the
    /// rule, and the most entries that the row may have.
    #[inline]
    pub fn apply(&self, values: &RowValues, mut visit: impl FnMut(usize, &IndexRule, u64)) {
        let touched =
            (values.columns().iter()).filter_map(|position| self.by_first_column.get(*position));
        for position in touched.flatten().chain(&self.always) {
            let rule = &self.rules[*position];
            if rule.takes_in(values) {
                let most = match rule.expects {
                    Expects::Values(column) => values.count(column).max(1),
                    Expects::One | Expects::Any => 1,
                };
                visit(*position, rule, u64::from(most));
            }
        }
    }
}

impl IndexRule {
    fn new(
        number: usize,
        index: &Index,
        columns: &[Column],
        position: impl Fn(ColumnId) -> Option<usize>,
    ) -> Self {
        let key: Vec<usize> = index
            .key
            .iter()
            .filter_map(|part| position(part.column))
            .collect();
        let conditions: Vec<(usize, bool)> = (index.conditions.iter())
            .filter_map(|condition| Some((position(condition.column)?, condition.must_be_null)))
            .collect();
        let flags = index.flags;
        let unknown = |position: &usize| {
            let column = columns.get(*position);
            column.is_none_or(|column| column.flags.has_user_defined_default())
        };
        let complete = key.len() == index.key.len() && conditions.len() == index.conditions.len();
        let is_multi = |position: &&usize| {
            columns
                .get(**position)
                .is_some_and(|column| column.flags.is_multi_valued())
        };
        let multi_valued = key.iter().find(is_multi).copied();
        let expects = if !complete
            || index.tuples.is_some()
            || flags.is_cross_product()
            || flags.is_nested_table()
            || flags.is_deferred_populate()
            || key.iter().any(unknown)
            || conditions.iter().any(|(position, _)| unknown(position))
        {
            Expects::Any
        } else {
            multi_valued.map_or(Expects::One, Expects::Values)
        };
        let nulls = !flags.forbids_nulls();
        Self {
            index: number,
            key,
            conditions,
            allows_all_nulls: nulls && flags.allows_all_nulls(),
            allows_first_null: nulls && flags.allows_first_null(),
            allows_some_nulls: nulls && flags.allows_some_nulls(),
            expects,
            keys: None,
        }
    }

    /// Whether the index has entries for a row with these values.
    fn takes_in(&self, values: &RowValues) -> bool {
        let is_null = |position: &usize| values.count(*position) == 0;
        if (self.conditions.iter())
            .any(|(position, must_be_null)| is_null(position) != *must_be_null)
        {
            return false;
        }
        let nulls = self.key.iter().filter(|position| is_null(position)).count();
        if nulls == 0 {
            return true;
        }
        if nulls == self.key.len() {
            self.allows_all_nulls
        } else if self.key.first().is_some_and(is_null) {
            self.allows_first_null
        } else {
            self.allows_some_nulls
        }
    }
}
