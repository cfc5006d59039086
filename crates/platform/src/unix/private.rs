//! Files and folders that nobody else may read: mode 0600 and 0700.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::Result;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// Denies all others access to what this process creates from now on.
pub fn by_default() {
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
}

/// Makes a folder.
///
/// # Errors
/// `AlreadyExists`; the system's.
pub fn make_folder(path: &Path) -> Result<()> {
    DirBuilder::new().mode(0o700).create(path)
}

/// Makes a folder, and those above it, where they are missing.
///
/// # Errors
/// The system's.
pub fn make_folders(path: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Takes all rights of others on a folder away.
///
/// # Errors
/// The system's.
pub fn seclude(folder: &Path) -> Result<()> {
    std::fs::set_permissions(folder, Permissions::from_mode(0o700))
}

/// Creates a file for writing.
///
/// # Errors
/// `AlreadyExists`; the system's.
pub fn create_new(path: &Path) -> Result<File> {
    open(File::options().write(true).create_new(true), path)
}

/// Creates a file for writing, or empties the one that is there.
///
/// # Errors
/// The system's.
pub fn create(path: &Path) -> Result<File> {
    open(
        File::options().write(true).create(true).truncate(true),
        path,
    )
}

/// Opens a file, and creates it if the options say so.
///
/// # Errors
/// The system's.
pub fn open(options: &mut OpenOptions, path: &Path) -> Result<File> {
    options.mode(0o600).open(path)
}
