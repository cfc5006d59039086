//! Security descriptors, shared between objects.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::tables::Tables;
use crate::Result;

/// The capacity of the cache, which is emptied when full.
const MOST_KEPT: usize = 2000;

/// A cache of the descriptors in `sd_table`, read on demand.
#[derive(Default)]
pub struct Descriptors {
    kept: Mutex<HashMap<i64, Arc<[u8]>>>,
}

impl Descriptors {
    /// The descriptor for a row's value: the number of a row of `sd_table`, or the descriptor
    /// itself.
    pub fn get(&self, tables: &Tables, stored: &[u8]) -> Result<Arc<[u8]>> {
        let (Some(table), Ok(number)) = (&tables.descriptors, <[u8; 8]>::try_from(stored)) else {
            return Ok(stored.into());
        };
        let number = i64::from_le_bytes(number);
        let kept = || self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept().get(&number) {
            return Ok(known.clone());
        }
        let lacks = |what: &str| {
            tables.inconsistent(&format!("security descriptor {number}"), what, "none")
        };
        let (Some(index), Some(id), Some(value)) = (
            table.index("sd_id_index"),
            table.column("sd_id"),
            table.column("sd_value"),
        ) else {
            return Err(lacks("the index and columns of sd_table"));
        };
        let mut key = table.key(index);
        let stored_number = number.to_le_bytes();
        key.push_stored(Some(&stored_number))
            .map_err(|error| lacks(&error.to_string()))?;
        let key = key.finish();
        let mut rows = tables.database.rows(table);
        let row = if index.flags.is_primary() {
            rows.find(&key)?
        } else {
            let mut entries = tables.database.entries(index);
            let bookmark = match entries.seek(&key)? {
                Some(entry) if entry.key.starts_with(&key) => entry.bookmark.to_vec(),
                _ => return Err(lacks("an entry in sd_id_index")),
            };
            rows.find(&bookmark)?
        };
        let row = row.ok_or_else(|| lacks("a row of sd_table"))?;
        debug_assert_eq!(tables.number(&row, Some(id))?, Some(number));
        let bytes = row.value(value)?.ok_or_else(|| lacks("a value"))?;
        // The first one is preceded by four bytes.
        let descriptor: Arc<[u8]> = bytes
            .strip_prefix(&[0x0f, 0, 0, 0])
            .unwrap_or(&bytes)
            .into();
        let mut kept = kept();
        if kept.len() >= MOST_KEPT {
            kept.clear();
        }
        kept.insert(number, descriptor.clone());
        Ok(descriptor)
    }
}
