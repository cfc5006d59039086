//! Restored files, and small files that must survive a power failure.
//!
//! Names come from a snapshot or over the network, and the process may be root. So everything is
//! opened, made and removed beneath one folder ([`Folder`]), never through a symbolic link, and a
//! new file never replaces an existing one ([`NewFile`]).
//!
//! ```text
//! Space::shortage_for ─▶ Place::delete ─▶ NewFile::create, write, finish ─▶ Folder::sync
//! (fits once the old     (each old file)  (each new file, hashed)           (each folder that
//!  files are gone?)                                                          finish returned)
//! ```
//!
//! Every restore takes these steps, whoever writes it.
#![forbid(unsafe_code)]

/// The prefix of files that describe what a restored directory needs before it starts.
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
pub use trust::{Owner, Untrusted, check_trusted};
