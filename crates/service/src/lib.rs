//! The directory backup service: it hosts a directory and serves the interfaces ad_backup and
//! ad_restore to the clients of its machine, and over TLS to those of others.
//!
//! A call travels in one direction:
//!
//! 1. `server` and `accept`: connections come in over the Unix socket or the network.
//! 2. `caller`: who is at the other end, and which privileges that gives.
//! 3. `calls`: the interfaces. Every call passes the privilege and leaves a line in the log of
//!    `audit`.
//! 4. `sessions`: whose is the handle, does its client live, is the call in order.
//! 5. [`DirectoryStore`]: the directory itself; `stores` says which kinds there are.
//!
//! Content of files passes through `transfer`. `convert` turns messages into the types of stores
//! and back. The lines of `audit` go to a file, or to the `journal`.
#![forbid(unsafe_code)]

mod accept;
mod audit;
mod caller;
mod calls;
mod configuration;
mod convert;
pub mod journal;
mod server;
mod sessions;
mod stores;
mod transfer;

pub use accept::own::OwnConnections;
pub use caller::kerberos_rule::KerberosConfiguration;
pub use configuration::remote::{ClientConfiguration, RemoteConfiguration};
pub use configuration::{
    AuditConfiguration, Configuration, EndpointConfiguration, SAMBA_SAMPLE, SAMPLE,
};
pub use server::{Service, run};
pub use store::{DirectoryStore, Mode};
pub use stores::{DirectoryConfiguration, SambaConfiguration, StoreConfiguration};
