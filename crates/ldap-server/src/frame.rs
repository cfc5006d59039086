//! One message from a stream of bytes.
//!
//! A message of LDAP is a BER SEQUENCE of definite length (RFC 4511, 5.1): the octet 0x30, the
//! length, the content. A length below 128 is one octet; otherwise the first octet is 0x80 plus
//! the number of octets of the length, most significant first.

/// The start of a stream of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framed {
    /// A message of this many bytes, header included.
    Message(usize),
    /// An incomplete message: more bytes are needed.
    Incomplete,
    /// No message, or one over the limit.
    Malformed,
}

const SEQUENCE: u8 = 0x30;

/// Finds the message at the start of `bytes`, of at most `limit` bytes.
pub fn frame(bytes: &[u8], limit: usize) -> Framed {
    let Some((tag, rest)) = bytes.split_first() else {
        return Framed::Incomplete;
    };
    if *tag != SEQUENCE {
        return Framed::Malformed;
    }
    let Some((first, rest)) = rest.split_first() else {
        return Framed::Incomplete;
    };
    let (header, content) = match *first {
        short @ 0..=0x7f => (2, usize::from(short)),
        // Four octets are enough for any limit.
        long @ 0x81..=0x84 => {
            let count = usize::from(long - 0x80);
            let Some(octets) = rest.get(..count) else {
                return Framed::Incomplete;
            };
            let length = (octets.iter()).fold(0, |all, octet| all << 8 | u64::from(*octet));
            (2 + count, usize::try_from(length).unwrap_or(usize::MAX))
        }
        _ => return Framed::Malformed,
    };
    let whole = content.saturating_add(header);
    if whole > limit {
        return Framed::Malformed;
    }
    match bytes.len() >= whole {
        true => Framed::Message(whole),
        false => Framed::Incomplete,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn huge_lengths_are_refused_before_their_bytes_come() {
        assert_eq!(
            frame(&[0x30, 0x84, 0x7f, 0xff, 0xff, 0xff], 1 << 20),
            Framed::Malformed
        );
        assert_eq!(frame(&[0x30, 0x85], 1 << 20), Framed::Malformed);
        assert_eq!(frame(&[0x30, 0x80], 1 << 20), Framed::Malformed);
        assert_eq!(frame(b"GET / HTTP/1.1", 1 << 20), Framed::Malformed);
        assert_eq!(frame(&[0x30, 0x82, 0x01], 1 << 20), Framed::Incomplete);
    }

    proptest::proptest! {
        #[test]
        fn a_message_is_found_however_its_bytes_arrive(content: Vec<u8>, after: Vec<u8>) {
            let mut bytes = vec![SEQUENCE, 0x82];
            bytes.extend((content.len() as u16).to_be_bytes());
            bytes.extend(&content);
            let whole = bytes.len();
            for end in 0..whole {
                proptest::prop_assert_eq!(frame(&bytes[..end], whole), Framed::Incomplete);
            }
            bytes.extend(after);
            proptest::prop_assert_eq!(frame(&bytes, whole), Framed::Message(whole));
            proptest::prop_assert_eq!(frame(&bytes, whole - 1), Framed::Malformed);
        }

        #[test]
        fn any_bytes_are_framed_or_refused(bytes: Vec<u8>, limit: usize) {
            if let Framed::Message(length) = frame(&bytes, limit) {
                proptest::prop_assert!(length <= bytes.len() && length <= limit);
            }
        }
    }
}
