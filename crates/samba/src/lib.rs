//! The files of a Samba domain controller: their paths and locks, a consistent point in time of
//! them for a backup, and their restore.
//!
//! ```text
//! smb.conf ─▶ Installation ─▶ State (its files) ─▶ PointInTime (pinned, verified) ─▶ backup
//!                  └─▶ directory (rootDSE: online? who?) ─┘
//! backup ─▶ Tree (verified, shaped, given a new life) ─▶ RestoreStaging (renamed into place)
//!        ─▶ the same server again
//! ```
//!
//! Independent of backup services. All functions block.
#![deny(unsafe_code)]

mod database;
mod dbcheck;
pub mod directory;
mod drill;
mod error;
mod file_start;
mod identity;
mod installation;
pub mod ldb;
pub mod lmdb;
pub mod lock;
pub mod ntacl;
mod pinned_database;
mod pinned_directory;
mod point_in_time;
mod process;
mod recovered_domain;
mod restore_staging;
pub mod secrets;
mod smb_conf;
mod source_check;
mod spool;
pub mod state;
pub mod stopped;
#[cfg_attr(unix, path = "system/unix.rs")]
#[cfg_attr(windows, path = "system/windows.rs")]
mod system;
pub mod tdb;
mod tools;
pub mod transactions;
mod tree;

/// The kind of this store in the facts of a backup and in a snapshot's manifest.
pub const STORE_KIND: &str = "samba-dc";

pub use database::DatabaseKind;
pub use dbcheck::Dbcheck;
pub use drill::Drill;
pub use error::{Error, Result};
pub use identity::{Identity, signature};
pub use installation::Installation;
pub use pinned_directory::PinnedDirectory;
pub use point_in_time::{Options, PinnedFile, PinnedReader, PointInTime};
pub use recovered_domain::NewServer;
pub use restore_staging::RestoreStaging;
pub use state::{LISTING_PATH, Listing, State};
pub use tools::stop_tools;
pub use tree::{
    Authoritative, NewLife, StoredIdentity, Tree, installed_identity, set_account_types,
};
