//! Memberships through groups in groups, for people and machines.

use objects::membership::{Membership, Memberships};
use objects::{Entry, ObjectId, Source, Wanted, dn};
use serde_json::{Value as Json, json};

use super::{table, words};
use crate::failure::Result;

/// The groups of an object, and its members if it is a group.
pub struct Nested {
    groups: Vec<Membership>,
    members: Option<Vec<Membership>>,
}

impl Nested {
    /// Finds them.
    ///
    /// # Errors
    /// Where the directory is damaged.
    pub fn of(
        source: &dyn Source,
        memberships: &Memberships<'_>,
        object: ObjectId,
    ) -> Result<Self> {
        let entry = source.entry(object, &Wanted::only(["objectClass"]))?;
        let mut classes = entry.iter().flat_map(Entry::classes);
        let is_group = classes.any(|class| class.eq_ignore_ascii_case("group"));
        Ok(Self {
            groups: memberships.groups(object)?,
            members: match is_group {
                true => Some(memberships.members(object)?),
                false => None,
            },
        })
    }

    /// Adds them to the object for machines.
    pub fn add_to(&self, object: &mut Json) {
        object["member_of_recursive"] = self.groups.iter().map(for_machines).collect();
        if let Some(members) = &self.members {
            object["members_recursive"] = members.iter().map(for_machines).collect();
        }
    }

    /// Two tables.
    pub fn in_words(&self) -> String {
        let mut text = in_words("in the group", &self.groups);
        if let Some(members) = &self.members {
            text += &in_words("member", members);
        }
        text
    }

    /// The values of `member` or `memberOf` on one line; `None` for another attribute.
    pub fn values(&self, attribute: &str) -> Option<String> {
        let list = match attribute.to_ascii_lowercase().as_str() {
            "memberof" => &self.groups,
            "member" => self.members.as_ref()?,
            _ => return None,
        };
        let names = list.iter().map(|membership| {
            let name = words::printable(&membership.object.dn);
            match way(membership).as_str() {
                "" => name,
                way => format!("{name} ({way})"),
            }
        });
        Some(names.collect::<Vec<_>>().join(", "))
    }
}

fn in_words(heading: &str, list: &[Membership]) -> String {
    let rows: Vec<Vec<String>> = (list.iter())
        .map(|membership| vec![words::printable(&membership.object.dn), way(membership)])
        .collect();
    format!("\n\n{}", table::lines(&[heading, "through"], &rows))
}

/// The groups between both, and whether the last step is a primary group.
fn way(membership: &Membership) -> String {
    let mut way: Vec<String> = (membership.through.iter())
        .map(|group| words::printable(&own_name(&group.dn)))
        .collect();
    if membership.is_primary {
        way.push("primary group".into());
    }
    way.join(" > ")
}

fn own_name(name: &str) -> String {
    let parts = dn::parse(dn::rdn(name)).unwrap_or_default();
    parts
        .first()
        .map_or_else(|| name.to_owned(), |part| part.value.clone())
}

fn for_machines(membership: &Membership) -> Json {
    let object = &membership.object;
    let through = membership.through.iter();
    json!({
        "dn": *object.dn,
        "guid": object.guid.map(|guid| guid.to_string()),
        "sid": object.sid.as_ref().map(|sid| sid.to_string()),
        "through": through.map(|group| &*group.dn).collect::<Vec<_>>(),
        "primary": membership.is_primary,
    })
}
