//! Where a message of LDAP begins and ends.
//!
//! A message is a BER SEQUENCE of definite length (RFC 4511, 5.1): the octet 0x30, the length, the
//! content. A length below 128 is one octet; otherwise the first octet is 0x80 plus the number of
//! octets of the length, most significant first.

const SEQUENCE: u8 = 0x30;

/// The most octets of a length: enough for any message that is read.
const LONGEST: usize = 4;

/// The start of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Bytes before the content.
    pub length: usize,
    /// Bytes of the content, as the header states; unchecked.
    pub content: usize,
}

/// Why bytes are no message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAMessage {
    /// The first octet.
    Tag(u8),
    /// The length has this many octets: none, which BER calls indefinite, or more than four.
    LengthOf(usize),
}

/// Reads the header at the start of `bytes`; `None` if it is incomplete.
///
/// # Errors
/// If no message begins like this.
pub fn header(bytes: &[u8]) -> Result<Option<Header>, NotAMessage> {
    match bytes.first() {
        None => return Ok(None),
        Some(&SEQUENCE) => {}
        Some(tag) => return Err(NotAMessage::Tag(*tag)),
    }
    let [_, first, rest @ ..] = bytes else {
        return Ok(None);
    };
    let count = match first {
        short @ 0..=0x7f => {
            return Ok(Some(Header {
                length: 2,
                content: usize::from(*short),
            }));
        }
        long => usize::from(long & 0x7f),
    };
    if !(1..=LONGEST).contains(&count) {
        return Err(NotAMessage::LengthOf(count));
    }
    let Some(octets) = rest.get(..count) else {
        return Ok(None);
    };
    let content = (octets.iter()).fold(0, |all, octet| all << 8 | u64::from(*octet));
    Ok(Some(Header {
        length: 2 + count,
        content: usize::try_from(content).unwrap_or(usize::MAX),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_short_long_incomplete_or_none() {
        let at = |length, content| Ok(Some(Header { length, content }));
        assert_eq!(header(&[]), Ok(None));
        assert_eq!(header(&[0x30]), Ok(None));
        assert_eq!(header(&[0x30, 5]), at(2, 5));
        assert_eq!(header(&[0x30, 0x82, 1]), Ok(None));
        assert_eq!(header(&[0x30, 0x82, 1, 0]), at(4, 256));
        assert_eq!(header(&[0x31]), Err(NotAMessage::Tag(0x31)));
        assert_eq!(header(&[0x30, 0x80]), Err(NotAMessage::LengthOf(0)));
        assert_eq!(header(&[0x30, 0x85]), Err(NotAMessage::LengthOf(5)));
    }
}
