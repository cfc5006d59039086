//! The file system below a folder, and the space left on it.

use std::fs::Metadata;
use std::io::Result;
use std::path::Path;

use crate::file::Identity;
use crate::system;

/// The number of the file system on which an existing file or folder is; of a link itself.
///
/// # Errors
/// The system's.
pub fn of(path: &Path) -> Result<u64> {
    Ok(Identity::of_entry(path)?.disk)
}

/// The bytes that this user may still store on the file system of a folder.
///
/// # Errors
/// The system's.
pub fn free(folder: &Path) -> Result<u64> {
    system::free_space(folder)
}

/// The bytes that a file takes.
pub fn taken(metadata: &Metadata) -> u64 {
    metadata.len()
}
