//! The encryption of a repository: AES-256-CTR with Poly1305-AES, after zstd.

use aes256ctr_poly1305aes::aead::AeadInPlace;
use aes256ctr_poly1305aes::{Aes256CtrPoly1305Aes, Key, Nonce, Tag};
use rustic_core::Id;
use rustic_core::repofile::MasterKey;
use sha2::{Digest, Sha256};
use zeroize::Zeroize;

/// Size of the nonce before an encrypted text, and of the authentication tag after it.
const NONCE: usize = 16;
const TAG: usize = 16;
/// The difference in length between an encrypted text and its plain text.
pub(crate) const OVERHEAD: usize = NONCE + TAG;

/// A SHA-256: the id of a blob, pack or file.
pub(crate) type Hash = [u8; 32];

pub(crate) fn sha256(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// The hash in an id.
pub(crate) fn hash_of(id: &Id) -> Hash {
    ids::hex::decode_array(id.to_hex().as_str()).expect("an id has 64 hexadecimal digits")
}

/// The repository's master key, prepared for use. Wiped when dropped.
#[derive(Clone)]
pub(crate) struct Cipher(Aes256CtrPoly1305Aes);

impl Cipher {
    pub(crate) fn new(mut master: MasterKey) -> Option<Self> {
        let mut key = Key::default();
        let parts = [&mut master.encrypt, &mut master.mac.k, &mut master.mac.r];
        let fits = parts.iter().map(|part| part.len()).eq([32, 16, 16]);
        if fits {
            let mut at = 0;
            for part in parts {
                key[at..at + part.len()].copy_from_slice(part);
                at += part.len();
                part.zeroize();
            }
        }
        let cipher = fits.then(|| Self(Aes256CtrPoly1305Aes::new(&key)));
        key.as_mut_slice().zeroize();
        cipher
    }

    /// Appends the encryption of `plain` to `sealed`: nonce, text, tag.
    pub(crate) fn seal(&self, plain: &[u8], sealed: &mut Vec<u8>) -> std::io::Result<()> {
        let mut nonce = Nonce::default();
        getrandom::fill(&mut nonce).map_err(std::io::Error::other)?;
        sealed.extend_from_slice(&nonce);
        let start = sealed.len();
        sealed.extend_from_slice(plain);
        let text = sealed.get_mut(start..).unwrap_or_default();
        let tag = self
            .0
            .encrypt_in_place_detached(&nonce, &[], text)
            .map_err(|_| std::io::Error::other("text too long to encrypt"))?;
        sealed.extend_from_slice(&tag);
        Ok(())
    }

    /// Decrypts into `plain`, replacing its content. `None` if the tag does not match.
    pub(crate) fn open(&self, sealed: &[u8], plain: &mut Vec<u8>) -> Option<()> {
        let (nonce, rest) = sealed.split_at_checked(NONCE)?;
        let (text, tag) = rest.split_at_checked(rest.len().checked_sub(TAG)?)?;
        plain.clear();
        plain.extend_from_slice(text);
        self.0
            .decrypt_in_place_detached(Nonce::from_slice(nonce), &[], plain, Tag::from_slice(tag))
            .ok()
    }
}
