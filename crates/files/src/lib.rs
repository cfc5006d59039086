//! Restored files, and small files that must survive a power failure.
//!
//! Names come from a snapshot or over the network, and the process may be root. So everything is
//! opened, made and removed beneath one folder ([`Folder`]), never through a symbolic link, and a
//! new file never takes the place of what is there already ([`NewFile`]).
//!
//! A restore, whoever writes it, goes this way: [`Space::shortage_for`] what is written once the old
//! files are gone, [`Place::delete`] for each of those, then for each file [`NewFile::create`],
//! `write`, `finish`, and at last [`Folder::sync`] of the folders that `finish` returned.
#![forbid(unsafe_code)]

/// What the names of the files begin with that say what a restored directory needs before it starts.
pub const RESTORED_FROM_BACKUP: &str = "dsbackup.restored-from-backup.";

mod durable;
mod folder;
mod new_file;
mod place;
mod space;
mod trust;

pub use durable::{UNFINISHED, remove_durably, sync_folder, write_durably};
pub use folder::Folder;
pub use new_file::{Announced, NewFile, NotWritten};
pub use place::Place;
pub use space::{Shortage, Space};
pub use trust::{Untrusted, check_trusted};
