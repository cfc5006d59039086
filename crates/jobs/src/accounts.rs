//! How many accounts and groups came and went between two backups.

use comparison::{Identity, Kind, ObjectChange};
use serde::{Deserialize, Serialize};

/// What was added and deleted, by class. Part of the durable record of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountChanges {
    /// Users, without computers.
    pub users: Changed,
    /// Groups.
    pub groups: Changed,
    /// Computers and managed service accounts.
    pub computers: Changed,
}

/// Objects of one class.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Those that came: made, or restored from among the deleted ones.
    pub added: u64,
    /// Those that went.
    pub deleted: u64,
}

impl AccountChanges {
    /// Counts an object, if it is of one of the classes and came or went.
    pub(crate) fn count(&mut self, change: &ObjectChange) {
        let is_alive = |identity: &&Identity| !identity.state.is_deleted();
        // A tombstone that expired is no deletion, one that was made since is no new object.
        let (side, came) = match change.kind {
            Kind::Added | Kind::Restored => (&change.after, true),
            Kind::Deleted => (&change.before, false),
            Kind::Changed => return,
        };
        let class = side.as_ref().filter(is_alive);
        let of_class = match class.and_then(|identity| identity.class.as_deref()) {
            Some("user" | "inetOrgPerson") => &mut self.users,
            Some("group") => &mut self.groups,
            Some("computer" | "msDS-ManagedServiceAccount" | "msDS-GroupManagedServiceAccount") => {
                &mut self.computers
            }
            _ => return,
        };
        match came {
            true => of_class.added += 1,
            false => of_class.deleted += 1,
        }
    }

    /// The classes with their names, in the order in which they are shown.
    pub fn classes(&self) -> [(&'static str, Changed); 3] {
        [
            ("users", self.users),
            ("groups", self.groups),
            ("computers", self.computers),
        ]
    }
}
