//! Which rows have entries in a secondary index, and how many.

use crate::catalog::{Column, ColumnId, Index, Table};

/// The number of values that a row has of each column; reused from row to row.
#[derive(Debug, Default)]
pub(super) struct ValueCounts {
    counts: Vec<u32>,
    touched: Vec<usize>,
}

impl ValueCounts {
    pub fn new(columns: usize) -> Self {
        Self {
            counts: vec![0; columns],
            touched: Vec::new(),
        }
    }

    pub fn clear(&mut self) {
        for position in self.touched.drain(..) {
            self.counts[position] = 0;
        }
    }

    #[inline]
    pub fn note(&mut self, position: usize, sequence: u32) {
        if let Some(count) = self.counts.get_mut(position) {
            if *count == 0 {
                self.touched.push(position);
            }
            *count = sequence;
        }
    }

    fn of(&self, position: usize) -> u32 {
        self.counts.get(position).copied().unwrap_or_default()
    }
}

/// What can be said about the entries of a secondary index without making keys.
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
}

/// How many entries a row has that the index takes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expects {
    /// One.
    One,
    /// At least one, and at most one for each value of the column at this position: equal values share an entry.
    Values(usize),
    /// Any number: substrings, combinations of values, rows from before the index, or defaults that only the
    /// application knows.
    Any,
}

/// The rules of a table's secondary indices.
#[derive(Debug)]
pub(super) struct Rules {
    pub rules: Vec<IndexRule>,
    /// By the position of a column: the rules that no row fulfils without that column.
    by_first_column: Vec<Vec<usize>>,
    /// The rules that must be tried on every row.
    always: Vec<usize>,
}

impl Rules {
    pub fn new(table: &Table) -> Self {
        let columns = table.columns();
        let position = |id: ColumnId| table.position_of(id).map(|(position, _)| position);
        let mut rules = Vec::new();
        let mut by_first_column = vec![Vec::new(); columns.len()];
        let mut always = Vec::new();
        for (number, index) in table.indexes().iter().enumerate() {
            if index.flags.is_primary() {
                continue;
            }
            let rule = IndexRule::new(number, index, columns, position);
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
        }
    }

    /// Calls `visit` with each rule, by its position, that takes in a row with these values, and with the greatest number
    /// of entries that it may have.
    pub fn apply(&self, counts: &ValueCounts, mut visit: impl FnMut(usize, u64)) {
        let touched = counts
            .touched
            .iter()
            .filter_map(|position| self.by_first_column.get(*position));
        for position in touched.flatten().chain(&self.always) {
            let rule = &self.rules[*position];
            if rule.takes_in(counts) {
                let most = match rule.expects {
                    Expects::Values(column) => counts.of(column).max(1),
                    Expects::One | Expects::Any => 1,
                };
                visit(*position, u64::from(most));
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
        }
    }

    /// Whether the index has entries for a row with these values.
    fn takes_in(&self, counts: &ValueCounts) -> bool {
        let is_null = |position: &usize| counts.of(*position) == 0;
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
