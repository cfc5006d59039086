//! The matching objects of a part of a directory.

use super::candidates::{are_few, within};
use super::{Filter, Matcher};
use crate::schema::Schema;
use crate::{Entry, Error, ObjectId, Reader, Result, Scope, Source, Wanted};

/// An object that may match.
pub enum Candidate {
    /// An object with all that is wanted.
    Whole(Entry),
    /// An object with what decides whether it matches.
    Part(Entry),
    /// An object at or beneath one of the bases, by the base's place among them, not read yet.
    Unread(usize, ObjectId),
    /// The same of an object that nearly certainly matches.
    Likely(usize, ObjectId),
}

/// A search: which objects, and what of them.
pub struct Search<'s> {
    source: &'s dyn Source,
    bases: &'s [ObjectId],
    scope: Scope,
    filter: Option<&'s Filter>,
    wanted: &'s Wanted,
    decisive: Option<Wanted>,
}

impl<'s> Search<'s> {
    /// The search of the objects at and beneath the bases, as far as the scope goes. All objects
    /// match where there is no filter; of those that match is read what is wanted: at least the
    /// attributes in the filter.
    pub fn new(
        source: &'s dyn Source,
        (bases, scope): (&'s [ObjectId], Scope),
        filter: Option<&'s Filter>,
        wanted: &'s Wanted,
    ) -> Self {
        Self {
            decisive: filter.and_then(|filter| filter.decisive(wanted, source.schema())),
            source,
            bases,
            scope,
            filter,
            wanted,
        }
    }

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
        let mut judge = self.judge();
        self.candidates(|candidate| match judge.judge(candidate, &mut admits)? {
            Some(entry) => each(entry),
            None => Ok(()),
        })
    }

    /// Calls `each` with every object that may match, parents before their children. Whether it
    /// does match, [`Judge::judge`] tells, in another thread if the caller likes.
    ///
    /// # Errors
    /// As [`Search::run`].
    pub fn candidates<E: From<Error>>(
        &self,
        mut each: impl FnMut(Candidate) -> Result<(), E>,
    ) -> Result<(), E> {
        let Self {
            source,
            bases,
            scope,
            ..
        } = *self;
        let deleted = self.wanted.deleted;
        let known = match self.filter {
            Some(filter) => filter.candidates_in(source, scope)?,
            None => None,
        };
        let known = match known {
            Some(ids) if are_few(&ids) => {
                let mut reader = source.reader(self.wanted);
                for id in within(source, ids, bases, scope, deleted)? {
                    if let Some(entry) = reader(id)? {
                        each(Candidate::Whole(entry))?;
                    }
                }
                return Ok(());
            }
            many => many,
        };
        let are_likely = known.is_some() && self.filter.is_some_and(Filter::asks_for_class);
        for (place, base) in bases.iter().enumerate() {
            if let Some(ids) = source.scan_ids(*base, scope, deleted)? {
                for id in ids {
                    let id = id?;
                    if (known.as_ref()).is_some_and(|ids| ids.binary_search(&id).is_err()) {
                        continue;
                    }
                    each(match are_likely {
                        true => Candidate::Likely(place, id),
                        false => Candidate::Unread(place, id),
                    })?;
                }
                continue;
            }
            for entry in source.scan(*base, scope, self.first())? {
                each(match self.decisive {
                    None => Candidate::Whole(entry?),
                    Some(_) => Candidate::Part(entry?),
                })?;
            }
        }
        Ok(())
    }

    /// Judges candidates: one for each thread.
    pub fn judge(&self) -> Judge<'_> {
        Judge {
            search: self,
            matcher: Matcher::new(self.source),
            first: self.bases.iter().map(|_| None).collect(),
            likely: self.bases.iter().map(|_| None).collect(),
            whole: None,
        }
    }

    /// What is read of all objects; the rest only of those that match.
    fn first(&self) -> &Wanted {
        self.decisive.as_ref().unwrap_or(self.wanted)
    }
}

/// Judges the candidates of a search. Its readers are made when they are first needed.
pub struct Judge<'s> {
    search: &'s Search<'s>,
    matcher: Matcher<'s>,
    /// By base.
    first: Vec<Option<Reader<'s>>>,
    /// The same for all that is wanted.
    likely: Vec<Option<Reader<'s>>>,
    whole: Option<Reader<'s>>,
}

impl Judge<'_> {
    /// The object, with all that is wanted, if it matches. `admits` as in [`Search::run`].
    ///
    /// # Errors
    /// Fails if the directory is damaged, and with the errors of `admits`.
    pub fn judge<E: From<Error>>(
        &mut self,
        candidate: Candidate,
        mut admits: impl FnMut(&mut Entry) -> Result<bool, E>,
    ) -> Result<Option<Entry>, E> {
        let (mut entry, is_whole) = match candidate {
            Candidate::Whole(entry) => (entry, true),
            Candidate::Part(entry) => (entry, false),
            Candidate::Unread(base, id) => {
                match read(self.search, &mut self.first, self.search.first(), base, id)? {
                    Some(entry) => (entry, self.search.decisive.is_none()),
                    None => return Ok(None),
                }
            }
            Candidate::Likely(base, id) => {
                match read(self.search, &mut self.likely, self.search.wanted, base, id)? {
                    Some(entry) => (entry, true),
                    None => return Ok(None),
                }
            }
        };
        if !admits(&mut entry)? {
            return Ok(None);
        }
        if let Some(filter) = self.search.filter
            && !self.matcher.matches(filter, &entry)?
        {
            return Ok(None);
        }
        if is_whole {
            return Ok(Some(entry));
        }
        let Search { source, wanted, .. } = *self.search;
        let whole = self.whole.get_or_insert_with(|| source.reader(wanted));
        let Some(mut entry) = whole(entry.id)? else {
            return Ok(None);
        };
        Ok(admits(&mut entry)?.then_some(entry))
    }
}

/// What is wanted of an object at or beneath a base. Keeps the reader of the base.
fn read<'s>(
    search: &'s Search<'s>,
    readers: &mut [Option<Reader<'s>>],
    wanted: &'s Wanted,
    base: usize,
    id: ObjectId,
) -> Result<Option<Entry>> {
    let (Some(object), Some(kept)) = (search.bases.get(base), readers.get_mut(base)) else {
        return Ok(None);
    };
    let read = match kept {
        Some(read) => read,
        None => kept.insert((search.source).scan_reader(*object, search.scope, wanted)?),
    };
    read(id)
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

    /// Whether it asks for nothing but a class of objects.
    fn asks_for_class(&self) -> bool {
        let is_class = |name: &str| {
            ["objectCategory", "objectClass"]
                .iter()
                .any(|own| name.eq_ignore_ascii_case(own))
        };
        match self {
            Self::And(filters) => filters.iter().all(Self::asks_for_class),
            Self::Equal(name, _) => is_class(name),
            _ => self.matches_most(),
        }
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
