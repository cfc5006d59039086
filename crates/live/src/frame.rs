//! Where a message ends, and whether it is one that a client expects.

use objects::ldap::frame::{Header, NotAMessage, header};
use rasn_ldap::LdapMessage;

/// The largest message that is read, in bytes: an object with all its values.
pub const LARGEST: usize = 64 << 20;

const INTEGER: u8 = 0x02;
/// Answers to bind and search, to modify, add, delete and rename, references, and answers to extended
/// operations. Requests, whose filters may be nested without end, are none.
const ANSWERS: [u8; 9] = [0x61, 0x64, 0x65, 0x67, 0x69, 0x6b, 0x6d, 0x73, 0x78];

/// The number of bytes of the message that begins with `start`; `None` where more bytes are needed
/// to tell.
///
/// # Errors
/// In words, where it is no message, or one that is too large.
pub fn length(start: &[u8]) -> Result<Option<usize>, String> {
    let header = match header(start) {
        Ok(Some(header)) => header,
        Ok(None) => return Ok(None),
        Err(NotAMessage::Tag(tag)) => {
            return Err(format!("something that begins with {tag:#04x}"));
        }
        Err(NotAMessage::LengthOf(count)) => {
            return Err(format!("a message whose length has {count} bytes"));
        }
    };
    let Header { length, content } = header;
    match content > LARGEST {
        true => Err(format!("a message of {content} bytes, more than {LARGEST}")),
        false => Ok(Some(length + content)),
    }
}

/// Reads a whole message.
///
/// # Errors
/// In words, where it is none that a client expects.
pub fn message(bytes: &[u8]) -> Result<LdapMessage, String> {
    match operation(bytes) {
        Some(tag) if ANSWERS.contains(&tag) => {}
        Some(tag) => return Err(format!("a message of the kind {tag:#04x}")),
        None => return Err("cut short".into()),
    }
    rasn::ber::decode(bytes).map_err(|error| format!("malformed ({error})"))
}

/// The tag of the operation, behind the message's number.
fn operation(bytes: &[u8]) -> Option<u8> {
    let header = header(bytes).ok()??.length;
    let [INTEGER, length, rest @ ..] = bytes.get(header..)? else {
        return None;
    };
    rest.get(usize::from(*length)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_of_messages() {
        assert_eq!(length(&[]), Ok(None));
        assert_eq!(length(&[0x30]), Ok(None));
        assert_eq!(length(&[0x30, 5]), Ok(Some(7)));
        assert_eq!(length(&[0x30, 0x82, 1]), Ok(None));
        assert_eq!(length(&[0x30, 0x82, 1, 0]), Ok(Some(260)));
        for wrong in [
            &[0x31, 0][..],
            &[0x30, 0x80],
            &[0x30, 0x85],
            &[0x30, 0x84, 0xff, 0, 0, 0],
        ] {
            assert!(length(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn requests_are_no_answers() {
        // Filters nested 100,000 deep, in a search request.
        let mut bytes = vec![0x30, 0x83, 0x01, 0x90, 0x00, 0x02, 1, 1, 0x63];
        bytes.resize(100_000, 0xa2);
        assert!(message(&bytes).unwrap_err().contains("0x63"));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_an_error(
            tag in proptest::sample::select(&ANSWERS[..]),
            rest: Vec<u8>,
        ) {
            let mut bytes = vec![0x30, (4 + rest.len().min(100)) as u8, 2, 1, 1, tag];
            bytes.extend(rest);
            let _ = (length(&bytes), message(&bytes));
        }
    }
}
