//! What differs.

use std::mem::swap;
use std::sync::Arc;

use ids::{Guid, Sid};
use objects::descriptor::Ace;
use objects::metadata::AttributeMetadata;
use objects::schema::AttributeSchema;
use objects::{LinkMetadata, State, Time, Value};

/// What differs between an object in the one directory and in the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectChange {
    /// The object.
    pub guid: Guid,
    /// Whether it came, went, or is another.
    pub kind: Kind,
    /// The object before; none where the first directory has no trace of it.
    pub before: Option<Identity>,
    /// The object after; none where the second directory has no trace of it.
    pub after: Option<Identity>,
    /// Whether its own name differs.
    pub is_renamed: bool,
    /// Whether it is beneath another object.
    pub is_moved: bool,
    /// The attributes that differ, by name; of an added, deleted or restored object all that it
    /// has while it lives.
    pub attributes: Vec<AttributeChange>,
}

/// How an object differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Only the second directory has it.
    Added,
    /// It lives only in the first directory; the second may still know it as deleted.
    Deleted,
    /// Deleted in the first directory, alive in the second one.
    Restored,
    /// Both have it.
    Changed,
}

/// An object in one of the directories.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its name.
    pub dn: Arc<str>,
    /// Its class.
    pub class: Option<String>,
    /// Its SID.
    pub sid: Option<Sid>,
    /// Whether it is deleted.
    pub state: State,
    /// When it was made.
    pub made: Option<Stamp>,
    /// When it was named or moved last.
    pub named: Option<Stamp>,
    /// When it was deleted or restored last.
    pub deleted: Option<Stamp>,
}

/// The last change of an attribute or link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// How often it changed.
    pub version: u32,
    /// When.
    pub changed: Time,
    /// The life of the server where.
    pub invocation_id: Guid,
    /// The USN of the change there.
    pub originating_usn: i64,
}

/// What differs in an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeChange {
    /// The attribute.
    pub attribute: Arc<AttributeSchema>,
    /// What differs.
    pub change: Change,
    /// Its last change in the first directory; none for links, whose values have their own.
    pub before: Option<Stamp>,
    /// Its last change in the second directory.
    pub after: Option<Stamp>,
}

/// What differs in the values of an attribute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Values, whose order does not count.
    Values {
        /// Those that only the first directory has.
        removed: Vec<ValueChange>,
        /// Those that only the second directory has.
        added: Vec<ValueChange>,
    },
    /// A security descriptor.
    Descriptor(Box<DescriptorChange>),
    /// A password or key, by its replication metadata: it was set anew.
    Withheld,
}

/// A value that only one directory has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ValueChange {
    /// The value.
    pub value: Value,
    /// Of a link: its last change in the first directory, where that knows it.
    pub before: Option<Stamp>,
    /// Of a link: its last change in the second directory, where that knows it.
    pub after: Option<Stamp>,
}

/// What differs in a security descriptor.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DescriptorChange {
    /// The owners, where they differ.
    pub owner: Option<[Option<Sid>; 2]>,
    /// The groups, where they differ.
    pub group: Option<[Option<Sid>; 2]>,
    /// Who may do what.
    pub dacl: ListChange,
    /// What is audited.
    pub sacl: ListChange,
    /// Whether other flags differ.
    pub is_flagged_otherwise: bool,
}

/// What differs in a list of access control entries.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListChange {
    /// Entries of the first directory.
    pub removed: Vec<Ace>,
    /// Entries of the second directory.
    pub added: Vec<Ace>,
    /// Whether the entries of both stand in another order.
    pub is_reordered: bool,
    /// Whether the list exists before and after, where that differs.
    pub exists: Option<[bool; 2]>,
    /// Whether the list is protected from inheritance before and after, where that differs.
    pub is_protected: Option<[bool; 2]>,
}

impl ObjectChange {
    /// The object's name: after, or before where it is gone or deleted.
    pub fn dn(&self) -> &str {
        self.identity().map_or("", |identity| &identity.dn)
    }

    /// The object while it lives: after, or before where it is gone or deleted.
    pub fn identity(&self) -> Option<&Identity> {
        match self.kind {
            Kind::Deleted => self.before.as_ref().or(self.after.as_ref()),
            _ => self.after.as_ref().or(self.before.as_ref()),
        }
    }

    /// When the second directory took the object's new name, place or state.
    pub fn stamp(&self) -> Option<&Stamp> {
        let after = self.after.as_ref()?;
        match self.kind {
            Kind::Added => after.made.as_ref(),
            Kind::Deleted | Kind::Restored => after.deleted.as_ref(),
            Kind::Changed if self.is_moved || self.is_renamed => after.named.as_ref(),
            Kind::Changed => None,
        }
    }

    /// What differs where the second directory is the first one.
    pub fn mirrored(mut self) -> Self {
        self.kind = match self.kind {
            Kind::Added | Kind::Restored => Kind::Deleted,
            // Where the first directory still knows the object as deleted.
            Kind::Deleted if self.after.is_some() => Kind::Restored,
            Kind::Deleted => Kind::Added,
            Kind::Changed => Kind::Changed,
        };
        swap(&mut self.before, &mut self.after);
        for attribute in &mut self.attributes {
            attribute.mirror();
        }
        self
    }
}

impl AttributeChange {
    /// When the second directory's value was written, for the attribute as a whole.
    pub fn stamp(&self) -> Option<&Stamp> {
        self.after.as_ref()
    }

    fn mirror(&mut self) {
        swap(&mut self.before, &mut self.after);
        match &mut self.change {
            Change::Values { removed, added } => {
                swap(removed, added);
                for value in removed.iter_mut().chain(added) {
                    swap(&mut value.before, &mut value.after);
                }
            }
            Change::Descriptor(change) => change.mirror(),
            Change::Withheld => {}
        }
    }
}

impl DescriptorChange {
    fn mirror(&mut self) {
        for sids in [&mut self.owner, &mut self.group].into_iter().flatten() {
            sids.reverse();
        }
        for list in [&mut self.dacl, &mut self.sacl] {
            swap(&mut list.removed, &mut list.added);
            for flags in [&mut list.exists, &mut list.is_protected]
                .into_iter()
                .flatten()
            {
                flags.reverse();
            }
        }
    }
}

impl From<&AttributeMetadata> for Stamp {
    fn from(metadata: &AttributeMetadata) -> Self {
        Self {
            version: metadata.version,
            changed: metadata.changed,
            invocation_id: metadata.invocation_id,
            originating_usn: metadata.originating_usn,
        }
    }
}

impl From<&LinkMetadata> for Stamp {
    fn from(metadata: &LinkMetadata) -> Self {
        Self {
            version: metadata.version,
            changed: metadata.changed,
            invocation_id: metadata.invocation_id,
            originating_usn: metadata.originating_usn,
        }
    }
}
