//! The path of a restored file.

use std::io::Result;
use std::path::{Path, PathBuf};

use crate::folder::Folder;

/// A file beneath a folder that the user or the configuration chose.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The folder.
    pub root: PathBuf,
    /// The path beneath it. No link in it is followed.
    pub relative: PathBuf,
}

impl Place {
    /// A file directly in its folder.
    pub fn of(path: &Path) -> Self {
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        Self {
            root: folder.unwrap_or(Path::new(".")).to_path_buf(),
            relative: path.file_name().unwrap_or_default().into(),
        }
    }

    /// A path beneath a folder.
    pub fn beneath(root: &Path, relative: impl Into<PathBuf>) -> Self {
        Self {
            root: root.to_path_buf(),
            relative: relative.into(),
        }
    }

    /// The whole path.
    pub fn path(&self) -> PathBuf {
        self.root.join(&self.relative)
    }

    /// Deletes the file; a link itself. A missing file is no error.
    ///
    /// # Errors
    /// `InvalidInput` for a path that contains a link; the system's.
    pub fn delete(&self) -> Result<()> {
        match Folder::open(&self.root) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            root => root?.remove_file(&self.relative),
        }
    }
}
