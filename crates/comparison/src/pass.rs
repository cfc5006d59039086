//! One pass over a directory.

use std::collections::HashMap;
use std::sync::Arc;

use ids::Guid;
use objects::{Entry, Lookup, ObjectId, Scope, Source, State, Wanted};

use crate::compare::DESCRIPTOR;
use crate::fingerprint::Fingerprints;
use crate::{Options, Result};

/// An object that was met.
#[derive(Debug, Clone)]
pub struct Met {
    pub guid: Guid,
    pub id: ObjectId,
    pub parent: Option<ObjectId>,
    pub dn: Arc<str>,
    pub state: State,
    pub fingerprint: u64,
}

/// The objects that were met, by GUID.
pub struct Pass {
    pub met: Vec<Met>,
    /// Objects without objectGUID, which nothing can be compared with.
    pub without_guid: usize,
    /// Objects whose security descriptor cannot be read: each object has one.
    pub without_descriptor: usize,
}

/// Passes over a directory, and calls `watch` for each object; `None` where it has no object of the
/// base's name.
pub fn over(
    source: &dyn Source,
    wanted: &Wanted,
    options: &Options,
    fingerprints: &Fingerprints<'_>,
    watch: &(dyn Fn() + Sync),
) -> Result<Option<Pass>> {
    let entries = match &options.base {
        None => source.all(wanted)?,
        Some(base) => match source.find(&Lookup::Dn(base))?.first() {
            Some(base) => source.scan(*base, Scope::Subtree, wanted)?,
            None => return Ok(None),
        },
    };
    let mut pass = Pass {
        met: Vec::new(),
        without_guid: 0,
        without_descriptor: 0,
    };
    for entry in entries {
        let entry = entry?;
        watch();
        if !options.has_class(&entry) {
            continue;
        }
        if wanted.descriptor && entry.value(DESCRIPTOR).is_none() {
            pass.without_descriptor += 1;
        }
        match met(&entry, source, fingerprints) {
            Some(met) => pass.met.push(met),
            None => pass.without_guid += 1,
        }
    }
    pass.met.sort_by_key(|met| met.guid.0);
    pass.met.dedup_by_key(|met| met.guid);
    Ok(Some(pass))
}

/// What a pass keeps of an entry; `None` for one without objectGUID.
pub fn met(entry: &Entry, source: &dyn Source, fingerprints: &Fingerprints<'_>) -> Option<Met> {
    Some(Met {
        guid: entry.guid?,
        id: entry.id,
        parent: entry.parent,
        dn: entry.dn.clone(),
        state: entry.state,
        fingerprint: fingerprints.of(entry, source.schema()),
    })
}

/// The GUIDs of the objects above those that were met.
pub struct Parents<'s> {
    source: &'s dyn Source,
    known: HashMap<ObjectId, Option<Guid>>,
}

impl<'s> Parents<'s> {
    /// Of the objects of a pass.
    pub fn new(source: &'s dyn Source, met: &[Met]) -> Self {
        Self {
            source,
            known: (met.iter()).map(|met| (met.id, Some(met.guid))).collect(),
        }
    }

    /// The GUID of an object that is above another; `None` where it has none.
    pub fn guid(&mut self, id: Option<ObjectId>) -> Result<Option<Guid>> {
        let Some(id) = id else { return Ok(None) };
        if let Some(known) = self.known.get(&id) {
            return Ok(*known);
        }
        let entry = self.source.entry(id, &Wanted::names())?;
        let guid = entry.and_then(|entry| entry.guid);
        self.known.insert(id, guid);
        Ok(guid)
    }
}
