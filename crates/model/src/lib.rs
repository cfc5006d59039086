//! The types of directories, their files and their backups. Stores, the service, its clients and
//! the backup application share them. None of the types depends on the messages between service and
//! client.
//!
//! | type | stands for |
//! | --- | --- |
//! | [`FileEntry`] | one file of a backup, as a store lists it |
//! | [`RestoredFile`] | one file of a restore, as its sender announces it |
//! | [`Damage`] | damage that a backup stored because it was allowed |
//! | [`DirectoryFacts`], [`DirectoryIdentity`] | what is known of a directory when its backup begins |
//! | [`Manifest`] | what a snapshot says of itself: the durable form, with a format number |
#![forbid(unsafe_code)]

mod directory;
mod file;
pub mod manifest;
pub mod time;

pub use directory::{DirectoryFacts, DirectoryIdentity};
pub use file::{Damage, FileEntry, RestoredFile};
pub use manifest::{LogRange, Manifest};
