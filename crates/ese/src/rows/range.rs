//! Parts of an index.

use std::cmp::Ordering;
use std::ops::Bound;

use crate::Result;
use crate::page::Key;
use crate::tree::TreeCursor;

/// A range of keys. As a bound, a key means all keys that begin with it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyRange {
    /// The least byte string in the range.
    low: Vec<u8>,
    /// The least byte string beyond the range; `None` if there is none.
    high: Option<Vec<u8>>,
}

impl KeyRange {
    /// All keys.
    pub fn all() -> Self {
        Self::default()
    }

    /// The keys that begin with `start`.
    pub fn beginning_with(start: &[u8]) -> Self {
        Self::new(Bound::Included(start), Bound::Included(start))
    }

    /// The keys from `from` to `to`.
    pub fn new(from: Bound<&[u8]>, to: Bound<&[u8]>) -> Self {
        let nothing = || (Vec::new(), Some(Vec::new()));
        let (low, none) = match from {
            Bound::Unbounded => (Vec::new(), None),
            Bound::Included(key) => (key.to_vec(), None),
            Bound::Excluded(key) => match beyond(key) {
                Some(low) => (low, None),
                None => nothing(),
            },
        };
        let high = match to {
            Bound::Unbounded => None,
            Bound::Included(key) => beyond(key),
            Bound::Excluded(key) => Some(key.to_vec()),
        };
        Self {
            low,
            high: none.or(high),
        }
    }

    /// Whether `key` is in the range.
    pub fn contains(&self, key: &Key<'_>) -> bool {
        !self.is_below(key) && !self.is_beyond(key)
    }

    fn is_below(&self, key: &Key<'_>) -> bool {
        !self.low.is_empty() && key.cmp(&Key::whole(&self.low)) == Ordering::Less
    }

    fn is_beyond(&self, key: &Key<'_>) -> bool {
        (self.high.as_ref()).is_some_and(|high| key.cmp(&Key::whole(high)) != Ordering::Less)
    }

    /// Moves `cursor` to the next node in the range; `false` at its end.
    #[inline]
    pub(super) fn advance(&self, cursor: &mut TreeCursor<'_>) -> Result<bool> {
        if self.low.is_empty() && self.high.is_none() {
            return cursor.advance();
        }
        if cursor.page().is_none() {
            return self.seek(cursor, &[]);
        }
        // At the end the cursor stays, so that a step back leads to the last node.
        if !Self::holds(cursor, |key| self.is_beyond(key))? {
            cursor.advance()?;
        }
        Self::holds(cursor, |key| !self.is_beyond(key))
    }

    /// Moves `cursor` to the previous node; `false` at the start of the range.
    pub(super) fn retreat(&self, cursor: &mut TreeCursor<'_>) -> Result<bool> {
        if self.low.is_empty() && self.high.is_none() {
            return cursor.retreat();
        }
        if cursor.page().is_none()
            && let Some(high) = &self.high
        {
            cursor.seek(high, &[])?;
        }
        if !Self::holds(cursor, |key| self.is_below(key))? {
            cursor.retreat()?;
        }
        Self::holds(cursor, |key| !self.is_below(key))
    }

    /// Moves `cursor` to the first node in the range whose key is not less than `key`; `false` if
    /// there is none.
    pub(super) fn seek(&self, cursor: &mut TreeCursor<'_>, key: &[u8]) -> Result<bool> {
        cursor.seek(key.max(&self.low), &[])?;
        Self::holds(cursor, |key| !self.is_beyond(key))
    }

    /// Whether `cursor` is at a node in the range.
    pub(super) fn holds_cursor(&self, cursor: &TreeCursor<'_>) -> Result<bool> {
        Self::holds(cursor, |key| self.contains(key))
    }

    #[inline]
    fn holds(cursor: &TreeCursor<'_>, test: impl Fn(&Key<'_>) -> bool) -> Result<bool> {
        Ok(cursor.node()?.is_some_and(|node| test(&node.key)))
    }
}

/// The least byte string that is greater than all that begin with `start`.
fn beyond(start: &[u8]) -> Option<Vec<u8>> {
    let last = start.iter().rposition(|byte| *byte != 0xff)?;
    let mut next = start[..=last].to_vec();
    next[last] += 1;
    Some(next)
}
