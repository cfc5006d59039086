//! Small files that must survive a power failure.

use std::io::{Result, Write};
use std::path::Path;

use crate::folder::Folder;

/// The suffix of a file's name while its new content is being written.
pub const UNFINISHED: &str = ".new";

/// Writes a small file so that either the old or the new content exists at any time, and the new
/// one is durable on return. First removes a file with the temporary name, left by an interrupted
/// write or planted by somebody, and never writes through it.
///
/// # Errors
/// The system's; `AlreadyExists` if another process writes the same file.
pub fn write_durably(folder: &Path, name: &str, content: &[u8]) -> Result<()> {
    let folder = Folder::open(folder)?;
    let unfinished = format!("{name}{UNFINISHED}");
    folder.remove_file(Path::new(&unfinished))?;
    let mut file = folder.create_new(Path::new(&unfinished))?;
    file.write_all(content)?;
    file.sync_all()?;
    folder.rename(&unfinished, name)?;
    folder.sync()
}

/// Removes a file durably, and what an interrupted write left. A missing file is no error.
///
/// # Errors
/// The system's.
pub fn remove_durably(folder: &Path, name: &str) -> Result<()> {
    let folder = Folder::open(folder)?;
    folder.remove_file(Path::new(&format!("{name}{UNFINISHED}")))?;
    folder.remove_file(Path::new(name))?;
    folder.sync()
}

/// Makes creations, renames and removals in a folder durable.
///
/// # Errors
/// The system's.
pub fn sync_folder(folder: &Path) -> Result<()> {
    Folder::open(folder)?.sync()
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_planted_temporary_file_is_not_written_through() {
        let folder = tempfile::tempdir().unwrap();
        let (inner, victim) = (folder.path().join("inner"), folder.path().join("victim"));
        std::fs::create_dir(&inner).unwrap();
        std::fs::write(&victim, "untouched").unwrap();
        symlink(&victim, inner.join("marker.new")).unwrap();
        symlink(&victim, inner.join("marker")).unwrap();
        write_durably(&inner, "marker", b"content").unwrap();
        assert_eq!(std::fs::read_to_string(&victim).unwrap(), "untouched");
        let marker = inner.join("marker");
        let metadata = marker.symlink_metadata().unwrap();
        assert!(metadata.is_file());
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_to_string(&marker).unwrap(), "content");
        assert_eq!(std::fs::read_dir(&inner).unwrap().count(), 1);

        remove_durably(&inner, "marker").unwrap();
        remove_durably(&inner, "marker").unwrap();
        assert_eq!(std::fs::read_dir(&inner).unwrap().count(), 0);
    }
}
