//! Passwords of accounts in a backup of Samba's databases, for the one use that this project makes
//! of them: to write them back into the running domain controller that they are of, over its own
//! socket (docs/decisions/secrets.md).
//!
//! Values are decrypted in memory and wiped after their use. Nothing here prints them, and their
//! type has no `Debug`.
//!
//! An encrypted value: number of bytes of the nonce (4), nonce, header (16: magic, version,
//! algorithm, flags), ciphertext, tag (16). Little-endian. The plaintext: number of bytes (4), value.
//! AES-128-GCM; the header is authenticated as well.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use ids::Guid;
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::ldb::{File, Record};

/// Where the key is, beside `sam.ldb`.
pub const KEY_FILE: &str = "encrypted_secrets.key";

/// What a password consists of.
const ATTRIBUTES: [&str; 5] = [
    "unicodePwd",
    "ntPwdHistory",
    "dBCSPwd",
    "lmPwdHistory",
    "supplementalCredentials",
];

const MAGIC: u32 = 0xca5c_aded;
const VERSION: u32 = 1;
const AES_GCM_AEAD: u32 = 1;
const HEADER: usize = 16;

/// The names of attributes and their values.
pub type Values = Vec<(String, Vec<Zeroizing<Vec<u8>>>)>;

/// The key of a backup's secrets.
pub struct Key(LessSafeKey);

impl Key {
    /// From the bytes of its file; `None` if they are no key.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let key = UnboundKey::new(&AES_128_GCM, bytes).ok()?;
        Some(Self(LessSafeKey::new(key)))
    }

    /// Decrypts a value; `None` if it is malformed, or of another key.
    pub fn open(&self, value: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let (length, rest) = number(value)?;
        let (nonce, rest) = rest.split_at_checked(length as usize)?;
        let (header, sealed) = rest.split_at_checked(HEADER)?;
        let (magic, rest) = number(header)?;
        let (version, rest) = number(rest)?;
        let (algorithm, _) = number(rest)?;
        if (magic, version, algorithm) != (MAGIC, VERSION, AES_GCM_AEAD) {
            return None;
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut bytes = Zeroizing::new(sealed.to_vec());
        let plain = self.0.open_in_place(nonce, Aad::from(header), &mut bytes);
        let (length, rest) = number(plain.ok()?)?;
        Some(Zeroizing::new(rest.get(..length as usize)?.to_vec()))
    }
}

fn number(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u32::from_le_bytes(*number), rest))
}

/// Decrypts the passwords of these objects in the databases of the folder `private`.
///
/// # Errors
/// [`Error::Damaged`] if a value is of another key, or a file is damaged.
pub fn read(private: &Path, key: &Key, objects: &HashSet<Guid>) -> Result<HashMap<Guid, Values>> {
    let folder = private.join("sam.ldb.d");
    let listed = std::fs::read_dir(&folder).map_err(Error::io("list", &folder))?;
    let mut found = HashMap::new();
    for entry in listed {
        let path = entry.map_err(Error::io("list", &folder))?.path();
        if path.extension().is_none_or(|extension| extension != "ldb") {
            continue;
        }
        File::open(&path)?.visit(|name, value, _| -> Result<()> {
            let guid = name.strip_prefix(b"GUID=");
            let guid = guid.and_then(|guid| <[u8; 16]>::try_from(guid).ok());
            let Some(guid) = guid.map(Guid).filter(|guid| objects.contains(guid)) else {
                return Ok(());
            };
            let damaged =
                |reason: String| Error::damaged(&path, format!("object {guid}: {reason}"));
            let record = Record::parse(value).map_err(|error| damaged(error.to_string()))?;
            let mut values = Values::new();
            for attribute in ATTRIBUTES {
                let opened: Option<Vec<_>> = (record.values(attribute).iter())
                    .map(|value| key.open(value))
                    .collect();
                let opened = opened.ok_or_else(|| {
                    damaged(format!(
                        "{attribute} is not encrypted with the key beside it"
                    ))
                })?;
                if !opened.is_empty() {
                    values.push((attribute.to_owned(), opened));
                }
            }
            found.insert(guid, values);
            Ok(())
        })?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use ring::aead::{Aad, Nonce};

    use super::*;

    fn sealed(key: &Key, value: &[u8]) -> Vec<u8> {
        let header: Vec<u8> = [MAGIC, VERSION, AES_GCM_AEAD, 0]
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect();
        let mut plain = (value.len() as u32).to_le_bytes().to_vec();
        plain.extend(value);
        let nonce = Nonce::assume_unique_for_key([7; 12]);
        let aad = Aad::from(&header[..]);
        (key.0.seal_in_place_append_tag(nonce, aad, &mut plain)).unwrap();
        [&12u32.to_le_bytes()[..], &[7; 12], &header, &plain].concat()
    }

    #[test]
    fn a_value_is_opened_by_its_own_key_only_and_a_flipped_bit_is_found() {
        let key = Key::new(&[1; 16]).unwrap();
        let bytes = sealed(&key, b"sixteen bytes of");
        assert_eq!(key.open(&bytes).unwrap()[..], b"sixteen bytes of"[..]);
        assert!(Key::new(&[2; 16]).unwrap().open(&bytes).is_none());
        for place in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[place] ^= 1;
            assert!(key.open(&flipped).is_none(), "{place}");
        }
        assert!(Key::new(&[1; 15]).is_none());
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_opened_or_not(bytes: Vec<u8>) {
            let _ = Key::new(&[1; 16]).unwrap().open(&bytes);
        }
    }
}
