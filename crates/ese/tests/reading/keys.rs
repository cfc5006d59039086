//! Keys computed from the values of rows equal those that the engine stored.

use crate::clean;
use std::collections::HashMap;

use ese::catalog::{Column, Index, Table};
use ese::keys::KeyError;
use ese::rows::{KeyRange, Row};

/// The key of as many leading columns as can have keys, for one choice of the values; and whether
/// these are all columns.
fn key(table: &Table, index: &Index, values: &[Option<&[u8]>]) -> (Vec<u8>, bool) {
    let mut builder = table.key(index);
    for value in values {
        match builder.push_stored(*value) {
            Ok(()) => {}
            Err(KeyError::UnicodeText { .. }) => return (builder.finish(), false),
            Err(error) => panic!("{}.{}: {error}", table.name, index.name),
        }
    }
    (builder.finish(), true)
}

/// Every combination of one value, or NULL, for each column of the index.
fn combinations(table: &Table, index: &Index, row: &Row<'_>) -> Vec<Vec<Option<Vec<u8>>>> {
    let mut all = vec![Vec::new()];
    for (number, part) in index.key.iter().enumerate() {
        let column: &Column = table.column_by_id(part.column).expect("a column");
        let mut values: Vec<_> = (row.values(column).expect("values").into_iter())
            .map(|value| Some(value.into_owned()))
            .collect();
        if values.is_empty() {
            values.push(None);
        }
        if let Some(tuples) = index.tuples.filter(|_| number == 0) {
            values = (values.into_iter().flatten())
                .flat_map(|value| (0..value.len()).map(move |start| Some(value[start..].to_vec())))
                .filter(|piece| {
                    piece
                        .as_ref()
                        .is_some_and(|piece| piece.len() >= tuples.shortest as usize)
                })
                .collect();
        }
        all = (all.into_iter())
            .flat_map(|start: Vec<Option<Vec<u8>>>| {
                values.iter().map(move |value| {
                    let mut longer = start.clone();
                    longer.push(value.clone());
                    longer
                })
            })
            .collect();
    }
    all
}

#[derive(Default)]
struct Compared {
    whole: usize,
    partial: usize,
}

impl Compared {
    fn check(&mut self, table: &Table, index: &Index, row: &Row<'_>, stored: &[u8]) {
        let mut choices = combinations(table, index, row).into_iter();
        let found = choices.find_map(|choice| {
            let choice: Vec<_> = choice.iter().map(Option::as_deref).collect();
            let (key, is_whole) = key(table, index, &choice);
            let fits = if is_whole {
                key == stored
            } else {
                stored.starts_with(&key)
            };
            fits.then_some(is_whole)
        });
        match found {
            Some(true) => self.whole += 1,
            Some(false) => self.partial += 1,
            None => panic!(
                "{}.{}: the key {stored:02x?} of row {:02x?} is of none of its values",
                table.name,
                index.name,
                row.bookmark().to_vec()
            ),
        }
    }
}

#[test]
fn keys_equal_those_that_the_engine_stored() {
    let mut types: HashMap<String, usize> = HashMap::new();
    clean::each(|fixture, database| {
        let name = &fixture.name;
        let mut compared = Compared::default();
        for entry in database.tables().expect("tables") {
            let table = database.table(&entry.name).expect("read").expect("a table");
            for index in table.indexes() {
                let mut rows = database.rows(&table);
                let before = compared.whole;
                if index.flags.is_primary() {
                    while let Some(row) = rows.next().expect("row") {
                        compared.check(&table, index, &row, &row.bookmark().to_vec());
                    }
                } else {
                    let mut entries = database.entries(index);
                    while let Some(entry) = entries.next().expect("entry") {
                        let row = rows.find(entry.bookmark).expect("find").expect("the row");
                        compared.check(&table, index, &row, &entry.key.to_vec());
                    }
                }
                if compared.whole > before {
                    for part in &index.key {
                        let column = table.column_by_id(part.column).expect("a column");
                        let order = if part.descending { "-" } else { "+" };
                        *types
                            .entry(format!("{order}{:?}", column.kind))
                            .or_default() += 1;
                    }
                }
            }
        }
        println!(
            "{name}: {} whole keys, {} leading parts equal",
            compared.whole, compared.partial
        );
        assert!(compared.whole > 0);
    });
    let mut types: Vec<_> = types.into_iter().collect();
    types.sort();
    println!("columns of whole keys: {types:?}");
}

#[test]
fn a_range_is_walked_from_both_ends_and_has_exactly_its_keys() {
    clean::each(|fixture, database| {
        let name = &fixture.name;
        let mut checked = 0;
        for entry in database.tables().expect("tables") {
            let table = database.table(&entry.name).expect("read").expect("a table");
            for index in table
                .indexes()
                .iter()
                .filter(|index| !index.flags.is_primary())
            {
                let mut all = Vec::new();
                let mut entries = database.entries(index);
                while let Some(entry) = entries.next().expect("entry") {
                    all.push((entry.key.to_vec(), entry.bookmark.to_vec()));
                }
                for (low, high) in [(0, 0), (0, 1), (1, 2), (1, 3), (2, 3), (3, 3)] {
                    let pick = |third: usize| all.get(third * all.len().saturating_sub(1) / 3);
                    let (Some(low), Some(high)) = (pick(low), pick(high)) else {
                        continue;
                    };
                    let cut = |key: &(Vec<u8>, Vec<u8>)| key.0[..key.0.len().div_ceil(2)].to_vec();
                    let (low, high) = (cut(low), cut(high));
                    use std::ops::Bound::{Excluded, Included, Unbounded};
                    for range in [
                        (Included(&*low), Included(&*high)),
                        (Excluded(&*low), Included(&*high)),
                        (Included(&*low), Excluded(&*high)),
                        (Included(&*low), Unbounded),
                        (Unbounded, Excluded(&*high)),
                    ] {
                        // As a bound, a key means all keys that begin with it.
                        let inside = |key: &[u8]| {
                            let cut = |bound: &[u8]| key[..key.len().min(bound.len())].to_vec();
                            (match range.0 {
                                Included(bound) => cut(bound).as_slice() >= bound,
                                Excluded(bound) => cut(bound).as_slice() > bound,
                                Unbounded => true,
                            }) && (match range.1 {
                                Included(bound) => cut(bound).as_slice() <= bound,
                                Excluded(bound) => cut(bound).as_slice() < bound,
                                Unbounded => true,
                            })
                        };
                        let expected: Vec<_> =
                            all.iter().filter(|(key, _)| inside(key)).cloned().collect();
                        let mut entries = database
                            .entries(index)
                            .within(KeyRange::new(range.0, range.1));
                        let mut forth = Vec::new();
                        while let Some(entry) = entries.next().expect("entry") {
                            forth.push((entry.key.to_vec(), entry.bookmark.to_vec()));
                        }
                        assert!(entries.entry().expect("entry").is_none());
                        assert!(entries.next().expect("entry").is_none());
                        let mut back = Vec::new();
                        while let Some(entry) = entries.previous().expect("entry") {
                            back.push((entry.key.to_vec(), entry.bookmark.to_vec()));
                        }
                        let again = entries
                            .next()
                            .expect("entry")
                            .map(|entry| entry.key.to_vec());
                        assert_eq!(again.as_ref(), expected.first().map(|(key, _)| key));
                        let mut from_the_end = database
                            .entries(index)
                            .within(KeyRange::new(range.0, range.1));
                        let last = from_the_end
                            .previous()
                            .expect("entry")
                            .map(|entry| entry.key.to_vec());
                        assert_eq!(last.as_ref(), expected.last().map(|(key, _)| key));
                        back.reverse();
                        assert_eq!(
                            forth, expected,
                            "{name} {}.{} {range:?}",
                            table.name, index.name
                        );
                        assert_eq!(
                            back, expected,
                            "{name} {}.{} {range:?}",
                            table.name, index.name
                        );
                        checked += 1;
                    }
                }
            }
        }
        println!("{name}: {checked} ranges");
    });
}

#[test]
fn a_cursor_finds_the_same_wherever_it_was() {
    clean::each(|fixture, database| {
        let mut state: u64 = 0x0123_4567_89ab_cdef;
        let mut random = |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) as usize % below
        };
        for entry in database.tables().expect("tables") {
            let table = database.table(&entry.name).expect("read").expect("a table");
            let mut keys = Vec::new();
            let mut rows = database.rows(&table);
            while let Some(row) = rows.next().expect("row") {
                keys.push(row.bookmark().to_vec());
            }
            if keys.is_empty() {
                continue;
            }
            let bookmark = |row: Option<Row<'_>>| row.map(|row| row.bookmark().to_vec());
            let mut kept = database.rows(&table);
            let mut place = 0;
            for step in 0..300 {
                // Mostly near the last one, as rows of an index are.
                place = match random(4) {
                    0 => random(keys.len()),
                    _ => (place + random(8)).saturating_sub(3).min(keys.len() - 1),
                };
                let mut key = keys[place].clone();
                match random(4) {
                    0 => key.truncate(random(key.len() + 1)),
                    1 => key.push(random(256) as u8),
                    _ => {}
                }
                let mut fresh = database.rows(&table);
                let found = match random(2) {
                    0 => (kept.find(&key), fresh.find(&key)),
                    _ => (kept.seek(&key), fresh.seek(&key)),
                };
                let (kept_found, fresh_found) = (found.0.expect("row"), found.1.expect("row"));
                let was_found = fresh_found.is_some();
                let told = format!("{}, {}, step {step}: {key:02x?}", fixture.name, entry.name);
                assert_eq!(bookmark(kept_found), bookmark(fresh_found), "{told}");
                if was_found {
                    let next = (kept.next().expect("row"), fresh.next().expect("row"));
                    assert_eq!(bookmark(next.0), bookmark(next.1), "after {told}");
                }
            }
        }
    });
}
