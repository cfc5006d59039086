//! The types of directories, their files and their backups. Stores, the service, its clients and
//! the backup application share them. None of the types depends on the messages between service and
//! client.
//!
//! | type | stands for |
//! | --- | --- |
//! | [`FileEntry`] | one file of a backup, as a store lists it |
//! | [`RestoredFile`] | one file of a restore, as its sender announces it |
//! | [`Damage`] | damage in a file of a backup that allows it |
//! | [`DirectoryFacts`], [`DirectoryIdentity`], [`ClassCounts`] | the facts of a directory as its backup begins |
//! | [`Manifest`] | the description of a snapshot: durable, with a format number |
#![forbid(unsafe_code)]

mod directory;
mod file;
pub mod manifest;
pub mod time;

pub use directory::{ClassCounts, DirectoryFacts, DirectoryIdentity};
pub use file::{Damage, FileEntry, RestoredFile};
pub use manifest::{LogRange, Manifest};
