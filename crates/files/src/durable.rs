//! Small files that must survive a power failure.

use std::io::{Result, Write};
use std::path::Path;

use crate::folder::Folder;

/// What the name of a file has at its end while its new content is being written.
pub const UNFINISHED: &str = ".new";

/// Writes a small file so that either the old or the new content exists at any time, and the new
/// one is durable when this returns. What an interrupted write left, or somebody planted, under the
/// temporary name is removed first, and never written through.
///
/// # Errors
/// The system's; `AlreadyExists` when somebody else writes the same file.
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

/// Removes a file durably, with what an interrupted write left; one that is not there is fine.
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

#[cfg(test)]
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
