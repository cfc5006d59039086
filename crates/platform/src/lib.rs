//! What Unix and Windows do each in their own way. Both sides have the same functions, so that other
//! crates need not know on which one they run:
//!
//! - [`private`]: files and folders that nobody else may read: mode 0600 and 0700, or an access list
//!   of SYSTEM and Administrators, with the user where that takes it.
//! - [`access`]: who owns a file, and who else may read or replace it.
//! - [`mod@file`]: reads and writes at positions, identities, durable names.
//! - [`lock`]: locks on folders, which end with the process.
//! - [`disk`]: the file system below a folder, and the space left on it.
//! - [`process`]: this process, its user and its computer; programs that it starts.
//! - [`terminal`]: questions whose answers are not shown.
#![deny(unsafe_code)]

#[cfg_attr(unix, path = "unix/access.rs")]
#[cfg_attr(windows, path = "windows/access.rs")]
pub mod access;
#[cfg(any(windows, test))]
#[path = "windows/descriptor.rs"]
mod descriptor;
#[cfg_attr(unix, path = "unix/disk.rs")]
#[cfg_attr(windows, path = "windows/disk.rs")]
pub mod disk;
#[cfg_attr(unix, path = "unix/file.rs")]
#[cfg_attr(windows, path = "windows/file.rs")]
pub mod file;
#[cfg(windows)]
#[path = "windows/job.rs"]
mod job;
#[cfg_attr(unix, path = "unix/lock.rs")]
#[cfg_attr(windows, path = "windows/lock.rs")]
pub mod lock;
#[cfg_attr(unix, path = "unix/private.rs")]
#[cfg_attr(windows, path = "windows/private.rs")]
pub mod private;
#[cfg_attr(unix, path = "unix/process.rs")]
#[cfg_attr(windows, path = "windows/process.rs")]
pub mod process;
mod shared;
#[cfg(windows)]
#[path = "windows/system.rs"]
mod system;
#[cfg(windows)]
#[path = "windows/token.rs"]
mod token;
/// For the access lists of what is no file.
#[cfg(windows)]
pub use system::{Descriptor, owner_of_pipe};
#[cfg(windows)]
pub use token::Token;

#[cfg_attr(unix, path = "unix/terminal.rs")]
#[cfg_attr(windows, path = "windows/terminal.rs")]
pub mod terminal;
