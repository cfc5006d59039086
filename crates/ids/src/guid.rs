//! GUIDs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{ParseError, hex};

/// A GUID in its stored form: the first three fields are little-endian.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Guid(pub [u8; 16]);

/// The index of the stored byte for each byte of the written form.
const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

/// `3e7d9a04-58c1-4f2b-a6d3-91b07c5e2f18`
impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (written, index) in ORDER.into_iter().enumerate() {
            if matches!(written, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{:02x}", self.0[index])?;
        }
        Ok(())
    }
}

impl fmt::Debug for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Guid {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let wrong = || ParseError::new(text, "a GUID, 8-4-4-4-12 hexadecimal digits");
        let parts: Vec<&str> = text.split('-').collect();
        if !parts.iter().map(|part| part.len()).eq([8, 4, 4, 4, 12]) {
            return Err(wrong());
        }
        let written = hex::decode_array::<16>(&parts.concat()).ok_or_else(wrong)?;
        let mut stored = [0; 16];
        for (byte, index) in written.into_iter().zip(ORDER) {
            stored[index] = byte;
        }
        Ok(Self(stored))
    }
}

impl From<Guid> for String {
    fn from(guid: Guid) -> Self {
        guid.to_string()
    }
}

impl TryFrom<String> for Guid {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guids_are_written_as_directories_write_them() {
        let bytes = std::array::from_fn(|index| index as u8);
        let text = "03020100-0504-0706-0809-0a0b0c0d0e0f";
        assert_eq!(Guid(bytes).to_string(), text);
        assert_eq!(text.parse(), Ok(Guid(bytes)));
        assert_eq!(
            serde_json::to_string(&Guid(bytes)).unwrap(),
            format!("{text:?}")
        );
        for wrong in [
            "",
            "03020100-0504-0706-0809",
            "0302010x-0504-0706-0809-0a0b0c0d0e0f",
        ] {
            assert!(wrong.parse::<Guid>().is_err(), "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn text_leads_back_to_the_bytes(bytes: [u8; 16]) {
            proptest::prop_assert_eq!(Guid(bytes).to_string().parse(), Ok(Guid(bytes)));
        }

        #[test]
        fn any_text_is_a_guid_or_an_error(text: String) {
            let _ = text.parse::<Guid>();
        }
    }
}
