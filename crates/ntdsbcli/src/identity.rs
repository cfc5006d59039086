//! DsSetAuthIdentity: the identity of later calls of this process.

use std::sync::{Mutex, PoisonError};

use contract::{Error, Result, ResultCode};

use crate::sealed::Sealed;

/// A user by name and password. Without `Debug`, so that nothing shows the password.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) user: String,
    pub(crate) domain: String,
    /// Used only to obtain tickets from the domain; wiped when replaced.
    pub(crate) password: Sealed,
}

static IDENTITY: Mutex<Option<Identity>> = Mutex::new(None);

/// Sets the identity that later calls of this process are made under; `None` returns to the
/// process's own user.
///
/// To a service on another computer the identity is proven by Kerberos tickets, which the domain
/// issues for the password. The password itself is never sent there. The local endpoint identifies
/// a caller by the user id of its process and cannot verify a password. While an identity is set,
/// calls to it therefore fail with `ERROR_ACCESS_DENIED` rather than run under another name than
/// the requested one.
pub fn set_auth_identity(identity: Option<(&str, &str, &str)>) {
    let identity = identity.map(|(user, domain, password)| Identity {
        user: user.into(),
        domain: domain.into(),
        password: Sealed::new(password),
    });
    *IDENTITY.lock().unwrap_or_else(PoisonError::into_inner) = identity;
}

/// The current identity.
pub(crate) fn current() -> Option<Identity> {
    IDENTITY
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .clone()
}

/// # Errors
/// `ERROR_ACCESS_DENIED` while an identity is set.
pub(crate) fn check_usable_on_local_socket() -> Result<()> {
    match current() {
        None => Ok(()),
        Some(Identity { user, domain, .. }) => Err(Error::new(
            ResultCode::ACCESS_DENIED,
            format!(
                "the local backup service knows callers by the user id of their process and cannot \
                 verify {domain}\\{user}: clear the identity and run as a user that holds the \
                 privilege"
            ),
        )),
    }
}
