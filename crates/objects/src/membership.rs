//! Members of groups in groups, and groups of groups, with the primary group.
//!
//! ```text
//! member, memberOf ───┐
//!                     ├─▶ object by object, nearest first ─▶ each once, with the way to it
//! primaryGroupID ─────┘
//! ```
//!
//! Membership through `primaryGroupID` is in no link: the group's SID is that of the member's
//! domain with this number as its last part.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use ids::{Guid, Sid};

use crate::{Entry, Lookup, ObjectId, Reference, Result, Source, Value, Wanted};

/// Finds memberships.
pub struct Memberships<'s> {
    source: &'s dyn Source,
    /// The members of each group through `primaryGroupID`, by the group's SID.
    primary: OnceCell<HashMap<Sid, Vec<Reference>>>,
}

/// A member of a group, or a group of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The other object.
    pub object: Reference,
    /// The groups between both, beginning with the one nearest to the start. Empty for a direct
    /// membership. The shortest way, if there are several.
    pub through: Vec<Reference>,
    /// Whether the last step of the way is `primaryGroupID`.
    pub is_primary: bool,
}

/// The direction of a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    ToMembers,
    ToGroups,
}

impl<'s> Memberships<'s> {
    /// Memberships of a directory.
    pub fn new(source: &'s dyn Source) -> Self {
        Self {
            source,
            primary: OnceCell::new(),
        }
    }

    /// All members of a group, direct ones first.
    ///
    /// # Errors
    /// Fails if the directory is damaged.
    pub fn members(&self, group: ObjectId) -> Result<Vec<Membership>> {
        self.walk(group, Direction::ToMembers)
    }

    /// All groups that an object is a member of, direct ones first.
    ///
    /// # Errors
    /// Fails if the directory is damaged.
    pub fn groups(&self, member: ObjectId) -> Result<Vec<Membership>> {
        self.walk(member, Direction::ToGroups)
    }

    fn walk(&self, start: ObjectId, direction: Direction) -> Result<Vec<Membership>> {
        let wanted = match direction {
            Direction::ToMembers => Wanted::only(["member"]),
            Direction::ToGroups => Wanted::only(["memberOf", "primaryGroupID"]),
        };
        let mut found = Vec::new();
        let mut seen = HashSet::new();
        let mut waiting = VecDeque::from([(start, Vec::new())]);
        while let Some((id, through)) = waiting.pop_front() {
            let Some(entry) = self.source.entry(id, &wanted)? else {
                continue;
            };
            if id == start {
                seen.insert(Identity::of(&entry.reference()));
            }
            for (object, is_primary) in self.next(&entry, direction)? {
                if !seen.insert(Identity::of(&object)) {
                    continue;
                }
                if let Some(next) = self.id_of(&object)? {
                    let through = through.iter().cloned().chain([object.clone()]);
                    waiting.push_back((next, through.collect()));
                }
                found.push(Membership {
                    object,
                    through: through.clone(),
                    is_primary,
                });
            }
        }
        Ok(found)
    }

    /// The direct memberships of an object, and whether each is that of a primary group.
    fn next(&self, entry: &Entry, direction: Direction) -> Result<Vec<(Reference, bool)>> {
        let links = match direction {
            Direction::ToMembers => entry.values("member"),
            Direction::ToGroups => entry.values("memberOf"),
        };
        let links = links.iter().filter_map(Value::reference);
        let mut next: Vec<_> = links.map(|other| (other.clone(), false)).collect();
        let Some(sid) = &entry.sid else {
            return Ok(next);
        };
        match direction {
            Direction::ToMembers => {
                let members = self.primary()?.get(sid).into_iter().flatten();
                next.extend(members.map(|member| (member.clone(), true)));
            }
            Direction::ToGroups => {
                if let Some(group) = primary_group(entry) {
                    for id in self.source.find(&Lookup::Sid(&group))? {
                        let group = self.source.entry(id, &Wanted::names())?;
                        next.extend(group.map(|group| (group.reference(), true)));
                    }
                }
            }
        }
        Ok(next)
    }

    fn id_of(&self, object: &Reference) -> Result<Option<ObjectId>> {
        let found = match object.guid {
            _ if object.is_phantom => Vec::new(),
            Some(guid) => self.source.find(&Lookup::Guid(guid))?,
            None => self.source.find(&Lookup::Dn(&object.dn))?,
        };
        Ok(found.first().copied())
    }

    /// One pass over all objects, the first time.
    fn primary(&self) -> Result<&HashMap<Sid, Vec<Reference>>> {
        if let Some(primary) = self.primary.get() {
            return Ok(primary);
        }
        let mut members: HashMap<Sid, Vec<Reference>> = HashMap::new();
        let wanted = Wanted::only(["primaryGroupID"]);
        for entry in self.source.all(&wanted)? {
            let entry = entry?;
            if let Some(group) = primary_group(&entry) {
                members.entry(group).or_default().push(entry.reference());
            }
        }
        Ok(self.primary.get_or_init(|| members))
    }
}

/// The SID of an object's primary group.
fn primary_group(entry: &Entry) -> Option<Sid> {
    let number = entry.value("primaryGroupID")?.integer()?;
    entry.sid.as_ref()?.sibling(u32::try_from(number).ok()?)
}

#[derive(PartialEq, Eq, Hash)]
enum Identity {
    Guid(Guid),
    Name(Arc<str>),
}

impl Identity {
    fn of(object: &Reference) -> Self {
        match object.guid {
            Some(guid) => Self::Guid(guid),
            None => Self::Name(object.dn.to_lowercase().into()),
        }
    }
}
