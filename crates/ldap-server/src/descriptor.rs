//! Parts of a security descriptor (\[MS-ADTS\] 3.1.1.3.4.1.11, LDAP_SERVER_SD_FLAGS_OID).
//!
//! | offset | bytes | field (\[MS-DTYP\] 2.4.6) |
//! | --- | --- | --- |
//! | 0 | 2 | revision, 0 |
//! | 2 | 2 | control bits |
//! | 4 | 4 each | offsets of owner, group, SACL, DACL; 0 for none |
//!
//! Little-endian.

/// Owner, group, DACL and SACL.
pub const EVERYTHING: u32 = 0xf;

const HEADER: usize = 20;

/// A part of a descriptor: its bit in the flags, the place of its offset, its control bits.
const PARTS: [(u32, usize, u16); 4] = [
    (1, 4, 0x0001),
    (2, 8, 0x0002),
    (8, 12, 0x2a30),
    (4, 16, 0x150c),
];

/// The descriptor with only the parts in `flags`. `None` if it is malformed.
pub fn parts(bytes: &[u8], flags: u32) -> Option<Vec<u8>> {
    if flags & EVERYTHING == EVERYTHING {
        return Some(bytes.to_vec());
    }
    let mut made = bytes.get(..HEADER)?.to_vec();
    let mut control = u16::from_le_bytes(*bytes.get(2..)?.first_chunk()?);
    for (bit, place, controls) in PARTS {
        let offset = u32::from_le_bytes(*bytes.get(place..)?.first_chunk()?) as usize;
        let part = match (flags & bit != 0, offset) {
            (false, _) => {
                control &= !controls;
                None
            }
            (true, 0) => None,
            (true, _) => {
                let rest = bytes.get(offset..)?;
                let length = match place {
                    // A SID: the number of its parts is its second byte.
                    4 | 8 => 8 + 4 * usize::from(*rest.get(1)?),
                    _ => usize::from(u16::from_le_bytes(*rest.get(2..)?.first_chunk()?)),
                };
                Some(rest.get(..length)?)
            }
        };
        let start = part.map_or(0, |_| made.len() as u32);
        made.get_mut(place..place + 4)?
            .copy_from_slice(&start.to_le_bytes());
        made.extend_from_slice(part.unwrap_or_default());
    }
    made.get_mut(2..4)?.copy_from_slice(&control.to_le_bytes());
    Some(made)
}

#[cfg(test)]
mod tests {
    use super::*;
    use objects::descriptor::Descriptor;

    proptest::proptest! {
        #[test]
        fn any_bytes_have_parts_or_none(bytes: Vec<u8>, flags: u32) {
            let _ = parts(&bytes, flags);
        }
    }

    #[test]
    fn a_part_is_the_same_as_in_the_whole() {
        let sid = [1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0];
        let acl = [2, 0, 8, 0, 0, 0, 0, 0];
        let mut bytes = vec![1, 0, 4, 0x80];
        for offset in [20_u32, 32, 0, 44] {
            bytes.extend(offset.to_le_bytes());
        }
        bytes.extend([&sid[..], &sid, &acl].concat());
        let whole = Descriptor::parse(&bytes).unwrap();
        let owner = Descriptor::parse(&parts(&bytes, 1).unwrap()).unwrap();
        assert_eq!((owner.owner, owner.group), (whole.owner, None));
        assert!(owner.dacl.is_none());
        let dacl = Descriptor::parse(&parts(&bytes, 4).unwrap()).unwrap();
        assert!(dacl.dacl.is_some() && dacl.owner.is_none());
    }
}
