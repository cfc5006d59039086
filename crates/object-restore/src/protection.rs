//! "Protect object from accidental deletion", as Windows' own tools do it: everybody is denied to delete
//! the object. Source: \[MS-DTYP\] 2.4.4 (ACE), 2.4.5 (ACL), 2.4.6 (SECURITY_DESCRIPTOR).

/// Offset of the DACL's offset in a descriptor: u32, little-endian.
const DACL_AT: usize = 16;
/// Offset of the number of entries in a list: u16, little-endian. The entries begin at 8.
const COUNT_AT: usize = 4;
const ENTRIES_AT: usize = 8;
/// ACCESS_DENIED_ACE_TYPE
const DENIED: u8 = 1;
/// INHERITED_ACE
const INHERITED: u8 = 0x10;
/// DELETE and, of a directory, DELETE_TREE.
const DELETES: u32 = 0x1_0000 | 0x40;
/// Everyone, S-1-1-0.
const EVERYONE: [u8; 12] = [1, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0];

/// The descriptor without that denial; `None` where it has none, and for malformed bytes.
pub fn lifted(descriptor: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = descriptor.to_vec();
    let dacl = u32::from_le_bytes(*bytes.get(DACL_AT..)?.first_chunk()?) as usize;
    let count = u16::from_le_bytes(*bytes.get(dacl.checked_add(COUNT_AT)?..)?.first_chunk()?);
    let (mut at, mut left) = (dacl.checked_add(ENTRIES_AT)?, count);
    let mut entries = Vec::new();
    for _ in 0..count {
        let rest = bytes.get(at..)?;
        let length = usize::from(u16::from_le_bytes(*rest.get(2..)?.first_chunk()?));
        let entry = rest.get(..length)?;
        let (kind, flags) = (*entry.first()?, *entry.get(1)?);
        let rights = u32::from_le_bytes(*entry.get(4..)?.first_chunk()?);
        let protects = kind == DENIED
            && flags & INHERITED == 0
            && rights & DELETES != 0
            && rights & !DELETES == 0
            && entry.get(8..) == Some(&EVERYONE);
        match protects {
            true => left -= 1,
            false => entries.extend_from_slice(entry),
        }
        at += length;
    }
    if left == count {
        return None;
    }
    // The list keeps its size: behind its entries it may have room.
    let begin = dacl + ENTRIES_AT;
    bytes
        .get_mut(begin..begin + entries.len())?
        .copy_from_slice(&entries);
    bytes
        .get_mut(dacl + COUNT_AT..dacl + COUNT_AT + 2)?
        .copy_from_slice(&left.to_le_bytes());
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: u8, flags: u8, rights: u32, sid: &[u8]) -> Vec<u8> {
        let mut entry = vec![kind, flags];
        entry.extend((8 + sid.len() as u16).to_le_bytes());
        entry.extend(rights.to_le_bytes());
        entry.extend(sid);
        entry
    }

    fn descriptor(entries: &[Vec<u8>]) -> Vec<u8> {
        let list: Vec<u8> = entries.concat();
        let mut bytes = vec![1, 0, 4, 0x80];
        bytes.extend([0; 12]);
        bytes.extend(20_u32.to_le_bytes());
        bytes.extend([4, 0]);
        bytes.extend((8 + list.len() as u16).to_le_bytes());
        bytes.extend((entries.len() as u16).to_le_bytes());
        bytes.extend([0, 0]);
        bytes.extend(list);
        bytes
    }

    #[test]
    fn only_the_denial_to_delete_is_lifted() {
        let system = [1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0];
        let allowed = entry(0, 0, 0xf_01ff, &system);
        let other = entry(DENIED, 0, 0x20, &EVERYONE);
        let protection = entry(DENIED, 0, DELETES, &EVERYONE);
        let lifted = lifted(&descriptor(&[
            protection.clone(),
            other.clone(),
            allowed.clone(),
        ]));
        let lifted = lifted.expect("it was there");
        assert_eq!(lifted[24..26], [2, 0]);
        let kept = [other, allowed.clone()].concat();
        assert_eq!(lifted[28..28 + kept.len()], kept);
        assert_eq!(super::lifted(&lifted), None);
        let inherited = entry(DENIED, INHERITED, DELETES, &EVERYONE);
        assert_eq!(super::lifted(&descriptor(&[inherited, allowed])), None);
    }

    #[test]
    fn nothing_makes_it_panic() {
        let system = [1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0];
        let sound = descriptor(&[
            entry(DENIED, 0, DELETES, &EVERYONE),
            entry(0, 0, 1, &system),
        ]);
        for length in 0..sound.len() {
            let _ = lifted(&sound[..length]);
        }
        for at in 0..sound.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut changed = sound.clone();
                changed[at] = value;
                let _ = lifted(&changed);
            }
        }
    }
}
