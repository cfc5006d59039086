//! One message from a stream of bytes.

use objects::ldap::frame::{Header, header};

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

/// Finds the message at the start of `bytes`, of at most `limit` bytes.
pub fn frame(bytes: &[u8], limit: usize) -> Framed {
    let Header { length, content } = match header(bytes) {
        Ok(Some(header)) => header,
        Ok(None) => return Framed::Incomplete,
        Err(_) => return Framed::Malformed,
    };
    let whole = content.saturating_add(length);
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
            let mut bytes = vec![0x30, 0x82];
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
