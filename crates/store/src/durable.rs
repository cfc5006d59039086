//! Small files that must survive a power failure.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// What the name of a file has at its end while its new content is being written.
pub const UNFINISHED: &str = ".new";

/// Writes a small file, mode 0600, so that either the old or the new content exists at any time, and the new one for good once
/// this returns.
///
/// # Errors
/// What the system says; the old content is still there.
pub fn write_durably(folder: &Path, name: &str, content: &[u8]) -> io::Result<()> {
    let unfinished = folder.join(format!("{name}{UNFINISHED}"));
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, folder.join(name))?;
    sync_folder(folder)
}

/// Removes a file for good, with what an interrupted write left; a file that is not there is fine.
///
/// # Errors
/// What the system says.
pub fn remove_durably(folder: &Path, name: &str) -> io::Result<()> {
    for name in [&format!("{name}{UNFINISHED}"), name] {
        match std::fs::remove_file(folder.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => result?,
        }
    }
    sync_folder(folder)
}

/// Makes creations, renames and removals in a folder durable.
///
/// # Errors
/// What the system says.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
