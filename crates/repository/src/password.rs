//! The repository's password, kept out of logs and wiped when it is no longer needed.

use zeroize::Zeroizing;

/// A password. Neither `Debug` nor anything else prints it; its memory is wiped when it is dropped.
///
/// rustic_core takes a copy of its own while a repository is opened, which is freed at once but not wiped.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes the password as the user gave it; a trailing line end, as files and commands have it, is removed.
    pub fn new(password: impl Into<String>) -> Self {
        let mut password = Zeroizing::new(password.into());
        let kept = password.trim_end_matches(['\r', '\n']).len();
        password.truncate(kept);
        Self(password)
    }

    /// Whether nothing is left to encrypt with.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Password(hidden)")
    }
}
