//! One object of a directory.

use std::sync::Arc;

use ids::{Guid, Sid};

use crate::descriptor::Descriptor;
use crate::metadata::AttributeMetadata;
use crate::schema::AttributeSchema;
use crate::{ObjectId, Reference, Time, Value};

/// An object, with as much of it as was wanted.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What the source knows it by.
    pub id: ObjectId,
    /// Its distinguished name.
    pub dn: Arc<str>,
    /// Its objectGUID.
    pub guid: Option<Guid>,
    /// Its SID.
    pub sid: Option<Sid>,
    /// The object above it.
    pub parent: Option<ObjectId>,
    /// The head of the naming context that it belongs to; for a head, itself.
    pub naming_context: Option<ObjectId>,
    /// Whether it is deleted, and how far.
    pub state: State,
    /// The attributes with their values, as LDAP returns them: links that are present are values of
    /// their attributes.
    pub attributes: Vec<AttributeValues>,
    /// All links from and to it, those that are gone included.
    pub links: Vec<Link>,
    /// Who changed each attribute last; by the attributes' numbers.
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
    /// Its time in the Recycle Bin has passed; stripped.
    Recycled,
}

/// A link between two objects, seen from one of them.
#[derive(Debug, Clone)]
pub struct Link {
    /// The attribute: such as `member` from the group, `memberOf` from the member.
    pub attribute: Arc<AttributeSchema>,
    /// Which end is the entry.
    pub direction: LinkDirection,
    /// The object at the other end.
    pub other: Reference,
    /// What the value holds besides the name.
    pub data: Option<Vec<u8>>,
    /// When it was removed; it is kept so that partners learn of it.
    pub removed: Option<Time>,
    /// When one of its ends went into the Recycle Bin.
    pub deactivated: Option<Time>,
    /// When it was made and changed, and by whom; none for links that replicate with their whole
    /// attribute.
    pub metadata: Option<LinkMetadata>,
}

/// Which end of a link an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkDirection {
    /// The entry holds the value.
    Forward,
    /// The entry is what the value names.
    Back,
}

/// Whether a link counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LinkState {
    /// It does.
    Present,
    /// It was removed, and may be deactivated besides.
    Removed,
    /// One of its ends lies in the Recycle Bin.
    Deactivated,
}

impl Link {
    /// Whether it counts.
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
    /// When the link was first made.
    pub created: Time,
    /// How often it changed.
    pub version: u32,
    /// When it changed last.
    pub changed: Time,
    /// The life of the server where it changed last.
    pub invocation_id: Guid,
    /// The USN of the change there.
    pub originating_usn: i64,
    /// The USN of the change here.
    pub local_usn: i64,
}

impl State {
    /// From the marks of an object. `recycle_bin`: whether the Recycle Bin is enabled in the
    /// forest; without it Windows and Samba mark tombstones as recycled.
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
            // The containers of deleted objects carry the mark as well, under their own names.
            _ => Self::Live,
        }
    }

    /// Whether it is deleted in any way.
    pub fn is_deleted(self) -> bool {
        self != Self::Live
    }
}

/// The marks of an object that tell its state.
#[derive(Debug, Clone, Copy, Default)]
pub struct Marks {
    /// isDeleted.
    pub is_deleted: bool,
    /// isRecycled.
    pub is_recycled: bool,
    /// msDS-LastKnownRDN is there.
    pub has_last_known_name: bool,
    /// Its own name is that of a deleted object: [`crate::dn::DELETED_MARK`] is in it.
    pub has_name_of_deleted: bool,
}

impl Entry {
    /// The values of an attribute, by its LDAP name in any case; empty where it has none.
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

    /// The class that the object was made as.
    pub fn class(&self) -> Option<&str> {
        self.classes().last()
    }

    /// Of a deleted object: where it was.
    pub fn last_known_parent(&self) -> Option<&Reference> {
        self.value("lastKnownParent")?.reference()
    }

    /// The security descriptor; `None` where there is none, or bytes that are none.
    pub fn descriptor(&self) -> Option<Descriptor> {
        match self.value("nTSecurityDescriptor")? {
            Value::Descriptor(bytes) => Descriptor::parse(bytes).ok(),
            _ => None,
        }
    }
}
