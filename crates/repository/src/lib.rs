//! Encrypted, deduplicated, compressed snapshots in the restic repository format (version 2).
//!
//! Independent of directories and databases: a caller streams files, in its own order and one at a
//! time, and gets a snapshot that exists only once everything is stored. Debian's `restic` and
//! `rustic` read the result. The format:
//! <https://restic.readthedocs.io/en/stable/100_references.html>.
//!
//! ```text
//! Source ── chunks ──> known? ──> compress, encrypt ──> pack ──> backend ──> index ──> snapshot
//!          (backup)    (index)        (seal)           (pack)   (local, …)
//! ```
//!
//! All functions block. Call them from a thread that is not a worker of an asynchronous runtime.
#![deny(unsafe_code)]

mod backup;
mod blob;
mod check;
mod chunk_size;
mod cipher;
mod copy;
mod error;
mod forget;
mod hash;
mod hiding;
mod index;
mod json_files;
mod kept_chunks;
mod local;
mod location;
mod lock;
mod new_index;
mod pack;
mod pack_writer;
mod password;
mod pipeline;
mod proof;
mod prover;
mod prune;
mod random_access;
mod read;
mod repair;
mod repository;
#[cfg(feature = "remote")]
mod rest_locks;
#[cfg(feature = "remote")]
mod runtime;
#[cfg(feature = "remote")]
mod s3;
mod seal;
#[cfg(feature = "remote")]
mod sftp;
mod sftp_address;
mod snapshot;
mod storage;
mod store;
mod tree;
mod unreadable;
mod usage;
mod work;

pub use backup::{Backup, BackupRequest, NewFile, Source, SourceFile, StoredFile, WHOLE};
pub use check::CheckReport;
pub use chunk_size::ChunkSize;
pub use copy::CopyReport;
pub use error::{BoxError, Error};
pub use location::Location;
pub use lock::{Lock, LockInfo, LockKind};
pub use password::Password;
pub use prune::PruneReport;
pub use random_access::SnapshotFile;
pub use read::{FileReader, OpenSnapshot, SnapshotFileInfo};
pub use repair::IndexRepair;
pub use repository::{InitOptions, Repository};
pub use snapshot::SnapshotInfo;
pub use store::Durability;
pub use unreadable::Unreadable;
pub use work::{Watch, Work};
