//! A restored file while it is being written.

use std::fs::{File, FileTimes};
use std::io::{Result, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use crate::folder::Folder;
use crate::place::Place;

/// The announced properties of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announced {
    /// Its size in bytes.
    pub size: u64,
    /// Its SHA-256.
    pub sha256: [u8; 32],
    /// Its modification time; `None` for the current time.
    pub modified: Option<SystemTime>,
}

/// A file that is being written. Removed if dropped before it is finished.
pub struct NewFile {
    /// Its folder.
    folder: Folder,
    name: PathBuf,
    file: File,
    announced: Announced,
    written: u64,
    hash: Sha256,
    finished: bool,
}

/// The reason why a file was not written. The file is removed.
#[derive(Debug, thiserror::Error)]
pub enum NotWritten {
    /// More bytes than announced.
    #[error("{size} bytes came, and fewer were announced")]
    TooLong {
        /// The number of bytes, including those not written.
        size: u64,
    },
    /// Another content than announced.
    #[error("{size} bytes with SHA-256 {sha256} were written")]
    Differs {
        /// The number of bytes written.
        size: u64,
        /// Their SHA-256, hexadecimal.
        sha256: String,
    },
    /// The system's error.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

impl NewFile {
    /// Creates a private file, and its folders beneath the place's root, which must exist.
    ///
    /// # Errors
    /// `AlreadyExists`; `InvalidInput` for a path that contains a link; the system's.
    pub fn create(place: &Place, announced: Announced) -> Result<Self> {
        let parent = place.relative.parent().unwrap_or(Path::new(""));
        let folder = Folder::open(&place.root)?.make_folders(parent)?;
        let name = PathBuf::from(place.relative.file_name().unwrap_or_default());
        Ok(Self {
            file: folder.create_new(&name)?,
            folder,
            name,
            announced,
            written: 0,
            hash: Sha256::new(),
            finished: false,
        })
    }

    /// Gives the file to the owner of its folder, who must be able to read files written by root.
    ///
    /// # Errors
    /// The system's.
    pub fn give_to_owner_of_folder(&self) -> Result<()> {
        self.folder.give(&self.file)
    }

    /// Writes the next bytes.
    ///
    /// # Errors
    /// [`NotWritten::TooLong`] for more than the announced size; the system's, for example
    /// `StorageFull`.
    pub fn write(&mut self, bytes: &[u8]) -> std::result::Result<(), NotWritten> {
        let size = self.written.saturating_add(bytes.len() as u64);
        if size > self.announced.size {
            return Err(NotWritten::TooLong { size });
        }
        self.file.write_all(bytes)?;
        self.hash.update(bytes);
        self.written = size;
        Ok(())
    }

    /// Makes the file durable if it has the announced size and SHA-256. Its name is durable once
    /// the returned folder is synced ([`Folder::sync`]).
    ///
    /// # Errors
    /// [`NotWritten`]; the file is then removed.
    pub fn finish(mut self) -> std::result::Result<Folder, NotWritten> {
        let hash = std::mem::take(&mut self.hash).finalize();
        if self.written != self.announced.size || hash[..] != self.announced.sha256[..] {
            return Err(NotWritten::Differs {
                size: self.written,
                sha256: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
            });
        }
        if let Some(modified) = self.announced.modified {
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
            // There is nobody to report a failure to; the rest of the file is unusable anyway.
            let _ = self.folder.remove_file(&self.name);
        }
    }
}

#[cfg(all(test, unix))]
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
        let place = Place::beneath(scene.path(), "logs/edb.log");
        let write = |content: &[u8], size, hashed: &[u8], modified| {
            let announced = Announced {
                size,
                sha256: sha256(hashed),
                modified,
            };
            let mut file = NewFile::create(&place, announced).unwrap();
            file.write(content)?;
            file.finish()
        };
        let content = b"content";
        assert!(matches!(
            write(content, 6, content, None),
            Err(NotWritten::TooLong { size: 7 })
        ));
        assert!(matches!(
            write(content, 8, content, None),
            Err(NotWritten::Differs { size: 7, .. })
        ));
        assert!(write(content, 7, b"another", None).is_err());
        assert!(!place.path().exists());

        let modified = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        write(content, 7, content, Some(modified)).unwrap();
        assert_eq!(std::fs::read(place.path()).unwrap(), content);
        let metadata = place.path().metadata().unwrap();
        assert_eq!(metadata.modified().unwrap(), modified);
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        let announced = Announced {
            size: 7,
            sha256: sha256(content),
            modified: None,
        };
        assert!(
            NewFile::create(&place, announced).is_err(),
            "it is there already"
        );
        assert_eq!(std::fs::read(place.path()).unwrap(), content);

        place.delete().unwrap();
        place.delete().unwrap();
        assert!(!place.path().exists());
    }

    #[test]
    fn nothing_is_deleted_through_a_link() {
        let scene = tempfile::tempdir().unwrap();
        let elsewhere = scene.path().join("elsewhere");
        let root = scene.path().join("root");
        std::fs::create_dir_all(&elsewhere).unwrap();
        std::fs::create_dir_all(&root).unwrap();
        std::fs::write(elsewhere.join("kept"), "").unwrap();
        std::os::unix::fs::symlink(&elsewhere, root.join("logs")).unwrap();
        assert!(Place::beneath(&root, "logs/kept").delete().is_err());
        assert!(elsewhere.join("kept").exists());
        Place::beneath(&root, "logs").delete().unwrap();
        assert!(!root.join("logs").exists());
        assert!(elsewhere.join("kept").exists());
    }
}
