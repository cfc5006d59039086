//! Restored files, and small files that must survive a power failure.
//!
//! Names come from a snapshot or over the network, and the process may be root. So everything is
//! opened, made and removed beneath one folder ([`Folder`]), never through a symbolic link, and a
//! new file never takes the place of what is there already ([`NewFile`]).
#![forbid(unsafe_code)]

/// What the names of the files begin with that say what a restored directory needs before it starts.
pub const RESTORED_FROM_BACKUP: &str = "dsbackup.restored-from-backup.";

mod durable;
mod folder;
mod new_file;
mod space;
mod trust;

pub use durable::{UNFINISHED, remove_durably, sync_folder, write_durably};
pub use folder::Folder;
pub use new_file::{NewFile, NotFinished};
pub use space::{Shortage, Space};
pub use trust::{Untrusted, check_trusted};
