//! The matching objects of a part of a directory.

use std::cell::RefCell;

use super::{Filter, Matcher};
use crate::schema::Schema;
use crate::{Entry, Error, ObjectId, Result, Scope, Source, Wanted};

/// An object that matches.
pub enum Match {
    /// With all that is wanted.
    Whole(Entry),
    /// Only what decides was read; [`Match::read`] gives the rest.
    Found(ObjectId),
}

impl Match {
    /// With all that is wanted; `None` if the object is not there any more.
    ///
    /// # Errors
    /// Fails if the directory is damaged.
    pub fn read(self, source: &dyn Source, wanted: &Wanted) -> Result<Option<Entry>> {
        match self {
            Self::Whole(entry) => Ok(Some(entry)),
            Self::Found(id) => source.entry(id, wanted),
        }
    }
}

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
        // Both need it, one after the other.
        let admits = RefCell::new(&mut admits);
        let admitted = |entry: &mut Entry| (admits.borrow_mut())(entry);
        self.matches(admitted, |found| {
            let is_part = matches!(found, Match::Found(_));
            let Some(mut entry) = found.read(self.source, self.wanted)? else {
                return Ok(());
            };
            match is_part && !admitted(&mut entry)? {
                true => Ok(()),
                false => each(entry),
            }
        })
    }

    /// As [`Search::run`], but what is wanted of an object and does not decide is left to the
    /// caller, who may read it in another thread. `admits` sees each object once.
    ///
    /// # Errors
    /// As [`Search::run`].
    pub fn matches<E: From<Error>>(
        &self,
        mut admits: impl FnMut(&mut Entry) -> Result<bool, E>,
        mut each: impl FnMut(Match) -> Result<(), E>,
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
                    each(Match::Whole(entry))?;
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
                each(match decisive {
                    None => Match::Whole(entry),
                    Some(_) => Match::Found(entry.id),
                })?;
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
