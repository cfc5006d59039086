//! Authenticates the caller to a service on another computer, by Kerberos tickets bound to the TLS
//! channel: those of the identity that was set, or of the process's own cache.

use contract::{Error, Result, ResultCode};

use crate::identity::Identity;

/// The most tokens in an exchange; SPNEGO with Kerberos takes two.
const MOST_STEPS: usize = 8;

/// Exchanges tokens with the service until both sides are authenticated. `exchange` sends a token
/// and returns the answer.
///
/// # Errors
/// `ERROR_ACCESS_DENIED` if the domain issues no ticket, or the service does not accept it.
pub(crate) fn prove(
    exchange: impl Fn(Vec<u8>) -> Result<wire::v1::AuthenticateResponse>,
    host: &str,
    channel: &[u8],
    identity: Option<&Identity>,
) -> Result<()> {
    let denied = |error: kerberos::Error| Error::new(ResultCode::ACCESS_DENIED, error.to_string());
    let password = identity.map(|identity| kerberos::Password {
        user: identity.user.clone(),
        domain: identity.domain.clone(),
        password: identity.password.open(),
    });
    let mut initiator =
        kerberos::Initiator::new(host, channel, password.as_ref()).map_err(denied)?;
    // The library now holds it until the initiator is dropped.
    drop(password);
    let mut input = Vec::new();
    for _ in 0..MOST_STEPS {
        let next = initiator.step(&input).map_err(denied)?;
        let answer = exchange(next.token)?;
        if answer.done {
            // The service's last token authenticates it.
            let known = next.done && answer.token.is_empty()
                || initiator.step(&answer.token).map_err(denied)?.done;
            return match known {
                true => Ok(()),
                false => Err(unfinished()),
            };
        }
        input = answer.token;
    }
    Err(unfinished())
}

fn unfinished() -> Error {
    Error::new(
        ResultCode::ACCESS_DENIED,
        "the service and this client have not come to know each other",
    )
}
