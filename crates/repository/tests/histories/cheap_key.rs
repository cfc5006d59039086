//! A key that is derived from the password at no cost. A history opens its repositories a dozen times, and the usual
//! derivation takes half a second and 128 MiB each time, which would be most of what it does.

use std::path::Path;

use aes256ctr_poly1305aes::aead::Aead;
use aes256ctr_poly1305aes::{Aes256CtrPoly1305Aes, Key, Nonce};
use rustic_core::repofile::KeyFile;
use sha2::{Digest, Sha256};

use crate::common::PASSWORD;

/// The least that scrypt takes, for N, r and p.
const LEAST: (u32, u32, u32) = (2, 1, 1);

/// Bytes of nonce in front of what is sealed.
const NONCE: usize = 16;

/// Seals the repository's master key anew.
pub fn replace_key(repository: &Path) {
    let keys = repository.join("keys");
    let [dear] = &std::fs::read_dir(&keys).unwrap().collect::<Vec<_>>()[..] else {
        panic!("one key")
    };
    let dear = dear.as_ref().unwrap().path();
    let mut key: KeyFile = serde_json::from_slice(&std::fs::read(&dear).unwrap()).unwrap();
    let (nonce, sealed) = key.data.split_at(NONCE);
    let nonce = Nonce::clone_from_slice(nonce);
    let master = cipher(&key).decrypt(&nonce, sealed).unwrap();
    (key.n, key.r, key.p) = LEAST;
    key.data = [
        &nonce[..],
        &cipher(&key).encrypt(&nonce, &master[..]).unwrap(),
    ]
    .concat();
    let content = serde_json::to_vec(&key).unwrap();
    let name = ids::hex::encode(&Sha256::digest(&content));
    std::fs::write(keys.join(name), content).unwrap();
    std::fs::remove_file(dear).unwrap();
}

fn cipher(key: &KeyFile) -> Aes256CtrPoly1305Aes {
    let (encrypt, k, r) = key.kdf_key(&PASSWORD).unwrap().to_keys();
    let parts = [encrypt, k, r].concat();
    Aes256CtrPoly1305Aes::new(Key::from_slice(&parts))
}
