//! LMDB files: a snapshot that stays readable while others write.
//!
//! A read transaction of LMDB's own library pins a state of the database: none of its pages is
//! reused during the transaction. The pages are then read from the file itself, in order, and only
//! those of the state. There is no temporary copy.

mod format;
mod library;
mod opening;
mod pages;
mod records;
mod snapshot;
mod walk;

pub use format::{MAGIC_END, has_magic};
pub use library::Library;
pub use records::{Place, Records};
pub use snapshot::{Environment, Snapshot, SnapshotReader, Statistics, verify};
