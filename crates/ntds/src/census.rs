//! Counts objects and links in one pass each.

use ese::rows::{Row, Stored, Value};
use serde::{Deserialize, Serialize};

use crate::attribute::Attribute;
use crate::directory::{Directory, Dnt, ROOT};
use crate::{Guid, Result};

/// The number of objects and links in a directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Live objects.
    pub objects: u64,
    /// Live users, without computers and managed service accounts.
    pub users: u64,
    /// Live computers.
    pub computers: u64,
    /// Live groups.
    pub groups: u64,
    /// Live contacts.
    pub contacts: u64,
    /// Live group policies.
    pub group_policies: u64,
    /// Deleted objects that are not removed yet.
    pub deleted: DeletedObjects,
    /// Rows that only hold the name of an object elsewhere or removed.
    pub phantoms: u64,
    /// Links between objects.
    pub links: Links,
}

/// Deleted objects by state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletedObjects {
    /// Without most attributes since their deletion, before or without the Recycle Bin.
    pub tombstones: u64,
    /// In the Recycle Bin: complete, and restorable.
    pub recycle_bin: u64,
    /// Recycled: past their time in the Recycle Bin.
    pub recycled: u64,
}

/// Values of linked attributes, by state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Links {
    /// Present values.
    pub present: u64,
    /// Removed values, kept so that partners learn of the removal. Some were deactivated, too.
    pub removed: u64,
    /// Values of objects in the Recycle Bin, or that refer to one.
    pub deactivated: u64,
}

impl DeletedObjects {
    /// The sum.
    pub fn total(&self) -> u64 {
        self.tombstones + self.recycle_bin + self.recycled
    }
}

impl Links {
    /// The sum.
    pub fn total(&self) -> u64 {
        self.present + self.removed + self.deactivated
    }
}

/// The result of both passes.
#[derive(Debug, Default)]
pub(crate) struct Census {
    pub counts: Counts,
    /// The highest USN of a change to an object or link.
    pub highest_usn: i64,
    /// The heads of naming contexts in this database, with their instance types.
    pub naming_contexts: Vec<(Dnt, i64)>,
    /// The object of the optional feature Recycle Bin.
    pub recycle_bin_feature: Option<Dnt>,
}

/// Classes (ATTRTYP of the governing identifier).
mod class {
    pub const COMPUTER: u32 = 0x3_001e;
    pub const GROUP: u32 = 0xa_0008;
    pub const USER: u32 = 0xa_0009;
    pub const CONTACT: u32 = 0xa_000f;
    pub const GROUP_POLICY: u32 = 0xa_009d;
}

/// Bit of `instanceType`: the head of a naming context.
const IS_HEAD: i64 = 1;
/// Bit of `instanceType`: the head of a naming context that this server does not hold.
const IS_NOT_HELD: i64 = 2;

/// 766ddcd8-acd0-445e-f3b9-a7f9b6744f2a
const RECYCLE_BIN_FEATURE: Guid = Guid([
    0xd8, 0xdc, 0x6d, 0x76, 0xd0, 0xac, 0x5e, 0x44, 0xf3, 0xb9, 0xa7, 0xf9, 0xb6, 0x74, 0x4f, 0x2a,
]);

/// The separator between the old name and the GUID in the name of a deleted object.
const DELETED_MARK: &str = "\nDEL:";

/// The fields that are read of each object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Dnt,
    IsObject,
    Class,
    InstanceType,
    Usn,
    IsDeleted,
    IsRecycled,
    LastKnownName,
    Feature,
}

/// The fields of one object.
#[derive(Default)]
struct Seen {
    dnt: Dnt,
    is_object: bool,
    is_user: bool,
    is_computer: bool,
    is_group: bool,
    is_contact: bool,
    is_group_policy: bool,
    instance_type: i64,
    usn: i64,
    is_deleted: bool,
    is_recycled: bool,
    has_last_known_name: bool,
    is_recycle_bin_feature: bool,
}

impl Directory<'_> {
    /// Counts all objects and links. Calls `watch` for each object.
    pub(crate) fn census(&self, watch: &dyn Fn()) -> Result<Census> {
        let mut census = Census::default();
        self.count_objects(&mut census, watch)?;
        self.count_links(&mut census)?;
        Ok(census)
    }

    fn count_objects(&self, census: &mut Census, watch: &dyn Fn()) -> Result<()> {
        let fields = self.fields();
        let mut rows = self.objects();
        while let Some(row) = rows.next()? {
            watch();
            let mut seen = Seen::default();
            row.visit(|value| {
                if let (Some(Some(field)), Stored::Plain(bytes)) =
                    (fields.get(value.position), value.stored)
                {
                    seen.note(*field, bytes);
                }
                Ok(())
            })?;
            self.count(&row, &seen, census)?;
        }
        Ok(())
    }

    /// The fields, by the positions of their columns.
    fn fields(&self) -> Vec<Option<Field>> {
        let mut fields = vec![None; self.data.columns().len()];
        for (name, field) in [("DNT_col", Field::Dnt), ("OBJ_col", Field::IsObject)] {
            let columns = self.data.columns().iter();
            if let Some(position) = columns
                .map(|column| &column.name)
                .position(|found| found == name)
            {
                fields[position] = Some(field);
            }
        }
        for (attribute, field) in [
            (Attribute::OBJECT_CLASS, Field::Class),
            (Attribute::INSTANCE_TYPE, Field::InstanceType),
            (Attribute::USN_CHANGED, Field::Usn),
            (Attribute::IS_DELETED, Field::IsDeleted),
            (Attribute::IS_RECYCLED, Field::IsRecycled),
            (Attribute::LAST_KNOWN_RDN, Field::LastKnownName),
            (Attribute::OPTIONAL_FEATURE_GUID, Field::Feature),
        ] {
            if let Some(position) = self.attributes.position(attribute) {
                fields[position] = Some(field);
            }
        }
        fields
    }

    fn count(&self, row: &Row<'_>, seen: &Seen, census: &mut Census) -> Result<()> {
        let counts = &mut census.counts;
        if !seen.is_object {
            counts.phantoms += 1;
            return Ok(());
        }
        if seen.dnt == ROOT {
            return Ok(());
        }
        census.highest_usn = census.highest_usn.max(seen.usn);
        if seen.instance_type & IS_HEAD != 0 && seen.instance_type & IS_NOT_HELD == 0 {
            census.naming_contexts.push((seen.dnt, seen.instance_type));
        }
        if seen.is_recycle_bin_feature {
            census.recycle_bin_feature = Some(seen.dnt);
        }
        // The containers of deleted objects are marked as deleted, too, but keep their own names.
        if seen.is_deleted && self.has_name_of_deleted(row)? {
            let deleted = &mut counts.deleted;
            *match (seen.is_recycled, seen.has_last_known_name) {
                (true, _) => &mut deleted.recycled,
                (false, true) => &mut deleted.recycle_bin,
                (false, false) => &mut deleted.tombstones,
            } += 1;
            return Ok(());
        }
        counts.objects += 1;
        if seen.is_computer {
            counts.computers += 1;
        } else if seen.is_user {
            counts.users += 1;
        } else if seen.is_group {
            counts.groups += 1;
        } else if seen.is_contact {
            counts.contacts += 1;
        } else if seen.is_group_policy {
            counts.group_policies += 1;
        }
        Ok(())
    }

    fn has_name_of_deleted(&self, row: &Row<'_>) -> Result<bool> {
        let Some(column) = self.column(Attribute::RDN) else {
            return Ok(false);
        };
        Ok(match row.typed(column)? {
            Value::Text(name) => name.contains(DELETED_MARK),
            _ => false,
        })
    }

    fn count_links(&self, census: &mut Census) -> Result<()> {
        let position = |name: &str| {
            let mut columns = self.links.columns().iter();
            columns.position(|column| column.name == name)
        };
        let removed = position("link_deltime");
        let deactivated = position("link_deactivetime");
        let usn = position("link_usnchanged");
        let mut rows = self.database().rows(&self.links);
        while let Some(row) = rows.next()? {
            let (mut is_removed, mut is_deactivated) = (false, false);
            row.visit(|value| {
                let place = Some(value.position);
                is_removed |= place == removed;
                is_deactivated |= place == deactivated;
                if let (true, Stored::Plain(bytes)) = (place == usn, value.stored) {
                    census.highest_usn = census.highest_usn.max(whole_number(bytes));
                }
                Ok(())
            })?;
            let links = &mut census.counts.links;
            *match (is_removed, is_deactivated) {
                (true, _) => &mut links.removed,
                (false, true) => &mut links.deactivated,
                (false, false) => &mut links.present,
            } += 1;
        }
        Ok(())
    }
}

impl Seen {
    fn note(&mut self, field: Field, bytes: &[u8]) {
        let number = || whole_number(bytes);
        match field {
            Field::Dnt => self.dnt = Dnt::try_from(number()).unwrap_or_default(),
            Field::IsObject => self.is_object = number() != 0,
            Field::Class => match number() as u32 {
                class::COMPUTER => self.is_computer = true,
                class::GROUP => self.is_group = true,
                class::USER => self.is_user = true,
                class::CONTACT => self.is_contact = true,
                class::GROUP_POLICY => self.is_group_policy = true,
                _ => {}
            },
            Field::InstanceType => self.instance_type = number(),
            Field::Usn => self.usn = number(),
            Field::IsDeleted => self.is_deleted = number() != 0,
            Field::IsRecycled => self.is_recycled = number() != 0,
            Field::LastKnownName => self.has_last_known_name = true,
            Field::Feature => self.is_recycle_bin_feature = bytes == RECYCLE_BIN_FEATURE.0,
        }
    }
}

/// A signed little-endian number of up to eight bytes. 0 for other values.
fn whole_number(bytes: &[u8]) -> i64 {
    match *bytes {
        [a] => a.into(),
        [a, b] => i16::from_le_bytes([a, b]).into(),
        [a, b, c, d] => i32::from_le_bytes([a, b, c, d]).into(),
        [a, b, c, d, e, f, g, h] => i64::from_le_bytes([a, b, c, d, e, f, g, h]),
        _ => 0,
    }
}
