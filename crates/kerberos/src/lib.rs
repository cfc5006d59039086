//! Kerberos for both sides of a connection: through MIT's GSSAPI library, which is loaded at its first
//! use, on Windows through the system's SSPI.
//!
//! The tokens are those of SPNEGO, or Kerberos's own. An exchange is bound to its channel (RFC 5929,
//! RFC 9266): tokens relayed to another channel are refused, and so are those of a client without
//! channel binding. Or it seals all further messages itself.
//!
//! [`Initiator`] is the client's side, [`Acceptor`] the service's; [`LogonInfo`] holds the account
//! and the groups in a domain's ticket.

mod accept;
mod initiate;
#[cfg_attr(unix, path = "unix/library.rs")]
#[cfg_attr(windows, path = "windows/library.rs")]
mod library;
mod logon_info;
mod sealed;
mod step;

pub use accept::{Accepted, Accepting, Acceptor, Step};
pub use initiate::{Initiator, Next, Password};
pub use logon_info::LogonInfo;

/// The service class of the principal: `dsbackup/host@REALM`.
pub const SERVICE: &str = "dsbackup";

/// Why an exchange failed. The text names principals and causes, never a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(pub String);

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;
