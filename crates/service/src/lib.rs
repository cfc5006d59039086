//! The directory backup service: it hosts a directory and serves the interfaces ad_backup and ad_restore to the
//! clients of its machine, and over TLS to those of others.
//!
//! A call travels in one direction:
//!
//! 1. `server`, `doorkeeper` and `connection`: who connects (`caller`), over which socket (`endpoint`, with the rule in
//!    `privilege`) or over the network (`remote`).
//! 2. `backup_service` or `restore_service`: the interface; `calls` is what all its methods go through.
//! 3. `contexts`: whose handle is it, and does its client live.
//! 4. `backup_context` or `restore_context`: is the call in order.
//! 5. [`DirectoryStore`]: the directory itself; `stores` says which kinds there are.
//!
//! File contents travel back through `transfer` and `transfer_body`, at the speed of the receiver; those of a restore come in through
//! `upload`. Every call leaves a line in the log of `audit`: a file, or the
//! `journal`.
#![forbid(unsafe_code)]

mod audit;
mod backup_context;
mod backup_service;
mod caller;
mod calls;
mod configuration;
mod connection;
mod contexts;
mod convert;
mod doorkeeper;
mod endpoint;
mod identity_service;
pub mod journal;
mod pace;
mod privilege;
mod remote;
mod restore_context;
mod restore_service;
mod server;
mod stores;
mod transfer;
mod transfer_body;
mod upload;

pub use configuration::{
    AuditConfiguration, Configuration, EndpointConfiguration, SAMBA_SAMPLE, SAMPLE,
};
pub use remote::{ClientConfiguration, KerberosConfiguration, RemoteConfiguration};
pub use server::{Service, run};
pub use store::{DirectoryStore, Mode};
pub use stores::{DirectoryConfiguration, SambaConfiguration, StoreConfiguration};
