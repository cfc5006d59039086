//! Scans of entries.

use ese::catalog::Index;
use ese::rows::{Entries as IndexEntries, KeyRange, Rows};
use ntds::Dnt;

use super::core::{Core, Selection, dnt_of};
use super::tables::{ROOT, range_of};
use crate::{Entries, Entry, ObjectId, Result, Scope, Wanted};

/// The objects at and beneath `base`.
pub fn scan<'s>(
    core: &'s Core,
    base: ObjectId,
    scope: Scope,
    wanted: &'s Wanted,
) -> Result<Entries<'s>> {
    let missing = || {
        core.tables
            .inconsistent(&format!("base {}", base.0), "an object", "none")
    };
    let dnt = dnt_of(base).ok_or_else(missing)?;
    let selection = core.select(wanted);
    let own = core.entry(base, &selection)?;
    if scope == Scope::Base {
        return Ok(Box::new(own.into_iter().map(Ok)));
    }
    let (index, range) = match scope {
        Scope::Subtree => (ancestors(core)?, subtree(core, dnt)?),
        _ => (core.tables.children()?, range_of(dnt)),
    };
    let context = match &own {
        Some(own) => own.naming_context,
        None => None,
    };
    Ok(Box::new(ByIndex {
        core,
        selection,
        entries: core.tables.database.entries(index).within(range),
        rows: core.tables.database.rows(&core.tables.data),
        context: context.filter(|_| scope != Scope::Children),
        deleted: wanted.deleted || scope == Scope::Children,
        is_over: false,
    }))
}

/// All objects in the order of their numbers.
pub fn all<'s>(core: &'s Core, wanted: &'s Wanted) -> Entries<'s> {
    Box::new(ByNumber {
        core,
        selection: core.select(wanted),
        rows: core.tables.database.rows(&core.tables.data),
        is_over: false,
    })
}

/// The entries of the index through which scans of trees go: objects, and some names of others.
pub fn estimated_objects(core: &Core) -> Result<u64> {
    let mut entries = core.tables.database.entries(ancestors(core)?);
    let mut count = 0;
    while entries.next()?.is_some() {
        count += 1;
    }
    Ok(count)
}

fn ancestors(core: &Core) -> Result<&Index> {
    let index = core.tables.data.index("Ancestors_index");
    index
        .ok_or_else(|| (core.tables).inconsistent("datatable", "the index Ancestors_index", "none"))
}

/// The entries of `Ancestors_index` beneath an object. Its keys are the DNTs of all ancestors and
/// of the object, four bytes each, in pieces of eight bytes, each followed by a byte: 9 if another
/// piece follows.
fn subtree(core: &Core, dnt: Dnt) -> Result<KeyRange> {
    const PIECE: usize = 8;
    const MORE: u8 = 9;
    let mut ancestors = Vec::new();
    let mut next = dnt;
    while next > ROOT && ancestors.len() < crate::dn::MOST_PARTS {
        ancestors.push(next);
        next = core.named(next)?.parent;
    }
    ancestors.push(ROOT);
    let bytes: Vec<u8> = (ancestors.iter().rev())
        .flat_map(|dnt| dnt.to_le_bytes())
        .collect();
    let [has_value, ..] = ntds::key_of(0);
    let mut key = vec![has_value];
    for (number, piece) in bytes.chunks(PIECE).enumerate() {
        if number > 0 {
            key.push(MORE);
        }
        key.extend(piece);
    }
    // Keys are truncated; for so deep an object the rows decide what is beneath it.
    let most = core
        .tables
        .data
        .index("Ancestors_index")
        .map_or(255, |index| usize::from(index.key_most).max(1));
    key.truncate(most);
    Ok(KeyRange::beginning_with(&key))
}

struct ByIndex<'s> {
    core: &'s Core,
    selection: Selection<'s>,
    entries: IndexEntries<'s>,
    rows: Rows<'s>,
    /// Restricts the scan to this naming context.
    context: Option<ObjectId>,
    deleted: bool,
    is_over: bool,
}

impl ByIndex<'_> {
    fn advance(&mut self) -> Result<Option<Entry>> {
        while let Some(entry) = self.entries.next()? {
            let Some(row) = self.rows.find(entry.bookmark)? else {
                let key = format!("key {:?}", entry.key.to_vec());
                return Err((self.core.tables).inconsistent(&key, "a row", "none"));
            };
            let Some(entry) = self.core.entry_of(&row, &self.selection)? else {
                continue;
            };
            let fits = self.context.is_none() || entry.naming_context == self.context;
            if fits && (self.deleted || !entry.is_hidden) {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }
}

impl Iterator for ByIndex<'_> {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let next = self.advance().transpose();
        self.is_over = !matches!(next, Some(Ok(_)));
        next
    }
}

struct ByNumber<'s> {
    core: &'s Core,
    selection: Selection<'s>,
    rows: Rows<'s>,
    is_over: bool,
}

impl ByNumber<'_> {
    fn advance(&mut self) -> Result<Option<Entry>> {
        while let Some(row) = self.rows.next()? {
            let entry = self.core.entry_of(&row, &self.selection)?;
            let fits = |entry: &Entry| self.selection.wanted.deleted || !entry.is_hidden;
            if let Some(entry) = entry.filter(fits) {
                return Ok(Some(entry));
            }
        }
        Ok(None)
    }
}

impl Iterator for ByNumber<'_> {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let next = self.advance().transpose();
        self.is_over = !matches!(next, Some(Ok(_)));
        next
    }
}
