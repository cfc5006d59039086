//! LMDB files: a snapshot of one that stays readable while others write.
//!
//! A read transaction of LMDB's own library pins a state of the database: no page of it is reused while the
//! transaction lasts. The pages are then read from the file itself, in order, and only those that the state consists
//! of; there is no temporary copy.

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
