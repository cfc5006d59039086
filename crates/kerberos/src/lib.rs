//! Kerberos for both sides of a connection, through MIT's GSSAPI library, which is loaded when it
//! is first needed.
//!
//! Tokens are SPNEGO's. Every exchange is bound to the channel that carries it (RFC 5929, RFC
//! 9266): tokens that somebody takes to another channel are refused, and so are those of a client
//! that binds to none.
//!
//! [`Initiator`] is the client's side, [`Acceptor`] the service's; [`LogonInfo`] is what a domain's
//! ticket says of groups.

mod accept;
mod initiate;
mod library;
mod logon_info;

pub use accept::{Accepted, Accepting, Acceptor, Step};
pub use initiate::{Initiator, Next, Password};
pub use logon_info::LogonInfo;

/// The class of the service's principal: `dsbackup/host@REALM`.
pub const SERVICE: &str = "dsbackup";

/// Why an exchange failed. The text names principals and causes, never a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(pub String);

/// The result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;
