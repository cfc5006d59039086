//! Which objects a command is about, and which attributes of them.

use std::collections::HashSet;

use backup::Progress as _;
use documents::ldif;
use objects::filter::{Filter, Search};
use objects::{Entry, ObjectId, Scope, Source, Wanted};

use super::in_order::in_order;
use super::source;
use crate::cli::{PlaceOptions, ScopeOption};
use crate::failure::{Failure, Result};
use crate::report::Bar;

/// Which objects, and what of them.
pub struct Selection<'o> {
    place: &'o PlaceOptions,
    filter: Option<Filter>,
    /// In lower case; all where there are none.
    names: HashSet<String>,
    wanted: Wanted,
}

impl<'o> Selection<'o> {
    /// From the command line. `all` where no attributes are named.
    ///
    /// # Errors
    /// [`Failure::NotFound`] for a filter that is none and attributes that the schema does not
    /// know.
    pub fn new(
        source: &dyn Source,
        place: &'o PlaceOptions,
        filter: Option<&str>,
        attributes: &[String],
        all: bool,
    ) -> Result<Self> {
        let filter: Option<Filter> = match filter {
            Some(text) => Some(
                (text.parse()).map_err(|error| Failure::NotFound(format!("{text:?}: {error}")))?,
            ),
            None => None,
        };
        let mut names = HashSet::new();
        for name in attributes {
            let Some(attribute) = source.schema().attribute(name) else {
                return Err(Failure::NotFound(format!(
                    "{name}: the directory's schema has no attribute of this name"
                )));
            };
            names.insert(attribute.name.to_ascii_lowercase());
        }
        const DESCRIPTOR: &str = "ntsecuritydescriptor";
        let mut filters = filter.iter();
        let mut wanted = Wanted {
            links: true,
            back_links: true,
            descriptor: names.contains(DESCRIPTOR)
                || filters.any(|filter| filter.attributes().contains(DESCRIPTOR)),
            deleted: place.deleted,
            ..Wanted::default()
        };
        if !all || !names.is_empty() {
            let of_filter = filter.iter().flat_map(Filter::attributes);
            let known = of_filter.filter_map(|name| source.schema().attribute(&name).cloned());
            let own = ["objectclass"].into_iter().map(str::to_owned);
            let known = known.map(|attribute| attribute.name.to_ascii_lowercase());
            wanted.attributes = Some(names.iter().cloned().chain(known).chain(own).collect());
        }
        Ok(Self {
            place,
            filter,
            names,
            wanted,
        })
    }

    /// A bar for [`Self::visit`].
    ///
    /// # Errors
    /// Where the directory is damaged.
    pub fn watched(&self, source: &dyn Source, bar: Bar) -> Result<Bar> {
        match self.place.base {
            None => watched(source, bar),
            Some(_) => Ok(bar.counting("objects")),
        }
    }

    /// Calls `visit` with each object, parents before their children, with the attributes that are
    /// asked for. The bar counts the objects that were looked at.
    ///
    /// # Errors
    /// Where the directory is damaged, and those of `visit`.
    pub fn visit(
        &self,
        source: &dyn Source,
        bar: &Bar,
        mut visit: impl FnMut(Entry) -> Result<()>,
    ) -> Result<()> {
        let bases = self.bases(source)?;
        let search = self.search(source, &bases);
        let mut judge = search.judge();
        search.candidates(|candidate| {
            bar.advance(1);
            match judge.judge(candidate, all)? {
                Some(entry) => visit(self.shown(entry)),
                None => Ok(()),
            }
        })
    }

    /// As [`Self::visit`], with the work of all processors: `render` makes a text of each object,
    /// `write` gets the texts of some objects at a time, in order.
    ///
    /// # Errors
    /// As [`Self::visit`]; all before the first error was written.
    pub fn write(
        &self,
        source: &dyn Source,
        bar: &Bar,
        render: impl Fn(&Entry, &mut Vec<u8>) -> Result<()> + Sync,
        write: impl FnMut(&[u8]) -> Result<()> + Send,
    ) -> Result<()> {
        let bases = self.bases(source)?;
        let search = self.search(source, &bases);
        in_order(
            |send| search.candidates(send),
            || {
                let mut judge = search.judge();
                let render = &render;
                move |candidate, text: &mut Vec<u8>| {
                    bar.advance(1);
                    match judge.judge(candidate, all)? {
                        Some(entry) => render(&self.shown(entry), text),
                        None => Ok(()),
                    }
                }
            },
            write,
        )
    }

    fn search<'s>(&'s self, source: &'s dyn Source, bases: &'s [ObjectId]) -> Search<'s> {
        let scope = match self.place.scope {
            ScopeOption::Base => Scope::Base,
            ScopeOption::One => Scope::OneLevel,
            ScopeOption::Sub => Scope::Subtree,
        };
        Search::new(source, (bases, scope), self.filter.as_ref(), &self.wanted)
    }

    fn bases(&self, source: &dyn Source) -> Result<Vec<ObjectId>> {
        let contexts = source.facts().naming_contexts.iter();
        match &self.place.base {
            Some(base) => Ok(vec![source::at(source, base)?]),
            None => Ok(contexts.map(|context| context.id).collect()),
        }
    }

    /// An object with the attributes that are to be shown.
    fn shown(&self, mut entry: Entry) -> Entry {
        (entry.attributes).retain(|attribute| self.has(&attribute.schema.name));
        entry
    }

    /// Whether an attribute is to be shown.
    fn has(&self, name: &str) -> bool {
        match self.names.is_empty() {
            true => !ldif::is_only_by_name(name),
            false => self.names.contains(&name.to_ascii_lowercase()),
        }
    }
}

/// Every object counts.
fn all(_: &mut Entry) -> Result<bool> {
    Ok(true)
}

/// A bar for reading all objects of a directory.
///
/// # Errors
/// Where the directory is damaged.
pub fn watched(source: &dyn Source, bar: Bar) -> Result<Bar> {
    let bar = bar.counting("objects");
    // Counting is some work too, of no use where nobody looks.
    if bar.is_shown()
        && let Some(objects) = source.estimated_objects()?
    {
        bar.count_anew(objects);
    }
    Ok(bar)
}
