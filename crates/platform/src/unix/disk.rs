//! The file system below a folder, and the space left on it.

use std::fs::Metadata;
use std::io::Result;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The number of the file system on which an existing file or folder is; of a link itself.
///
/// # Errors
/// The system's.
pub fn of(path: &Path) -> Result<u64> {
    Ok(path.symlink_metadata()?.dev())
}

/// The bytes that this user may still store on the file system of a folder.
///
/// # Errors
/// The system's.
pub fn free(folder: &Path) -> Result<u64> {
    let state = rustix::fs::statvfs(folder)?;
    Ok(state.f_bavail.saturating_mul(state.f_frsize))
}

/// The bytes that a file takes.
pub fn taken(metadata: &Metadata) -> u64 {
    metadata.blocks().saturating_mul(512)
}
