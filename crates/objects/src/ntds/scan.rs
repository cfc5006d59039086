//! Scans of entries.

use ese::catalog::Index;
use ese::rows::KeyRange;
use ntds::Dnt;

use super::core::{Core, dnt_of, dnt_of_entry, id_of};
use super::tables::{ROOT, range_of};
use crate::{Entries, Entry, Ids, ObjectId, Reader, Result, Scope, Wanted};

/// The objects at and beneath `base`.
pub fn scan<'s>(
    core: &'s Core,
    base: ObjectId,
    scope: Scope,
    wanted: &'s Wanted,
) -> Result<Entries<'s>> {
    let mut read = reader(core, base, scope, wanted)?;
    let entries = ids(core, base, scope)?.map(move |id| read(id?));
    Ok(until_error(entries.filter_map(Result::transpose)))
}

/// The ids of the objects at and beneath `base`, and of rows that are no objects. Those of a whole
/// tree come level by level, each in the order of the rows: so every page of rows is read once,
/// where the order of the index leads from page to page.
pub fn ids<'s>(core: &'s Core, base: ObjectId, scope: Scope) -> Result<Ids<'s>> {
    let dnt = dnt_of(base).ok_or_else(|| no_base(core, base))?;
    let (index, range) = match scope {
        Scope::Base => return Ok(Box::new(std::iter::once(Ok(base)))),
        Scope::Subtree => (ancestors(core)?, subtree(core, dnt)?),
        _ => (core.tables.children()?, range_of(dnt)),
    };
    let mut entries = core.tables.database.entries(index).within(range);
    let tables = &core.tables;
    if scope == Scope::Subtree {
        let mut found = Vec::new();
        let mut next = || -> Result<Option<(usize, Dnt)>> {
            let Some(entry) = entries.next()? else {
                return Ok(None);
            };
            let dnt = dnt_of_entry(tables, &entry)?;
            Ok(Some((level(&entry.key.to_vec()), dnt)))
        };
        // Where the index is damaged, the error comes after what was found before.
        let failed = loop {
            match next() {
                Ok(Some(one)) => found.push(one),
                Ok(None) => break None,
                Err(error) => break Some(Err(error)),
            }
        };
        found.sort_unstable();
        let found = found.into_iter().map(|(_, dnt)| Ok(id_of(dnt)));
        return Ok(Box::new(found.chain(failed)));
    }
    Ok(until_error(std::iter::from_fn(move || {
        let entry = entries.next().map_err(crate::Error::from).transpose()?;
        Some(entry.and_then(|entry| dnt_of_entry(tables, &entry).map(id_of)))
    })))
}

/// Reads what [`ids`] gives; `None` for what a scan omits.
pub fn reader<'s>(
    core: &'s Core,
    base: ObjectId,
    scope: Scope,
    wanted: &'s Wanted,
) -> Result<Reader<'s>> {
    let own = core.entry(base, &core.select(&Wanted::names()))?;
    let context = own.and_then(|own| own.naming_context);
    let context = context.filter(|_| !matches!(scope, Scope::Children | Scope::Base));
    let deleted = wanted.deleted || matches!(scope, Scope::Children | Scope::Base);
    let selection = core.select(wanted);
    let mut rows = core.rows();
    Ok(Box::new(move |id| {
        let dnt = dnt_of(id).ok_or_else(|| no_base(core, id))?;
        let entry = match rows.find(&ntds::key_of(dnt))? {
            Some(row) => core.entry_of(&row, &selection)?,
            None if scope == Scope::Base => None,
            None => {
                let place = format!("DNT {dnt} of an index");
                return Err(core.tables.inconsistent(&place, "a row", "none"));
            }
        };
        Ok(entry.filter(|entry| {
            let fits = context.is_none() || entry.naming_context == context;
            fits && (deleted || !entry.is_hidden)
        }))
    }))
}

fn no_base(core: &Core, base: ObjectId) -> crate::Error {
    (core.tables).inconsistent(&format!("base {}", base.0), "an object", "none")
}

/// Ends after the first error: what follows it is not worth more.
fn until_error<'s, T: 's>(
    items: impl Iterator<Item = Result<T>> + 's,
) -> Box<dyn Iterator<Item = Result<T>> + 's> {
    let mut has_failed = false;
    Box::new(items.take_while(move |item| {
        let goes_on = !has_failed;
        has_failed = item.is_err();
        goes_on
    }))
}

/// All objects in the order of their numbers.
pub fn all<'s>(core: &'s Core, wanted: &'s Wanted) -> Entries<'s> {
    let selection = core.select(wanted);
    let mut rows = core.rows();
    let next = move || {
        let row = rows.next().map_err(crate::Error::from).transpose()?;
        Some(row.and_then(|row| core.entry_of(&row, &selection)))
    };
    let entries = std::iter::from_fn(next).filter_map(Result::transpose);
    let fits = |entry: &Result<Entry>| match entry {
        Ok(entry) => wanted.deleted || !entry.is_hidden,
        Err(_) => true,
    };
    until_error(entries.filter(fits))
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

/// The bytes of a piece of a key of `Ancestors_index`. Such a key is the DNTs of all ancestors and of
/// the object, four bytes each, in pieces, each followed by a byte: [`MORE`] if another piece
/// follows, otherwise the number of its bytes that count.
const PIECE: usize = 8;
const MORE: u8 = 9;

/// How many bytes of DNTs are in a key of `Ancestors_index`; a truncated key is the deepest.
fn level(key: &[u8]) -> usize {
    let bytes = key.len().saturating_sub(1);
    let (pieces, rest) = (bytes / (PIECE + 1), bytes % (PIECE + 1));
    match key.last() {
        Some(count) if rest == 0 && *count < MORE => {
            pieces.saturating_sub(1) * PIECE + usize::from(*count)
        }
        _ => usize::MAX,
    }
}

/// The entries of `Ancestors_index` beneath an object.
fn subtree(core: &Core, dnt: Dnt) -> Result<KeyRange> {
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
