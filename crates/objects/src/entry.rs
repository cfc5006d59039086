//! One object of a directory.

use std::sync::Arc;

use ids::{Guid, Sid};

use crate::descriptor::Descriptor;
use crate::metadata::AttributeMetadata;
use crate::schema::AttributeSchema;
use crate::{ObjectId, Reference, Time, Value};

/// An object, with the requested part of its data.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its id in the source.
    pub id: ObjectId,
    /// Its distinguished name.
    pub dn: Arc<str>,
    /// Its objectGUID.
    pub guid: Option<Guid>,
    /// Its SID.
    pub sid: Option<Sid>,
    /// The parent object.
    pub parent: Option<ObjectId>,
    /// The head of its naming context; for a head, itself.
    pub naming_context: Option<ObjectId>,
    /// Whether and how it is deleted.
    pub state: State,
    /// Whether directory services show it only to those who ask for deleted objects: it is deleted,
    /// or a container of deleted objects (`CN=Deleted Objects`).
    pub is_hidden: bool,
    /// The attributes with their values, as LDAP returns them. Present links are values of their
    /// attributes.
    pub attributes: Vec<AttributeValues>,
    /// All links from and to it, including removed ones.
    pub links: Vec<Link>,
    /// The last change of each attribute, by the attribute's number.
    pub metadata: Vec<AttributeMetadata>,
}

/// An attribute and its values.
#[derive(Debug, Clone)]
pub struct AttributeValues {
    /// The attribute.
    pub schema: Arc<AttributeSchema>,
    /// Its values, in the order of the source.
    pub values: Vec<Value>,
}

/// Whether an object is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// It is not.
    Live,
    /// Deleted and stripped, without the Recycle Bin.
    Tombstone,
    /// In the Recycle Bin: whole.
    InRecycleBin,
    /// Past its time in the Recycle Bin: stripped.
    Recycled,
}

/// A link between two objects, seen from one of them.
#[derive(Debug, Clone)]
pub struct Link {
    /// The attribute, for example `member` on the group, `memberOf` on the member.
    pub attribute: Arc<AttributeSchema>,
    /// The entry's end of the link.
    pub direction: LinkDirection,
    /// The object at the other end.
    pub other: Reference,
    /// The data of the value besides the name.
    pub data: Option<Vec<u8>>,
    /// The time of its removal; the link is kept so that partners learn of it.
    pub removed: Option<Time>,
    /// The time at which one of its ends was moved to the Recycle Bin.
    pub deactivated: Option<Time>,
    /// The times of creation and change, and the server. None for links that replicate with their
    /// whole attribute.
    pub metadata: Option<LinkMetadata>,
}

/// The end of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkDirection {
    /// The entry holds the value.
    Forward,
    /// The value refers to the entry.
    Back,
}

/// The state of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkState {
    /// It is present.
    Present,
    /// It was removed, and possibly deactivated, too.
    Removed,
    /// One of its ends is in the Recycle Bin.
    Deactivated,
}

impl Link {
    /// The state of the link.
    pub fn state(&self) -> LinkState {
        match (self.removed, self.deactivated) {
            (None, None) => LinkState::Present,
            (Some(_), _) => LinkState::Removed,
            (None, Some(_)) => LinkState::Deactivated,
        }
    }
}

/// The replication metadata of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkMetadata {
    /// The time of its first creation.
    pub created: Time,
    /// The number of changes.
    pub version: u32,
    /// The time of the last change.
    pub changed: Time,
    /// The invocation id of the server of the last change.
    pub invocation_id: Guid,
    /// The USN of the change on that server.
    pub originating_usn: i64,
    /// The USN of the change on this server.
    pub local_usn: i64,
}

impl State {
    /// The state from an object's marks. `recycle_bin`: whether the Recycle Bin is enabled in the
    /// forest. Without it Windows and Samba mark tombstones as recycled.
    pub fn of(marks: Marks, recycle_bin: bool) -> Self {
        match marks {
            Marks {
                is_deleted: true,
                has_name_of_deleted: true,
                is_recycled,
                has_last_known_name,
            } => match (is_recycled && recycle_bin, has_last_known_name) {
                (true, _) => Self::Recycled,
                (false, true) if !is_recycled => Self::InRecycleBin,
                (false, _) => Self::Tombstone,
            },
            // The containers of deleted objects are marked as deleted, too, but keep their own
            // names.
            _ => Self::Live,
        }
    }

    /// Whether it is deleted in any way.
    pub fn is_deleted(self) -> bool {
        self != Self::Live
    }
}

/// The marks of an object that determine its state.
#[derive(Debug, Clone, Copy, Default)]
pub struct Marks {
    /// isDeleted.
    pub is_deleted: bool,
    /// isRecycled.
    pub is_recycled: bool,
    /// Whether msDS-LastKnownRDN is present.
    pub has_last_known_name: bool,
    /// Whether its own name is that of a deleted object, with [`crate::dn::DELETED_MARK`] in it.
    pub has_name_of_deleted: bool,
}

impl Entry {
    /// The values of an attribute, by its LDAP name in any case. Empty if there are none.
    pub fn values(&self, name: &str) -> &[Value] {
        let mut attributes = self.attributes.iter();
        let found = attributes.find(|attribute| attribute.schema.name.eq_ignore_ascii_case(name));
        found.map_or(&[], |attribute| &attribute.values)
    }

    /// The first value of an attribute.
    pub fn value(&self, name: &str) -> Option<&Value> {
        self.values(name).first()
    }

    /// The first value of an attribute that is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.value(name)?.text()
    }

    /// The classes of the object, `top` first.
    pub fn classes(&self) -> impl Iterator<Item = &str> {
        self.values("objectClass").iter().filter_map(Value::text)
    }

    /// The most specific class of the object.
    pub fn class(&self) -> Option<&str> {
        self.classes().last()
    }

    /// A reference to the object.
    pub fn reference(&self) -> Reference {
        Reference {
            dn: self.dn.clone(),
            guid: self.guid,
            sid: self.sid.clone(),
            is_phantom: false,
        }
    }

    /// The former parent of a deleted object.
    pub fn last_known_parent(&self) -> Option<&Reference> {
        self.value("lastKnownParent")?.reference()
    }

    /// The security descriptor. `None` if it is missing or malformed.
    pub fn descriptor(&self) -> Option<Descriptor> {
        match self.value("nTSecurityDescriptor")? {
            Value::Descriptor(bytes) => Descriptor::parse(bytes).ok(),
            _ => None,
        }
    }
}
