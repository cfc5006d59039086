//! Security descriptors: owner, group and access rights (\[MS-DTYP\] 2.4.6, self-relative).
//!
//! | offset | bytes | field |
//! | --- | --- | --- |
//! | 0 | 1 | revision, 1 |
//! | 2 | 2 | control |
//! | 4, 8 | 4 each | offsets of owner and group, 0 for none |
//! | 12, 16 | 4 each | offsets of SACL and DACL, 0 for none |
//!
//! An ACL: revision (1), padding (1), size (2), number of entries (2), padding (2), entries. An
//! entry: type (1), flags (1), size (2), access mask (4); for objects flags (4) and up to two
//! GUIDs; a SID; further data. Little-endian.

mod sddl;

use ids::{Guid, Sid};

pub use sddl::Domains;

/// A security descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// The control flags.
    pub control: u16,
    /// The owner.
    pub owner: Option<Sid>,
    /// The owner's primary group.
    pub group: Option<Sid>,
    /// The audit rules.
    pub sacl: Option<Acl>,
    /// The access rights. If [`Descriptor::has_dacl`] and this is `None`, everybody has all rights.
    pub dacl: Option<Acl>,
}

/// A list of access control entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acl {
    /// 2, or 4 where entries name objects.
    pub revision: u8,
    /// The entries, in the order of their precedence.
    pub entries: Vec<Ace>,
}

/// An access control entry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Ace {
    /// Its type.
    pub kind: u8,
    /// Flags for inheritance and audit.
    pub flags: u8,
    /// The rights.
    pub mask: u32,
    /// The attribute, property set, right or class that it applies to.
    pub object: Option<Guid>,
    /// The class of the objects that inherit it.
    pub inherited_object: Option<Guid>,
    /// The account or group that it applies to. `None` for entries of an unknown type.
    pub sid: Option<Sid>,
    /// Further data, such as a condition. For an entry of an unknown type everything after the
    /// flags.
    pub data: Vec<u8>,
}

/// The error for malformed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("security descriptor: {what} at offset {offset} is truncated or contradicts itself")]
pub struct Malformed {
    /// The malformed part.
    pub what: &'static str,
    /// Its offset in the descriptor.
    pub offset: usize,
}

const SACL_PRESENT: u16 = 0x10;
const DACL_PRESENT: u16 = 0x04;
const HEADER: usize = 20;
/// Offset in the header of the DACL's offset.
const DACL_AT: usize = 16;
const ACL_HEADER: usize = 8;
/// Offset in a list of the number of its entries.
const COUNT_AT: usize = 4;
/// Flags of an entry for objects.
const HAS_OBJECT: u32 = 1;
const HAS_INHERITED_OBJECT: u32 = 2;

impl Descriptor {
    /// Parses a self-relative descriptor.
    ///
    /// # Errors
    /// Fails if a part lies beyond the end, or an inner length contradicts an outer one.
    pub fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        let header = Malformed {
            what: "the header",
            offset: 0,
        };
        let offsets = bytes.get(..HEADER).ok_or(header)?;
        if offsets.first() != Some(&1) {
            return Err(header);
        }
        let control = u16_at(offsets, 2);
        let sid = |what, at| match u32_at(offsets, at) as usize {
            0 => Ok(None),
            offset => {
                let malformed = Malformed { what, offset };
                let found = bytes.get(offset..).and_then(sid_at_start);
                found.map(|(sid, _)| Some(sid)).ok_or(malformed)
            }
        };
        let acl = |what, at, flag| match u32_at(offsets, at) as usize {
            offset if offset != 0 && control & flag != 0 => Acl::parse(bytes, offset)
                .ok_or(Malformed { what, offset })
                .map(Some),
            _ => Ok(None),
        };
        Ok(Self {
            control,
            owner: sid("the owner", 4)?,
            group: sid("the group", 8)?,
            sacl: acl("the SACL", 12, SACL_PRESENT)?,
            dacl: acl("the DACL", DACL_AT, DACL_PRESENT)?,
        })
    }

    /// The bytes of a self-relative descriptor without some entries of its DACL; `None` where none of them
    /// goes, and for malformed bytes. All else stays where it is: the list has room behind its entries.
    pub fn without(bytes: &[u8], goes: impl Fn(&Ace) -> bool) -> Option<Vec<u8>> {
        Self::parse(bytes).ok()?.dacl?;
        let dacl = u32_at(bytes, DACL_AT) as usize;
        let entries = Acl::entries(bytes, dacl)?;
        let stay: Vec<&[u8]> = (entries.iter())
            .filter(|(_, entry)| !goes(entry))
            .map(|(bytes, _)| *bytes)
            .collect();
        if stay.len() == entries.len() {
            return None;
        }
        let (count, stay) = (u16::try_from(stay.len()).ok()?, stay.concat());
        let mut changed = bytes.to_vec();
        let list = changed.get_mut(dacl..)?;
        list.get_mut(COUNT_AT..ACL_HEADER - 2)?
            .copy_from_slice(&count.to_le_bytes());
        list.get_mut(ACL_HEADER..)?
            .get_mut(..stay.len())?
            .copy_from_slice(&stay);
        Some(changed)
    }

    /// Whether the control flag for a DACL is set. Without a DACL everybody then has all rights.
    pub fn has_dacl(&self) -> bool {
        self.control & DACL_PRESENT != 0
    }
}

impl Acl {
    fn parse(bytes: &[u8], offset: usize) -> Option<Self> {
        let entries = Self::entries(bytes, offset)?;
        Some(Self {
            revision: *bytes.get(offset)?,
            entries: entries.into_iter().map(|(_, entry)| entry).collect(),
        })
    }

    /// The entries of the list at an offset, each with its bytes.
    fn entries(bytes: &[u8], offset: usize) -> Option<Vec<(&[u8], Ace)>> {
        let header = bytes.get(offset..)?.get(..ACL_HEADER)?;
        let size = usize::from(u16_at(header, 2));
        let count = usize::from(u16_at(header, COUNT_AT));
        let mut rest = bytes.get(offset..)?.get(ACL_HEADER..size)?;
        let mut entries = Vec::new();
        for _ in 0..count {
            let size = usize::from(u16_at(rest.get(..4)?, 2));
            let (entry, after) = rest.split_at_checked(size)?;
            entries.push((entry, Ace::parse(entry)?));
            rest = after;
        }
        Some(entries)
    }
}

impl Ace {
    /// Parses an entry of exactly these bytes.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let [kind, flags, _, _, rest @ ..] = bytes else {
            return None;
        };
        let unknown = |data: &[u8]| Self {
            kind: *kind,
            flags: *flags,
            mask: 0,
            object: None,
            inherited_object: None,
            sid: None,
            data: data.to_vec(),
        };
        if !is_known(*kind) {
            return Some(unknown(rest));
        }
        let (mask, mut rest) = rest.split_first_chunk::<4>()?;
        let (mut object, mut inherited_object) = (None, None);
        if is_for_objects(*kind) {
            let (present, after) = rest.split_first_chunk::<4>()?;
            rest = after;
            let present = u32::from_le_bytes(*present);
            for (flag, guid) in [
                (HAS_OBJECT, &mut object),
                (HAS_INHERITED_OBJECT, &mut inherited_object),
            ] {
                if present & flag != 0 {
                    let (bytes, after) = rest.split_first_chunk::<16>()?;
                    *guid = Some(Guid(*bytes));
                    rest = after;
                }
            }
        }
        let (sid, data) = sid_at_start(rest)?;
        Some(Self {
            kind: *kind,
            flags: *flags,
            mask: u32::from_le_bytes(*mask),
            object,
            inherited_object,
            sid: Some(sid),
            data: data.to_vec(),
        })
    }
}

/// Types whose entries have a mask and a SID.
fn is_known(kind: u8) -> bool {
    matches!(kind, 0..=3 | 5..=19)
}

fn is_for_objects(kind: u8) -> bool {
    matches!(kind, 5..=8 | 11 | 12 | 15 | 16)
}

/// The SID at the start of `bytes`, and the rest.
fn sid_at_start(bytes: &[u8]) -> Option<(Sid, &[u8])> {
    let length = 8 + 4 * usize::from(*bytes.get(1)?);
    let (sid, rest) = bytes.split_at_checked(length)?;
    Some((Sid::from_bytes(sid)?, rest))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk());
    field.map_or(0, |field| u16::from_le_bytes(*field))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk());
    field.map_or(0, |field| u32::from_le_bytes(*field))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Row 1 of the sample forest's sd_table, without its prefix.
    const SAMPLE: &str = "\
        0100148c140000002400000034000000500000000102000000000005200000002002000001020000000000\
        05200000002002000004001c00010000000242140028000d0001010000000000010000000004006c000400\
        0000000014009400020001010000000000050b00000000001400ff010f0001010000000000051200000000\
        021800bd010f000102000000000005200000002002000000022400ff010f00010500000000000515000000\
        cf211a6ef76374b05879212c07020000";

    #[test]
    fn a_descriptor_as_text() {
        let bytes = ids::hex::decode(SAMPLE).unwrap();
        let descriptor = Descriptor::parse(&bytes).unwrap();
        let domain: Sid = "S-1-5-21-1847206351-2960417783-740391256".parse().unwrap();
        let domains = Domains {
            domain: Some(&domain),
            root: Some(&domain),
        };
        assert_eq!(
            descriptor.to_sddl(domains),
            "O:BAG:BAD:AI(A;;LCRPLORC;;;AU)(A;;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;SY)\
             (A;CI;CCLCSWRPWPLOCRSDRCWDWO;;;BA)(A;CI;CCDCLCSWRPWPDTLOCRSDRCWDWO;;;EA)\
             S:AI(AU;CISA;SWWPSDWDWO;;;WD)"
        );
        for cut in 0..bytes.len() {
            assert!(Descriptor::parse(&bytes[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn entries_of_the_dacl_go_and_all_else_stays() {
        let bytes = ids::hex::decode(SAMPLE).unwrap();
        let before = Descriptor::parse(&bytes).unwrap();
        let rights = &before.dacl.as_ref().unwrap().entries;
        for gone in rights {
            let changed = Descriptor::without(&bytes, |entry| entry == gone).unwrap();
            let mut expected = before.clone();
            let entries = &mut expected.dacl.as_mut().unwrap().entries;
            entries.retain(|entry| entry != gone);
            assert_eq!(Descriptor::parse(&changed), Ok(expected));
            assert_eq!(Descriptor::without(&changed, |entry| entry == gone), None);
        }
        let empty = Descriptor::without(&bytes, |_| true).unwrap();
        assert_eq!(Descriptor::parse(&empty).unwrap().dacl.unwrap().entries, []);
        for cut in 0..bytes.len() {
            assert_eq!(Descriptor::without(&bytes[..cut], |_| true), None, "{cut}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_a_descriptor_or_an_error(bytes: Vec<u8>) {
            if let Ok(descriptor) = Descriptor::parse(&bytes) {
                let _ = descriptor.to_sddl(Domains::default());
            }
            let _ = Descriptor::without(&bytes, |_| true);
        }

        #[test]
        fn changed_descriptors_are_descriptors_or_errors(
            changes: Vec<(proptest::sample::Index, u8)>,
        ) {
            let mut bytes = ids::hex::decode(SAMPLE).unwrap();
            for (index, byte) in changes {
                let at = index.index(bytes.len());
                bytes[at] = byte;
            }
            if let Ok(descriptor) = Descriptor::parse(&bytes) {
                let _ = descriptor.to_sddl(Domains::default());
            }
        }
    }
}
