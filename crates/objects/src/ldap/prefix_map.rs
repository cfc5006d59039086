//! The prefixes of object identifiers in Samba's `prefixMap`: NDR, little-endian.
//!
//! `DSDB` as a number (4), reserved (4), number of prefixes (4), pointer (4), number again (4); for
//! each a number (4), a length (4) and a pointer (4); then for each with a pointer the length again
//! (4) and the bytes, padded to four. Source: the interface `drsblobs`.

use crate::prefix::PrefixTable;

const MAGIC: u32 = 0x4453_4442;

/// Adds the prefixes. `None` if the value is of another form or truncated.
pub fn add(table: &mut PrefixTable, value: &[u8]) -> Option<()> {
    let mut at = 0;
    let mut number = || {
        let bytes = value.get(at..)?.first_chunk::<4>()?;
        at += 4;
        Some(u32::from_le_bytes(*bytes))
    };
    if number()? != MAGIC {
        return None;
    }
    number()?;
    let count = number()?;
    number()?;
    number()?;
    let mut prefixes = Vec::new();
    for _ in 0..count {
        prefixes.push((number()?, number()?, number()?));
    }
    for (id, length, pointer) in prefixes {
        if pointer == 0 {
            continue;
        }
        let bytes = value.get(at + 4..)?.get(..length as usize)?;
        at += 4 + bytes.len().next_multiple_of(4);
        table.add(u16::try_from(id).ok()?, bytes.to_vec());
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn prefixes_are_added(
            prefixes in proptest::collection::vec((100..999u16, 1..9usize), 0..5),
            noise: Vec<u8>,
        ) {
            let numbers = |numbers: &[u32]| -> Vec<u8> {
                numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
            };
            let count = prefixes.len() as u32;
            let mut value = numbers(&[MAGIC, 0, count, 1, count]);
            for (id, length) in &prefixes {
                value.extend(numbers(&[u32::from(*id), *length as u32, 1]));
            }
            for (id, length) in &prefixes {
                value.extend(numbers(&[*length as u32]));
                value.extend(vec![*id as u8 & 0x7f; *length]);
                value.resize(value.len().next_multiple_of(4), 0);
            }
            let mut table = PrefixTable::default();
            proptest::prop_assert_eq!(add(&mut table, &value), Some(()));
            for (id, _) in &prefixes {
                proptest::prop_assert!(table.oid(u32::from(*id) << 16 | 5).is_some());
            }
            let _ = add(&mut table, &noise);
            let _ = add(&mut table, &[&value[..20.min(value.len())], &noise].concat());
        }
    }
}
