//! The last change of each attribute of an object: `replPropertyMetaData`.
//!
//! | offset | bytes | field |
//! | --- | --- | --- |
//! | 0 | 4 | version, 1 |
//! | 8 | 4 | number of entries |
//! | 16 | 48 each | the entries |
//!
//! An entry: number of the attribute (4), version (4), originating time in seconds since 1601 (8),
//! invocation id (16), originating USN (8), local USN (8). Little-endian. Source: \[MS-DRSR\]
//! 5.167; NTDS and Samba keep the same form.

use ids::Guid;

use crate::Time;
use crate::schema::AttributeNumber;

/// The last change of an attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttributeMetadata {
    /// The attribute.
    pub attribute: AttributeNumber,
    /// The number of changes.
    pub version: u32,
    /// The time of the change.
    pub changed: Time,
    /// The invocation id of the server of the change.
    pub invocation_id: Guid,
    /// The USN of the change on that server.
    pub originating_usn: i64,
    /// The USN of the change on this server.
    pub local_usn: i64,
}

/// The error for malformed bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("replPropertyMetaData: expected {expected}, found {found} at offset {offset}")]
pub struct Malformed {
    /// The offset in the value.
    pub offset: usize,
    /// The expected value.
    pub expected: &'static str,
    /// The actual value, as a number.
    pub found: u64,
}

const HEADER: usize = 16;
const ENTRY: usize = 48;

/// Parses a value of `replPropertyMetaData`.
///
/// # Errors
/// Fails if it is truncated or of another version.
pub fn parse(bytes: &[u8]) -> Result<Vec<AttributeMetadata>, Malformed> {
    let wrong = |offset, expected, found: usize| Malformed {
        offset,
        expected,
        found: found as u64,
    };
    let Some((header, entries)) = bytes.split_at_checked(HEADER) else {
        return Err(wrong(0, "a header of 16 bytes", bytes.len()));
    };
    let version = u32_at(header, 0);
    if version != 1 {
        return Err(wrong(0, "version 1", version as usize));
    }
    let count = u32_at(header, 8) as usize;
    let (entries, _) = entries.as_chunks::<ENTRY>();
    let Some(entries) = entries.get(..count) else {
        return Err(wrong(8, "no more entries than there are bytes for", count));
    };
    Ok(entries
        .iter()
        .map(|entry| AttributeMetadata {
            attribute: AttributeNumber(u32_at(entry, 0)),
            version: u32_at(entry, 4),
            changed: Time(i64_at(entry, 8)),
            invocation_id: guid_at(entry, 16),
            originating_usn: i64_at(entry, 32),
            local_usn: i64_at(entry, 40),
        })
        .collect())
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let field = bytes.get(at..).and_then(|rest| rest.first_chunk());
    field.copied().unwrap_or([0; N])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(field(bytes, at))
}

fn i64_at(bytes: &[u8], at: usize) -> i64 {
    i64::from_le_bytes(field(bytes, at))
}

fn guid_at(bytes: &[u8], at: usize) -> Guid {
    Guid(field(bytes, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(entries: &[AttributeMetadata]) -> Vec<u8> {
        let mut bytes = vec![1, 0, 0, 0, 0, 0, 0, 0];
        bytes.extend((entries.len() as u64).to_le_bytes());
        for entry in entries {
            bytes.extend(entry.attribute.0.to_le_bytes());
            bytes.extend(entry.version.to_le_bytes());
            bytes.extend(entry.changed.0.to_le_bytes());
            bytes.extend(entry.invocation_id.0);
            bytes.extend(entry.originating_usn.to_le_bytes());
            bytes.extend(entry.local_usn.to_le_bytes());
        }
        bytes
    }

    proptest::proptest! {
        #[test]
        fn what_was_written_is_read(parts: Vec<(u32, u32, i64, [u8; 16], i64, i64)>) {
            let entries: Vec<_> = (parts.into_iter())
                .map(|(attribute, version, changed, guid, originating_usn, local_usn)| {
                    AttributeMetadata {
                        attribute: AttributeNumber(attribute),
                        version,
                        changed: Time(changed),
                        invocation_id: Guid(guid),
                        originating_usn,
                        local_usn,
                    }
                })
                .collect();
            let bytes = bytes(&entries);
            proptest::prop_assert_eq!(parse(&bytes), Ok(entries.clone()));
            for cut in 0..bytes.len() {
                proptest::prop_assert!(parse(&bytes[..cut]).is_err());
            }
        }

        #[test]
        fn any_bytes_are_metadata_or_an_error(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
