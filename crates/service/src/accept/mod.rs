//! How connections come in: over `local_socket`, over the `network`, or from this process (`own`),
//! through `acceptor`, each as a `connection` that releases what its client holds when it ends.
//!
//! On the network, in this order: `connection_limiter`, whether there is room for one more from
//! this address; `credentials`, the service proves who it is, with certificate and key as they lie
//! on disk at this moment; then the client by what it shows (`crate::caller`).

pub(crate) mod acceptor;
pub(crate) mod connection;
mod connection_limiter;
mod credentials;
pub(crate) mod local_socket;
pub(crate) mod network;
pub(crate) mod own;
