//! The extended attribute `security.NTACL`: the security descriptor of a file of a share.
//!
//! Little-endian, as NDR writes it (`xattr.idl`): version (2), the same again (2), a pointer (4),
//! by version 2, 3 and 4 another pointer (4) and a hash of the descriptor or of the file's own
//! access rights, then the descriptor in self-relative form, with offsets that count from the
//! start of the attribute.
//!
//! | version | between pointers and descriptor |
//! | --- | --- |
//! | 1 | nothing |
//! | 2 | hash (16) |
//! | 3 | kind of the hash (2), hash (64) |
//! | 4 | kind of the hash (2), hash (64), text up to a NUL, time (8), hash (64) |
//!
//! Descriptor, times: at multiples of 4.

/// Bytes of a descriptor before its owner, group and lists.
const HEADER: usize = 20;
/// The places of its four offsets.
const OFFSETS: [usize; 4] = [4, 8, 12, 16];

/// The security descriptor in an attribute, in self-relative form. `None` if the attribute is
/// malformed, or of a later version.
pub fn descriptor(attribute: &[u8]) -> Option<Vec<u8>> {
    let [version, again] = [0, 2].map(|at| u16_at(attribute, at));
    let version = version.filter(|_| version == again)?;
    let start = match version {
        1 => 8,
        2 => 12 + 16,
        3 => aligned(12 + 2 + 64),
        4 => {
            let text = 12 + 2 + 64;
            let length = attribute.get(text..)?.iter().position(|byte| *byte == 0)?;
            aligned(text + length + 1) + 8 + 64
        }
        _ => return None,
    };
    let mut descriptor = attribute.get(start..)?.to_vec();
    if descriptor.len() < HEADER {
        return None;
    }
    for at in OFFSETS {
        let offset: [u8; 4] = descriptor.get(at..at + 4)?.try_into().ok()?;
        let offset = match u32::from_le_bytes(offset) {
            0 => 0,
            offset => offset.checked_sub(u32::try_from(start).ok()?)?,
        };
        descriptor
            .get_mut(at..at + 4)?
            .copy_from_slice(&offset.to_le_bytes());
    }
    Some(descriptor)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..at + 2)?.try_into().ok()?;
    Some(u16::from_le_bytes(bytes))
}

fn aligned(at: usize) -> usize {
    at.next_multiple_of(4)
}

#[cfg(test)]
mod tests {
    use ids::hex;

    use super::*;

    /// O:LAG:BAD:PAI(A;;FA;;;BA), the domain S-1-5-21-1-2-3, as Samba 4.17 packs it.
    const DESCRIPTOR: &str = "0100049414000000300000000000000040000000\
        010500000000000515000000010000000200000003000000f4010000\
        01020000000000052000000020020000\
        040020000100000000001800ff01000001020000000000052000000020020000";

    /// What Samba 4.17 puts before it, and the descriptor's offsets there.
    fn attributes() -> [Vec<u8>; 5] {
        let hash = "07".repeat(64);
        let other = "09".repeat(64);
        [
            (
                "0100010000000200".to_owned(),
                "1c000000380000000000000048000000",
            ),
            (
                format!("020002000000020004000200{}", "07".repeat(16)),
                "300000004c000000000000005c000000",
            ),
            (
                format!("0300030000000200040002000100{hash}0000"),
                "64000000800000000000000090000000",
            ),
            (
                format!(
                    "0400040000000200040002000100{hash}706f7369785f61636c00\
                     8400000000000000{other}"
                ),
                "b4000000d000000000000000e0000000",
            ),
            (
                format!(
                    "0400040000000200040002000100{hash}616200000000\
                     8400000000000000{other}"
                ),
                "b0000000cc00000000000000dc000000",
            ),
        ]
        .map(|(before, offsets)| {
            let text = format!("{before}{}{offsets}{}", &DESCRIPTOR[..8], &DESCRIPTOR[40..]);
            hex::decode(&text).expect("hexadecimal")
        })
    }

    #[test]
    fn the_descriptor_of_every_version_is_found() {
        let expected = hex::decode(DESCRIPTOR);
        for attribute in attributes() {
            assert_eq!(descriptor(&attribute), expected, "version {}", attribute[0]);
        }
        assert_eq!(descriptor(&[5, 0, 5, 0, 0, 0, 2, 0]), None);
    }

    proptest::proptest! {
        #[test]
        fn any_attribute_has_a_descriptor_or_none(
            bytes: Vec<u8>,
            version in 0..5usize,
            at: proptest::sample::Index,
            byte: u8,
        ) {
            let _ = descriptor(&bytes);
            let mut changed = attributes()[version].clone();
            let at = at.index(changed.len());
            changed[at] = byte;
            let _ = descriptor(&changed);
            let _ = descriptor(&changed[..at]);
        }
    }
}
