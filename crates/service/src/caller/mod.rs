//! The caller and its privileges: determined when a connection comes in, checked at every call.
//!
//! `identity` is the result, and `peer` the other end of a connection with all that is known of it.
//! Three sources give an identity: `local_rule`, by the user of a local process;
//! `client_certificate`; and `kerberos_rule`, by a ticket and the groups from the ticket, from the
//! directory (`token_groups`), or from its last answers (`remembered_groups`). `refusals` records
//! failures, and `failure_limiter` blocks peers with too many.

pub(crate) mod address;
pub(crate) mod client_certificate;
pub(crate) mod failure_limiter;
mod identity;
pub(crate) mod kerberos_rule;
#[cfg_attr(unix, path = "local_rule/unix.rs")]
#[cfg_attr(windows, path = "local_rule/windows.rs")]
pub(crate) mod local_rule;
mod peer;
pub(crate) mod refusals;
mod remembered_groups;
mod token_groups;

use contract::{Error, ResultCode};

pub(crate) use self::identity::{Identity, Origin, Privileges, Wanted};
pub(crate) use self::peer::{Caller, ConnectionId, Peer, Unproven};

/// The refusal, which reveals nothing else.
pub(crate) fn denied() -> Error {
    Error::new(
        ResultCode::ACCESS_DENIED,
        "the caller does not hold the privilege that this call requires \
         (SE_BACKUP_NAME, SE_RESTORE_NAME)",
    )
}
