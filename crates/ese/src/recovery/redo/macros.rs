//! Macros: records that take effect together, at the macro's commit. Splits, merges and moves of a
//! tree's root are logged this way.

use std::ops::Range;

use crate::log::Entry;
use crate::log::record::{Malformed, Record};

/// The records of an uncommitted macro.
#[derive(Debug)]
pub(super) struct OpenMacro {
    /// The DBTIME of all records of the macro.
    pub dbtime: u64,
    bytes: Vec<u8>,
    records: Vec<Range<usize>>,
}

impl OpenMacro {
    pub fn new(dbtime: u64) -> Self {
        OpenMacro {
            dbtime,
            bytes: Vec::new(),
            records: Vec::new(),
        }
    }

    pub fn add(&mut self, entry: &Entry<'_>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(entry.bytes);
        self.records.push(start..self.bytes.len());
    }

    /// The records, in order.
    pub fn parse(&self) -> Result<Vec<Record<'_>>, Malformed> {
        (self.records.iter())
            .map(|range| Ok(Record::parse(&self.bytes[range.clone()])?.0))
            .collect()
    }
}
