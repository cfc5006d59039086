//! Who calls, and with which privileges: decided when a connection comes in, asked at every call.
//!
//! `identity` is the outcome, and `peer` the other end of a connection with what is known of it.
//! There are three ways to an identity: `local_rule` by the user of a process on this computer,
//! `client_certificate`, and `kerberos_rule` by a ticket, with the groups that the ticket and the
//! directory (`token_groups`) say, or said when it could still be asked (`remembered_groups`).
//! `refusals` notes who fails, and `failure_limiter` shuts out who does so too often.

pub(crate) mod address;
pub(crate) mod client_certificate;
pub(crate) mod failure_limiter;
mod identity;
pub(crate) mod kerberos_rule;
pub(crate) mod local_rule;
mod peer;
pub(crate) mod refusals;
mod remembered_groups;
mod token_groups;

use contract::{Error, ResultCode};

pub(crate) use self::identity::{Identity, Origin, Privileges, Wanted};
pub(crate) use self::peer::{Caller, ConnectionId, Peer, Unproven};

/// The refusal that reveals nothing but itself.
pub(crate) fn denied() -> Error {
    Error::new(
        ResultCode::ACCESS_DENIED,
        "the caller does not hold the privilege that this call wants (SE_BACKUP_NAME, SE_RESTORE_NAME)",
    )
}
