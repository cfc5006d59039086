//! The directory backup service. It hosts a directory and serves the interfaces ad_backup and
//! ad_restore to local clients, and over TLS to those of other computers.
//!
//! A call travels in one direction:
//!
//! 1. `server` and `accept`: connections come in over the Unix socket or the network.
//! 2. `caller`: the identity of the caller, and its privileges.
//! 3. `calls`: the interfaces. Each call passes the check of privileges and leaves a line in the
//!    `audit` log.
//! 4. `sessions`: the handle's owner, the life of its client, the order of calls.
//! 5. [`DirectoryStore`]: the directory itself, of one of the kinds in `stores`.
//!
//! File content passes through `transfer`. `convert` converts between messages and the types of
//! stores. The lines of `audit` go to an [`audit_log`]: a file or the
//! [`journal`].
#![forbid(unsafe_code)]

mod accept;
mod audit;
pub mod audit_log;
mod caller;
mod calls;
mod configuration;
mod convert;
#[cfg_attr(unix, path = "journal/unix.rs")]
#[cfg_attr(windows, path = "journal/windows.rs")]
pub mod journal;
mod server;
mod sessions;
mod stores;
mod transfer;

pub use accept::credentials::AskForCertificate;
pub use accept::local_socket::LocalSocket;
pub use accept::own::OwnConnections;
pub use caller::kerberos_rule::KerberosConfiguration;
pub use configuration::remote::{ClientConfiguration, RemoteConfiguration};
pub use configuration::{
    AuditConfiguration, Configuration, EndpointConfiguration, MetricsConfiguration, SAMBA_SAMPLE,
    SAMPLE,
};
pub use server::{Service, run};
pub use store::{DirectoryStore, Mode};
pub use stores::{DirectoryConfiguration, SambaConfiguration, StoreConfiguration};
#[cfg(windows)]
pub use stores::{NtdsConfiguration, Way};
