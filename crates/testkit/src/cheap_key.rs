//! A key that is cheap to derive from the password. Tests open their repositories hundreds of times,
//! and the usual derivation takes a third of a second and 128 MiB each time: most of their total.

use std::path::Path;

use aes256ctr_poly1305aes::aead::Aead;
use aes256ctr_poly1305aes::{Aes256CtrPoly1305Aes, Key, Nonce};
use rustic_core::repofile::KeyFile;
use sha2::{Digest, Sha256};

/// scrypt's minimum for N, r and p.
const LEAST: (u32, u32, u32) = (2, 1, 1);

/// Size of the nonce before a sealed text.
const NONCE: usize = 16;

/// Seals the master key of a new local repository again, with the same password.
pub fn replace_key(repository: &Path, password: &str) {
    let keys = repository.join("keys");
    let [dear] = &std::fs::read_dir(&keys).unwrap().collect::<Vec<_>>()[..] else {
        panic!("one key")
    };
    let dear = dear.as_ref().unwrap().path();
    let mut key: KeyFile = serde_json::from_slice(&std::fs::read(&dear).unwrap()).unwrap();
    let (nonce, sealed) = key.data.split_at(NONCE);
    let nonce = Nonce::clone_from_slice(nonce);
    let master = cipher(&key, password).decrypt(&nonce, sealed).unwrap();
    (key.n, key.r, key.p) = LEAST;
    key.data = [
        &nonce[..],
        &cipher(&key, password).encrypt(&nonce, &master[..]).unwrap(),
    ]
    .concat();
    let content = serde_json::to_vec(&key).unwrap();
    let name = ids::hex::encode(&Sha256::digest(&content));
    let cheap = keys.join(name);
    std::fs::write(&cheap, content).unwrap();
    // Tests look at the rights that new files have.
    let permissions = dear.metadata().unwrap().permissions();
    std::fs::set_permissions(cheap, permissions).unwrap();
    std::fs::remove_file(dear).unwrap();
}

fn cipher(key: &KeyFile, password: &str) -> Aes256CtrPoly1305Aes {
    let (encrypt, k, r) = key.kdf_key(&password).unwrap().to_keys();
    let parts = [encrypt, k, r].concat();
    Aes256CtrPoly1305Aes::new(Key::from_slice(&parts))
}
