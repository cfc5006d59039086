//! Object identifiers as numbers (ATTRTYP): the upper 16 bits are the number of a prefix, the lower
//! ones the rest.
//!
//! The first prefixes are the same in every directory. Others come from extensions of the schema
//! and are in `prefixMap`. Sources: \[MS-DRSR\] 5.14 and 5.16.4.

use std::collections::HashMap;

/// The prefixes of every directory, by number.
const BASE: [&str; 39] = [
    "2.5.4",
    "2.5.6",
    "1.2.840.113556.1.2",
    "1.2.840.113556.1.3",
    "2.16.840.1.101.2.2.1",
    "2.16.840.1.101.2.2.3",
    "2.16.840.1.101.2.1.5",
    "2.16.840.1.101.2.1.4",
    "2.5.5",
    "1.2.840.113556.1.4",
    "1.2.840.113556.1.5",
    "1.2.840.113556.1.4.260",
    "1.2.840.113556.1.5.56",
    "1.2.840.113556.1.4.262",
    "1.2.840.113556.1.5.57",
    "1.2.840.113556.1.4.263",
    "1.2.840.113556.1.5.58",
    "1.2.840.113556.1.5.73",
    "1.2.840.113556.1.4.305",
    "0.9.2342.19200300.100",
    "2.16.840.1.113730.3",
    "0.9.2342.19200300.100.1",
    "2.16.840.1.113730.3.1",
    "1.2.840.113556.1.5.7000",
    "2.5.21",
    "2.5.18",
    "2.5.20",
    "1.3.6.1.4.1.1466.101.119",
    "2.16.840.1.113730.3.2",
    "1.3.6.1.4.1.250.1",
    "1.2.840.113549.1.9",
    "0.9.2342.19200300.100.4",
    "1.2.840.113556.1.6.23",
    "1.2.840.113556.1.6.18.1",
    "1.2.840.113556.1.6.18.2",
    "1.2.840.113556.1.6.13.3",
    "1.2.840.113556.1.6.13.4",
    "1.3.6.1.1.1.1",
    "1.3.6.1.1.1.2",
];

/// Bit of the lower half: the last arc has three bytes or more, and its first ones belong to the
/// prefix.
const LONG_ARC: u32 = 0x8000;
/// Numbers from here on are `msDS-IntId`, without a prefix.
const FIRST_INT_ID: u32 = 0x8000_0000;

/// The prefixes of a directory.
#[derive(Debug)]
pub struct PrefixTable {
    /// The bytes of each prefix (BER, without tag and length), by its number.
    prefixes: HashMap<u16, Vec<u8>>,
    numbers: HashMap<Vec<u8>, u16>,
}

impl Default for PrefixTable {
    fn default() -> Self {
        let mut table = Self {
            prefixes: HashMap::new(),
            numbers: HashMap::new(),
        };
        for (number, oid) in (0..).zip(BASE) {
            if let Some(bytes) = to_ber(oid) {
                table.add(number, bytes);
            }
        }
        table
    }
}

impl PrefixTable {
    /// Adds a prefix, its bytes in BER.
    pub fn add(&mut self, number: u16, ber: Vec<u8>) {
        self.numbers.insert(ber.clone(), number);
        self.prefixes.insert(number, ber);
    }

    /// Adds the prefixes in a value of NTDS's `prefixMap`: count (4), total size (4); for each a
    /// number (2), a length (2) and the bytes. `None` if it is truncated; prefixes before the end
    /// are added all the same.
    pub fn add_stored(&mut self, map: &[u8]) -> Option<()> {
        let (count, rest) = map.split_first_chunk::<4>()?;
        let (_, mut rest) = rest.split_first_chunk::<4>()?;
        for _ in 0..u32::from_le_bytes(*count) {
            let (number, after) = rest.split_first_chunk::<2>()?;
            let (len, after) = after.split_first_chunk::<2>()?;
            let (bytes, after) = after.split_at_checked(usize::from(u16::from_le_bytes(*len)))?;
            self.add(u16::from_le_bytes(*number), bytes.to_vec());
            rest = after;
        }
        Some(())
    }

    /// The dotted object identifier of a number. `None` for an unknown prefix.
    pub fn oid(&self, number: u32) -> Option<String> {
        if number >= FIRST_INT_ID {
            return None;
        }
        let mut bytes = self.prefixes.get(&((number >> 16) as u16))?.clone();
        let low = number & 0xffff;
        if low & LONG_ARC != 0 {
            let arc = low & !LONG_ARC;
            bytes.push((arc >> 7) as u8 | 0x80);
            bytes.push((arc & 0x7f) as u8);
        } else if low < 0x80 {
            bytes.push(low as u8);
        } else {
            bytes.push((low >> 7) as u8 | 0x80);
            bytes.push((low & 0x7f) as u8);
        }
        to_text(&bytes)
    }

    /// The number of an object identifier. `None` for an unknown prefix.
    pub fn number(&self, oid: &str) -> Option<u32> {
        let bytes = to_ber(oid)?;
        let last: u64 = oid.rsplit('.').next()?.parse().ok()?;
        let own = if last < 0x80 { 1 } else { 2 };
        let (prefix, own) = bytes.split_at_checked(bytes.len().checked_sub(own)?)?;
        let prefix = u32::from(*self.numbers.get(prefix)?);
        let low = own
            .iter()
            .fold(0, |low, byte| low << 7 | u32::from(byte & 0x7f));
        let flag = if last >= 0x4000 { LONG_ARC } else { 0 };
        Some(prefix << 16 | low | flag)
    }
}

/// An object identifier's bytes (BER, without tag and length).
fn to_ber(oid: &str) -> Option<Vec<u8>> {
    let mut arcs = oid.split('.').map(|arc| arc.parse::<u64>().ok());
    let (first, second) = (arcs.next()??, arcs.next()??);
    if first > 2 || (first < 2 && second >= 40) {
        return None;
    }
    let mut bytes = Vec::new();
    push_arc(&mut bytes, (first * 40).checked_add(second)?);
    for arc in arcs {
        push_arc(&mut bytes, arc?);
    }
    Some(bytes)
}

fn push_arc(bytes: &mut Vec<u8>, arc: u64) {
    let groups = (64 - arc.leading_zeros()).div_ceil(7).max(1);
    for group in (0..groups).rev() {
        let more = if group == 0 { 0 } else { 0x80 };
        bytes.push((arc >> (7 * group)) as u8 & 0x7f | more);
    }
}

fn to_text(bytes: &[u8]) -> Option<String> {
    let mut text = String::new();
    let mut arc = 0u64;
    for byte in bytes {
        if arc >> 57 != 0 {
            return None;
        }
        arc = arc << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 != 0 {
            continue;
        }
        if text.is_empty() {
            let first = (arc / 40).min(2);
            text = format!("{first}.{}", arc - 40 * first);
        } else {
            text.push_str(&format!(".{arc}"));
        }
        arc = 0;
    }
    let is_whole = bytes.last().is_some_and(|byte| byte & 0x80 == 0);
    is_whole.then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_the_base_schema() {
        let table = PrefixTable::default();
        for (number, oid) in [
            (0, "2.5.4.0"),
            (131_532, "1.2.840.113556.1.2.460"),
            (589_826, "1.2.840.113556.1.4.2"),
            (1_376_281, "0.9.2342.19200300.100.1.25"),
            (524_290, "2.5.5.2"),
            (655_369, "1.2.840.113556.1.5.9"),
        ] {
            assert_eq!(table.oid(number).as_deref(), Some(oid));
            assert_eq!(table.number(oid), Some(number), "{oid}");
        }
        assert_eq!(table.oid(0x7fff_0001), None);
        assert_eq!(table.oid(2_588_002_275), None);
    }

    #[test]
    fn prefixes_of_extensions_and_long_arcs() {
        let mut table = PrefixTable::default();
        let oid = "1.3.6.1.4.1.99999.7.300000";
        let bytes = to_ber(oid).unwrap();
        let (prefix, _) = bytes.split_at(bytes.len() - 2);
        let mut map = vec![1, 0, 0, 0, 0, 0, 0, 0, 0x4e, 0x21];
        map.extend((prefix.len() as u16).to_le_bytes());
        map.extend(prefix);
        assert_eq!(table.add_stored(&map), Some(()));
        let number = table.number(oid).unwrap();
        assert_eq!(number >> 16, 0x214e);
        assert_ne!(number & LONG_ARC, 0);
        assert_eq!(table.oid(number).as_deref(), Some(oid));
        for cut in 0..map.len() {
            assert_eq!(PrefixTable::default().add_stored(&map[..cut]), None);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_number_leads_to_an_identifier_and_back(low in 0..0x4000u32, prefix in 0..39u32) {
            let table = PrefixTable::default();
            let number = prefix << 16 | low;
            let oid = table.oid(number).unwrap();
            proptest::prop_assert_eq!(table.number(&oid), Some(number));
        }

        #[test]
        fn any_text_and_bytes_are_handled(
            text: String,
            oid in "[0-9.]{0,40}",
            map: Vec<u8>,
            number: u32,
        ) {
            let mut table = PrefixTable::default();
            let _ = (table.number(&text), table.number(&oid));
            let _ = (table.add_stored(&map), table.oid(number));
        }
    }
}
