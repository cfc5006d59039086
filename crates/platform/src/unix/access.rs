//! Who owns a file, and who else may read or replace it.

use std::fs::{File, Metadata};
use std::io::Result;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

pub use crate::shared::Access;

/// The permissions that a file with a secret must not have: reading and writing for all, writing for
/// its group.
const TOO_OPEN: u32 = 0o026;

/// The access to the file or folder at a path. A link is followed.
///
/// # Errors
/// The system's.
pub fn of(path: &Path) -> Result<Access> {
    Ok(of_metadata(&path.metadata()?))
}

/// The access to the file or folder at a path; of a link itself.
///
/// # Errors
/// The system's.
pub fn of_entry(path: &Path) -> Result<Access> {
    Ok(of_metadata(&path.symlink_metadata()?))
}

/// The access to an open file or folder.
///
/// # Errors
/// The system's.
pub fn of_file(file: &File) -> Result<Access> {
    Ok(of_metadata(&file.metadata()?))
}

fn of_metadata(metadata: &Metadata) -> Access {
    let owner = metadata.uid();
    let mode = metadata.mode() & 0o7777;
    // With the sticky bit others cannot replace files that are not theirs.
    let others_write = mode & 0o022 != 0 && mode & 0o1000 == 0;
    Access {
        owner: format!("the user {owner}"),
        owner_is_trusted: owner == 0 || owner == rustix::process::geteuid().as_raw(),
        others_write: others_write
            .then(|| format!("mode {mode:04o}; take that right away (chmod go-w)")),
        others_may_write: mode & 0o022 != 0,
        is_private: owner == rustix::process::geteuid().as_raw() && mode & 0o077 == 0,
    }
}

/// Why an open file is not fit for a secret, and the remedy; `None` if it is.
///
/// # Errors
/// The system's.
pub fn too_open_for_a_secret(file: &File, path: &Path) -> Result<Option<String>> {
    let metadata = file.metadata()?;
    // Only a file has permissions that decide who reads it; a pipe is read once.
    let is_too_open = metadata.is_file() && metadata.mode() & TOO_OPEN != 0;
    Ok(is_too_open.then(|| {
        format!(
            "has mode {:04o}, so that others can read or write it: chmod 600 {}",
            metadata.mode() & 0o7777,
            path.display()
        )
    }))
}
