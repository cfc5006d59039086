//! DsSetAuthIdentity: who later calls of this process are made for.

use std::sync::{Mutex, PoisonError};

use contract::{Error, Result, ResultCode};
use zeroize::Zeroizing;

/// A user by name and password. It has no `Debug`: the password is shown nowhere.
struct Identity {
    user: String,
    domain: String,
    /// Kept for endpoints that can prove it to a domain; wiped when replaced.
    _password: Zeroizing<String>,
}

static IDENTITY: Mutex<Option<Identity>> = Mutex::new(None);

/// Sets the identity that later calls of this process are made under; `None` returns to the process's own user.
///
/// The local endpoint knows a caller by the user id of its process and cannot verify a password. While an identity is
/// set, calls to it are therefore refused with `ERROR_ACCESS_DENIED` instead of being made under another name than
/// the one that was asked for.
pub fn set_auth_identity(identity: Option<(&str, &str, &str)>) {
    let identity = identity.map(|(user, domain, password)| Identity {
        user: user.into(),
        domain: domain.into(),
        _password: Zeroizing::new(password.into()),
    });
    *IDENTITY.lock().unwrap_or_else(PoisonError::into_inner) = identity;
}

pub(crate) fn check_usable() -> Result<()> {
    match &*IDENTITY.lock().unwrap_or_else(PoisonError::into_inner) {
        None => Ok(()),
        Some(Identity { user, domain, .. }) => Err(Error::new(
            ResultCode::ACCESS_DENIED,
            format!(
                "the local backup service knows callers by the user id of their process and cannot verify {domain}\\{user}: \
                 clear the identity and run as a user that holds the privilege"
            ),
        )),
    }
}
