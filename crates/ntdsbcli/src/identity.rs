//! DsSetAuthIdentity: who later calls of this process are made for.

use std::sync::{Mutex, PoisonError};

use contract::{Error, Result, ResultCode};

use crate::sealed::Sealed;

/// A user by name and password. It has no `Debug`: the password is shown nowhere.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) user: String,
    pub(crate) domain: String,
    /// With it tickets are obtained from the domain, and nothing else is done; wiped when replaced.
    #[cfg_attr(
        not(unix),
        expect(dead_code, reason = "no tickets are obtained there yet")
    )]
    pub(crate) password: Sealed,
}

static IDENTITY: Mutex<Option<Identity>> = Mutex::new(None);

/// Sets the identity that later calls of this process are made under; `None` returns to the
/// process's own user.
///
/// To a service on another computer the identity is proven by Kerberos tickets, which the domain
/// gives out for the password; the password itself never goes there. The local endpoint knows a
/// caller by the user id of its process and cannot verify a password. While an identity is set,
/// calls to it are therefore refused with `ERROR_ACCESS_DENIED` instead of being made under another
/// name than the one that was asked for.
pub fn set_auth_identity(identity: Option<(&str, &str, &str)>) {
    let identity = identity.map(|(user, domain, password)| Identity {
        user: user.into(),
        domain: domain.into(),
        password: Sealed::new(password),
    });
    *IDENTITY.lock().unwrap_or_else(PoisonError::into_inner) = identity;
}

/// The identity that is set.
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
                "the local backup service knows callers by the user id of their process and cannot verify {domain}\\{user}: \
                 clear the identity and run as a user that holds the privilege"
            ),
        )),
    }
}
