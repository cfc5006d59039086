//! Text in indices. Only Windows knows its order, but the entries tell it: an entry's key begins
//! with two bytes for each character of the row's text, then 1. A few entries teach the bytes of
//! the characters of a wanted text, and so its key.
//!
//! Nothing relies on it: each found row is compared with the text, and where none is found, or the
//! characters cannot be learned, all rows are read.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use ese::catalog::{Column, Index};
use ese::rows::{KeyRange, Value};

use super::tables::Tables;
use crate::Result;

/// The first byte of a key that is not NULL, in ascending order.
const DATA: u8 = 0x7f;
/// The byte after the characters of a key.
const END: u8 = 1;
/// The most rows that are read to learn; each may cost a page of the index and one of the rows.
const MOST_PROBES: usize = 400;
/// The most entries of which those are chosen whose rows lie side by side.
const MOST_ENTRIES: usize = 10_000;
/// Longer texts may be cut off in a key.
const LONGEST: usize = 80;

/// The bytes of characters in the keys of indices, by the name of the index.
#[derive(Default)]
pub struct TextIndices(Mutex<HashMap<String, Weights>>);

/// The bytes of characters, by their UTF-16 unit in lower case. `None` if they contradict each
/// other.
type Weights = HashMap<u16, Option<[u8; 2]>>;

impl TextIndices {
    /// The keys of a text in an index. `None` if they cannot be learned.
    pub fn keys_of(
        &self,
        tables: &Tables,
        index: &Index,
        column: &Column,
        text: &str,
    ) -> Result<Option<KeyRange>> {
        let wanted = units(text);
        if wanted.is_empty() || wanted.len() > LONGEST {
            return Ok(None);
        }
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let weights = all.entry(index.name.clone()).or_default();
        if !wanted.iter().all(|unit| weights.contains_key(unit)) {
            learn(tables, index, column, &wanted, weights)?;
        }
        let mut key = vec![DATA];
        for unit in &wanted {
            match weights.get(unit) {
                Some(Some(bytes)) => key.extend(bytes),
                _ => return Ok(None),
            }
        }
        key.push(END);
        Ok(Some(KeyRange::beginning_with(&key)))
    }
}

/// Reads entries until the wanted characters are known. Most names consist of a few characters, so
/// rows that lie side by side teach them: from a repository, these cost few chunks. Rare ones may be
/// found in entries with other beginnings.
fn learn(
    tables: &Tables,
    index: &Index,
    column: &Column,
    wanted: &[u16],
    weights: &mut Weights,
) -> Result<()> {
    let mut rows = tables.database.rows(&tables.data);
    // Whether the wanted characters are known.
    let mut read = |bookmark: &[u8], key: &[u8]| -> Result<bool> {
        if let Some(row) = rows.find(bookmark)?
            && let Value::Text(text) = row.typed(column)?
        {
            note(key, &units(&text), weights);
        }
        Ok(wanted.iter().all(|unit| weights.contains_key(unit)))
    };
    let mut near = first_entries(tables, index)?;
    near.sort_unstable();
    // The oldest objects are the directory's own.
    for (bookmark, key) in near.iter().skip(near.len() / 2).take(MOST_PROBES) {
        if read(bookmark, key)? {
            return Ok(());
        }
    }
    // One for each first character, then one for each beginning of two characters, of three, of
    // four.
    let mut entries = tables.database.entries(index);
    let mut probes = 0;
    for same in [3, 5, 7, 9] {
        let mut from = vec![DATA];
        while let Some(entry) = entries.seek(&from)? {
            probes += 1;
            let key = entry.key.to_vec();
            if read(entry.bookmark, &key)? || probes >= MOST_PROBES {
                return Ok(());
            }
            // Beyond all keys with the same first characters.
            from = key.get(..same).unwrap_or(&key).to_vec();
            from.extend([0xff; 4]);
        }
    }
    Ok(())
}

/// The bookmarks and keys of the first entries with a value.
fn first_entries(tables: &Tables, index: &Index) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let range = KeyRange::beginning_with(&[DATA]);
    let mut entries = tables.database.entries(index).within(range);
    let mut found = Vec::new();
    while let Some(entry) = entries.next()? {
        found.push((entry.bookmark.to_vec(), entry.key.to_vec()));
        if found.len() == MOST_ENTRIES {
            break;
        }
    }
    Ok(found)
}

/// Learns from the key of a text.
fn note(key: &[u8], text: &[u16], weights: &mut Weights) {
    let Some(([DATA], rest)) = key.split_at_checked(1) else {
        return;
    };
    let characters = rest.split(|byte| *byte == END).next().unwrap_or_default();
    let (pairs, odd) = characters.as_chunks::<2>();
    // Of characters without bytes of their own, such as hyphens, it is unknown where they are.
    if pairs.len() != text.len() || !odd.is_empty() {
        return;
    }
    for (unit, pair) in text.iter().zip(pairs) {
        let known = weights.entry(*unit).or_insert(Some(*pair));
        if *known != Some(*pair) {
            *known = None;
        }
    }
}

fn units(text: &str) -> Vec<u16> {
    text.to_lowercase().encode_utf16().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_learned_from_keys_and_contradictions_are_not_used() {
        let mut weights = Weights::new();
        note(
            b"\x7f\x0e\x02\x0e\x09\x01\x01\x01\x01\0",
            &units("AB"),
            &mut weights,
        );
        assert_eq!(weights[&97], Some([0x0e, 2]));
        assert_eq!(weights[&98], Some([0x0e, 9]));
        note(b"\x7f\x0e\x02\x0e\x0a\x01", &units("bc"), &mut weights);
        assert_eq!(weights[&98], None);
        let before = weights.clone();
        note(b"\x7f\x0e\x02\x01", &units("a-"), &mut weights);
        note(b"\x00", &units("a"), &mut weights);
        note(b"", &units("a"), &mut weights);
        assert_eq!(weights, before);
    }

    proptest::proptest! {
        #[test]
        fn any_key_teaches_something_or_nothing(key: Vec<u8>, text: String) {
            note(&key, &units(&text), &mut Weights::new());
        }
    }
}
