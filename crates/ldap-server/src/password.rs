//! The password of a server.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// The password that clients bind with. Not printed by `Debug`.
pub struct Password(Zeroizing<String>);

impl Password {
    /// This password; an empty one fits nothing.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// Whether a client's password is the same. The time taken depends on lengths only.
    pub fn is(&self, other: &[u8]) -> bool {
        !self.0.is_empty() && bool::from(self.0.as_bytes().ct_eq(other))
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(..)")
    }
}
