//! The repository's password, kept out of logs and wiped after use.

use zeroize::Zeroizing;

/// A password. Neither `Debug` nor anything else prints it. Its memory is wiped when it is dropped.
///
/// rustic_core makes a copy while a repository is opened, which is freed at once but not wiped.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes a password as entered, without a trailing line end of a file or command.
    pub fn new(password: impl Into<String>) -> Self {
        let mut password = Zeroizing::new(password.into());
        let kept = password.trim_end_matches(['\r', '\n']).len();
        password.truncate(kept);
        Self(password)
    }

    /// Whether it is empty.
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
