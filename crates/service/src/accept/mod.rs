//! Incoming connections: over `local_socket`, over the `network`, or from this process (`own`),
//! through `acceptor`. Each is a `connection`, which releases its client's contexts when it ends.
//!
//! The order on the network: `connection_limiter` takes a slot for the address; `credentials`
//! authenticate the service, with the certificate and key as they are on disk at this moment;
//! `crate::caller` authenticates the client.

pub(crate) mod acceptor;
pub(crate) mod connection;
mod connection_limiter;
pub(crate) mod credentials;
#[cfg_attr(unix, path = "local_socket/unix.rs")]
#[cfg_attr(windows, path = "local_socket/windows.rs")]
pub(crate) mod local_socket;
pub(crate) mod network;
pub(crate) mod own;
