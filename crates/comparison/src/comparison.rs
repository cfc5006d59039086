//! The passes over two directories, and the changes.

use std::sync::Arc;

use ids::Guid;
use objects::{Entry, Lookup, ObjectId, Source, Wanted, dn};

use crate::compare::{Seen, compare, folded_parent};
use crate::fingerprint::Fingerprints;
use crate::pass::{Met, Parents, Pass, met, over};
use crate::{Error, ObjectChange, Options, Result};

/// Two directories, of which is known which objects may differ.
pub struct Comparison<'s> {
    before: Side<'s>,
    after: Side<'s>,
    options: Options,
    candidates: Vec<Candidate>,
}

struct Side<'s> {
    source: &'s dyn Source,
    wanted: Wanted,
    /// Objects compared.
    objects: usize,
    without_guid: usize,
    without_descriptor: usize,
}

/// An object that may differ.
struct Candidate {
    before: Option<Place>,
    after: Option<Place>,
}

/// Where an object is in its directory.
struct Place {
    id: ObjectId,
    parent: Option<Guid>,
    dn: Arc<str>,
}

impl<'s> Comparison<'s> {
    /// Passes over both directories, at the same time.
    ///
    /// # Errors
    /// Where one cannot be read, or neither has the base.
    pub fn new(before: &'s dyn Source, after: &'s dyn Source, options: Options) -> Result<Self> {
        Self::watched(before, after, options, &|| {})
    }

    /// As [`Self::new`]. Calls `watch` for each object of either directory, from two threads.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn watched(
        before: &'s dyn Source,
        after: &'s dyn Source,
        options: Options,
        watch: &(dyn Fn() + Sync),
    ) -> Result<Self> {
        let side = |source: &'s dyn Source| Side {
            source,
            wanted: options.wanted(source.schema()),
            objects: 0,
            without_guid: 0,
            without_descriptor: 0,
        };
        let [mut before, mut after] = [before, after].map(side);
        let fingerprints = Fingerprints::new(&options);
        let pass =
            |side: &Side<'s>| over(side.source, &side.wanted, &options, &fingerprints, watch);
        let (ones, others) = std::thread::scope(|scope| {
            let ones = scope.spawn(|| pass(&before));
            let others = pass(&after);
            let ones = ones
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            (ones, others)
        });
        let (ones, others) = (ones?, others?);
        if let (None, None, Some(base)) = (&ones, &others, &options.base) {
            return Err(Error::NoBase(base.clone()));
        }
        let ones = before.note(ones);
        let others = after.note(others);
        let mut candidates = candidates(&before, ones, &after, others, &options, &fingerprints)?;
        candidates.sort_by_cached_key(|candidate| order(candidate.dn()));
        Ok(Self {
            before,
            after,
            options,
            candidates,
        })
    }

    /// How many objects were compared in each directory, deleted ones included.
    pub fn objects(&self) -> [usize; 2] {
        [self.before.objects, self.after.objects]
    }

    /// How many objects of each directory have no objectGUID, so that nothing could be compared
    /// with them.
    pub fn without_guid(&self) -> [usize; 2] {
        [self.before.without_guid, self.after.without_guid]
    }

    /// How many objects of each directory show no security descriptor, so that it was not compared:
    /// a server shows them only to some accounts.
    pub fn without_descriptor(&self) -> [usize; 2] {
        [
            self.before.without_descriptor,
            self.after.without_descriptor,
        ]
    }

    /// How many objects may differ: at most so many changes follow.
    pub fn candidates(&self) -> usize {
        self.candidates.len()
    }

    /// The changes, in the order of the tree, parents before their children. Each is found when it
    /// is asked for.
    pub fn changes(&self) -> Changes<'_> {
        Changes {
            comparison: self,
            candidates: self.candidates.iter(),
        }
    }

    fn change(&self, candidate: &Candidate) -> Result<Option<ObjectChange>> {
        let read = |side: &Side<'s>, place: &Option<Place>| -> Result<Option<Entry>> {
            Ok(match place {
                Some(place) => side.source.entry(place.id, &side.wanted)?,
                None => None,
            })
        };
        let before = read(&self.before, &candidate.before)?;
        let after = read(&self.after, &candidate.after)?;
        fn seen<'e>(
            side: &'e Side<'_>,
            entry: &'e Option<Entry>,
            place: &Option<Place>,
        ) -> Option<Seen<'e>> {
            Some(Seen {
                entry: entry.as_ref()?,
                parent: place.as_ref().and_then(|place| place.parent),
                schema: side.source.schema(),
            })
        }
        Ok(compare(
            seen(&self.before, &before, &candidate.before),
            seen(&self.after, &after, &candidate.after),
            &self.options,
        ))
    }
}

/// Changes, one by one.
pub struct Changes<'c> {
    comparison: &'c Comparison<'c>,
    candidates: std::slice::Iter<'c, Candidate>,
}

impl Iterator for Changes<'_> {
    type Item = Result<ObjectChange>;

    fn next(&mut self) -> Option<Self::Item> {
        for candidate in self.candidates.by_ref() {
            if let Some(change) = self.comparison.change(candidate).transpose() {
                return Some(change);
            }
        }
        None
    }
}

impl Side<'_> {
    fn note(&mut self, pass: Option<Pass>) -> Vec<Met> {
        let pass = pass.unwrap_or(Pass {
            met: Vec::new(),
            without_guid: 0,
            without_descriptor: 0,
        });
        self.objects = pass.met.len();
        self.without_guid = pass.without_guid;
        self.without_descriptor = pass.without_descriptor;
        pass.met
    }

    /// An object that the pass did not meet; `None` where the directory has none of this GUID.
    fn look_up(&self, guid: Guid, fingerprints: &Fingerprints<'_>) -> Result<Option<Met>> {
        let found = self.source.find(&Lookup::Guid(guid))?;
        let Some(id) = found.first() else {
            return Ok(None);
        };
        let entry = self.source.entry(*id, &self.wanted)?;
        Ok(entry.and_then(|entry| met(&entry, self.source, fingerprints)))
    }
}

impl Candidate {
    fn dn(&self) -> &str {
        let place = self.after.as_ref().or(self.before.as_ref());
        place.map_or("", |place| &place.dn)
    }
}

/// Merges two passes, both by GUID.
fn candidates(
    before: &Side<'_>,
    ones: Vec<Met>,
    after: &Side<'_>,
    others: Vec<Met>,
    options: &Options,
    fingerprints: &Fingerprints<'_>,
) -> Result<Vec<Candidate>> {
    let mut parents = [
        Parents::new(before.source, &ones),
        Parents::new(after.source, &others),
    ];
    let mut candidates = Vec::new();
    let (mut ones, mut others) = (ones.into_iter().peekable(), others.into_iter().peekable());
    loop {
        let order = match (ones.peek(), others.peek()) {
            (None, None) => return Ok(candidates),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some(one), Some(other)) => one.guid.0.cmp(&other.guid.0),
        };
        let (mut one, mut other) = (None, None);
        if order.is_le() {
            one = ones.next();
        }
        if order.is_ge() {
            other = others.next();
        }
        if options.is_partial() {
            match (&one, &other) {
                (Some(met), None) => other = after.look_up(met.guid, fingerprints)?,
                (None, Some(met)) => one = before.look_up(met.guid, fingerprints)?,
                _ => {}
            }
        }
        let is_dead = |met: &Option<Met>| met.as_ref().is_none_or(|met| met.state.is_deleted());
        if !options.deleted && is_dead(&one) && is_dead(&other) {
            continue;
        }
        let [above_one, above_other] = &mut parents;
        let place = |met: &Option<Met>, parents: &mut Parents<'_>| -> Result<Option<Place>> {
            let Some(met) = met else { return Ok(None) };
            Ok(Some(Place {
                id: met.id,
                parent: parents.guid(met.parent)?,
                dn: met.dn.clone(),
            }))
        };
        let candidate = Candidate {
            before: place(&one, above_one)?,
            after: place(&other, above_other)?,
        };
        let is_same = match (&one, &other, &candidate.before, &candidate.after) {
            (Some(one), Some(other), Some(before), Some(after)) => {
                let same_parent = match (before.parent, after.parent) {
                    (Some(one), Some(other)) => one == other,
                    _ => folded_parent(&before.dn) == folded_parent(&after.dn),
                };
                one.fingerprint == other.fingerprint && one.state == other.state && same_parent
            }
            _ => false,
        };
        if !is_same {
            candidates.push(candidate);
        }
    }
}

/// Sorts names by the tree.
fn order(name: &str) -> Vec<String> {
    let parts = dn::parse(name).unwrap_or_default();
    let parts = parts.into_iter().rev();
    parts.map(|part| part.value.to_lowercase()).collect()
}
