//! A restored file while it is being written.

use std::fs::{File, FileTimes};
use std::io::{Result, Write};
use std::os::unix::fs::fchown;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use crate::folder::Folder;

/// A file that is being written. Dropped before it is finished, it is removed.
pub struct NewFile {
    /// The folder that it is in.
    folder: Folder,
    name: PathBuf,
    file: File,
    written: u64,
    hash: Sha256,
    finished: bool,
}

/// Why a file was not finished. It has been removed.
#[derive(Debug, thiserror::Error)]
pub enum NotFinished {
    /// What was written is not what was announced.
    #[error("{size} bytes with SHA-256 {sha256} were written")]
    Differs {
        /// Bytes that were written.
        size: u64,
        /// Their SHA-256, hexadecimal.
        sha256: String,
    },
    /// The system refused.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl NewFile {
    /// Creates a file with mode 0600 beneath a folder, and the folders that lead to it.
    ///
    /// # Errors
    /// `AlreadyExists`, `InvalidInput` for a path that leads through a link; the system's.
    pub fn create(beneath: &Folder, relative: &Path) -> Result<Self> {
        let parent = relative.parent().unwrap_or(Path::new(""));
        let folder = beneath.make_folders(parent)?;
        let name = PathBuf::from(relative.file_name().unwrap_or_default());
        Ok(Self {
            file: folder.create_new(&name)?,
            folder,
            name,
            written: 0,
            hash: Sha256::new(),
            finished: false,
        })
    }

    /// The file's path.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join(&self.name)
    }

    /// Gives the file to the owner of its folder, who must be able to read what root puts there.
    ///
    /// # Errors
    /// The system's.
    pub fn give_to_owner_of_folder(&self) -> Result<()> {
        let owner = rustix::fs::fstat(&self.folder)?;
        fchown(&self.file, Some(owner.st_uid), Some(owner.st_gid))
    }

    /// Writes the next bytes.
    ///
    /// # Errors
    /// The system's, such as `StorageFull`.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.written = self.written.saturating_add(bytes.len() as u64);
        Ok(())
    }

    /// Bytes that were written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Makes the file durable, if it has the expected size and SHA-256. Its name is durable when its
    /// folder, which is returned, is synced ([`Folder::sync`]).
    ///
    /// # Errors
    /// [`NotFinished`]; then it is removed.
    pub fn finish(
        mut self,
        size: u64,
        sha256: &[u8; 32],
        modified: Option<SystemTime>,
    ) -> std::result::Result<Folder, NotFinished> {
        let hash = std::mem::take(&mut self.hash).finalize();
        if self.written != size || hash[..] != sha256[..] {
            return Err(NotFinished::Differs {
                size: self.written,
                sha256: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
            });
        }
        if let Some(modified) = modified {
            self.file
                .set_times(FileTimes::new().set_modified(modified))?;
        }
        self.file.sync_all()?;
        self.finished = true;
        Ok(self.folder.folder(Path::new(""))?)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.finished {
            // Nobody is there to hear of a failure; what is left is unusable as it is.
            let _ = self.folder.remove_file(&self.name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn sha256(bytes: &[u8]) -> [u8; 32] {
        Sha256::digest(bytes).into()
    }

    #[test]
    fn only_a_file_that_is_what_was_announced_stays() {
        let scene = tempfile::tempdir().unwrap();
        let folder = Folder::open(scene.path()).unwrap();
        let path = Path::new("logs/edb.log");
        let write = |content: &[u8]| {
            let mut file = NewFile::create(&folder, path).unwrap();
            file.write(content).unwrap();
            file
        };
        drop(write(b"half"));
        assert!(
            write(b"content")
                .finish(6, &sha256(b"content"), None)
                .is_err()
        );
        assert!(
            write(b"content")
                .finish(7, &sha256(b"other"), None)
                .is_err()
        );
        let there = scene.path().join(path);
        assert!(!there.exists());

        let modified = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        write(b"content")
            .finish(7, &sha256(b"content"), Some(modified))
            .unwrap();
        assert_eq!(std::fs::read(&there).unwrap(), b"content");
        let metadata = there.metadata().unwrap();
        assert_eq!(metadata.modified().unwrap(), modified);
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        assert!(
            NewFile::create(&folder, path).is_err(),
            "it is there already"
        );
        assert_eq!(std::fs::read(&there).unwrap(), b"content");
    }
}
