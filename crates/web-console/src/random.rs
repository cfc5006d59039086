//! Random words that nobody can guess, and their comparison.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A new word of 256 random bits, in hexadecimal.
///
/// # Errors
/// If the system has no random bits.
pub fn word() -> std::io::Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(std::io::Error::other)?;
    Ok(ids::hex::encode(&bytes))
}

/// Whether two secrets are equal, in a time that tells nothing of where they differ.
pub fn equal(one: &str, other: &str) -> bool {
    // Hashed, so that the time does not tell the length either.
    let hash = |text: &str| -> [u8; 32] { Sha256::digest(text).into() };
    hash(one).ct_eq(&hash(other)).into()
}
