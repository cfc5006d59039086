//! The matching objects of a part of a directory.

use super::{Filter, Matcher};
use crate::schema::Schema;
use crate::{Entry, Error, ObjectId, Result, Scope, Source, Wanted};

/// A search: which objects, and what of them.
pub struct Search<'s> {
    /// The directory.
    pub source: &'s dyn Source,
    /// The objects at and beneath these.
    pub bases: &'s [ObjectId],
    /// How far beneath.
    pub scope: Scope,
    /// What must match.
    pub filter: &'s Filter,
    /// What is read of the objects that match: at least the attributes in the filter.
    pub wanted: &'s Wanted,
}

impl Search<'_> {
    /// Calls `each` with every matching object, parents before their children. `admits` sees each
    /// object before it is matched, possibly with less than is wanted, may take values from it, and
    /// tells whether it counts; it sees an object again if more of it is read.
    ///
    /// # Errors
    /// Fails if the directory is damaged, and with the errors of the functions.
    pub fn run<E: From<Error>>(
        &self,
        mut admits: impl FnMut(&mut Entry) -> Result<bool, E>,
        mut each: impl FnMut(Entry) -> Result<(), E>,
    ) -> Result<(), E> {
        let Self {
            source,
            filter,
            wanted,
            ..
        } = *self;
        let matcher = Matcher::new(source);
        let (bases, scope, deleted) = (self.bases, self.scope, wanted.deleted);
        if let Some(ids) = filter.candidates_within(source, bases, scope, deleted)? {
            for id in ids {
                if let Some(mut entry) = source.entry(id, wanted)?
                    && admits(&mut entry)?
                    && matcher.matches(filter, &entry)?
                {
                    each(entry)?;
                }
            }
            return Ok(());
        }
        // What decides is read of all objects, the rest only of those that match.
        let decisive = filter.decisive(wanted, source.schema());
        for base in bases {
            for entry in source.scan(*base, scope, decisive.as_ref().unwrap_or(wanted))? {
                let mut entry = entry?;
                if !admits(&mut entry)? || !matcher.matches(filter, &entry)? {
                    continue;
                }
                if decisive.is_none() {
                    each(entry)?;
                } else if let Some(mut whole) = source.entry(entry.id, wanted)?
                    && admits(&mut whole)?
                {
                    each(whole)?;
                }
            }
        }
        Ok(())
    }
}

impl Filter {
    /// The part of `wanted` that decides whether an object matches. `None` if reading it first
    /// saves nothing.
    fn decisive(&self, wanted: &Wanted, schema: &Schema) -> Option<Wanted> {
        let names = self.attributes();
        let is_link = |name: &str| {
            schema
                .attribute(name)
                .is_some_and(|it| it.link_id.is_some())
        };
        let is_costly = match &wanted.attributes {
            None => true,
            Some(all) => {
                let mut more = all.iter().filter(|name| !names.contains(*name));
                wanted.metadata || wanted.descriptor || more.any(|name| is_link(name))
            }
        };
        if !is_costly || self.matches_most() {
            return None;
        }
        let known = names.iter().filter_map(|name| schema.attribute(name));
        let names: Vec<&str> = known.map(|attribute| &*attribute.name).collect();
        Some(Wanted {
            deleted: wanted.deleted,
            ..Wanted::only(names)
        })
    }

    /// Whether nearly every object matches.
    fn matches_most(&self) -> bool {
        match self {
            Self::And(filters) => filters.iter().all(Self::matches_most),
            Self::Or(filters) => filters.iter().any(Self::matches_most),
            Self::Not(_) => true,
            Self::Present(name) => name.eq_ignore_ascii_case("objectClass"),
            _ => false,
        }
    }
}
