//! A Samba domain controller's files: where they are, how they are locked, how one moment of them is pinned, and how
//! they are put back.
//!
//! ```text
//! smb.conf ── Installation ── State (what belongs to it) ── Moment (pinned, verified as it is read) ──> a backup
//!                  └── directory (rootDSE: online? who?) ────────┘
//! a backup ──> Tree (verified, shaped, given a new life) ── Place (put where the state was) ──> the same server again
//! ```
//!
//! Knows nothing of backup services. All functions block.
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
mod moment;
mod place;
mod process;
mod recovered_domain;
mod smb_conf;
mod source_check;
mod spool;
pub mod state;
pub mod tdb;
mod tools;
mod tree;

/// What this kind of store is called in the facts of a backup and in a snapshot's manifest.
pub const STORE_KIND: &str = "samba-dc";

pub use database::DatabaseKind;
pub use dbcheck::Dbcheck;
pub use drill::Drill;
pub use error::{Error, Result};
pub use identity::{Identity, signature};
pub use installation::Installation;
pub use moment::{Moment, Options, PinnedFile, PinnedReader};
pub use place::Place;
pub use recovered_domain::NewServer;
pub use state::{LISTING_PATH, Listing, State};
pub use tools::stop_tools;
pub use tree::{NewLife, StoredIdentity, Tree, installed_identity};
