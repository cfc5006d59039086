//! A file that a backup holds open from its beginning, and recognizes later.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use contract::{Error, Result, ResultCode};
use model::FileEntry;
use rustix::io::Errno;

use crate::layout::{DirectoryFile, Role};

/// The state of a file: its identity, length and time of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Identity {
    fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

/// An open file as it was when the backup began.
#[derive(Debug)]
pub(crate) struct PinnedFile {
    file: File,
    pub(crate) path: PathBuf,
    pub(crate) role: Role,
    identity: Identity,
    modified: SystemTime,
    /// A log's generation, by its header; 0 if there is none.
    pub(crate) generation: u32,
}

impl PinnedFile {
    /// Opens a file of the directory.
    ///
    /// # Errors
    /// `hrDiskIO`; `ERROR_NOT_ENOUGH_MEMORY` if the process may not open so many files.
    pub(crate) fn open(found: &DirectoryFile) -> Result<Self> {
        // If a pipe replaces the file at this moment, opening it must not wait for a writer.
        let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
        let opened = OpenOptions::new()
            .read(true)
            .custom_flags(flags)
            .open(&found.path)
            .and_then(|file| Ok((file.metadata()?, file)));
        let (metadata, file) = opened.map_err(|error| {
            let too_many = [Errno::MFILE, Errno::NFILE]
                .iter()
                .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()));
            match too_many {
                true => Error::new(
                    ResultCode::NOT_ENOUGH_MEMORY,
                    format!(
                        "{}: {error}: a backup holds all files of the directory open; raise the \
                         service's limit (ulimit -n)",
                        found.path.display()
                    ),
                ),
                false => io_error(&found.path, &error),
            }
        })?;
        if !metadata.is_file() {
            return Err(changed(&found.path));
        }
        Ok(Self {
            identity: Identity::of(&metadata),
            modified: metadata.modified().unwrap_or(UNIX_EPOCH),
            file,
            path: found.path.clone(),
            role: found.role,
            generation: 0,
        })
    }

    /// The entry in the lists, whose name is the path.
    pub(crate) fn entry(&self) -> FileEntry {
        FileEntry {
            file_type: self.role.file_type(),
            name: self.name(),
            size: self.identity.size,
            modified: self.modified,
            generation: (self.generation != 0).then_some(self.generation),
            place: None,
        }
    }

    /// The name in the lists.
    pub(crate) fn name(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }

    pub(crate) fn size(&self) -> u64 {
        self.identity.size
    }

    /// Reads up to `length` bytes from `offset` on; fewer only at the end of the file.
    ///
    /// # Errors
    /// `hrDiskIO`.
    pub(crate) fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        let mut bytes = Vec::with_capacity(length);
        while bytes.len() < length {
            let at = offset.saturating_add(bytes.len() as u64);
            match rustix::io::pread(&self.file, rustix::buffer::spare_capacity(&mut bytes), at) {
                Ok(0) => break,
                Ok(_) => {}
                Err(Errno::INTR) => {}
                Err(error) => return Err(io_error(&self.path, &error.into())),
            }
        }
        bytes.truncate(length);
        Ok(bytes)
    }

    /// Tells the system that the file is about to be read from start to end.
    pub(crate) fn announce_reading(&self) {
        // Only advice: without it the file system reads all the same.
        let _ = rustix::fs::fadvise(&self.file, 0, None, rustix::fs::Advice::Sequential);
    }

    /// Refuses a file that was written since it was pinned.
    ///
    /// # Errors
    /// `hrDatabaseInUse`.
    pub(crate) fn check_unchanged(&self) -> Result<()> {
        let metadata = self
            .file
            .metadata()
            .map_err(|error| io_error(&self.path, &error))?;
        match Identity::of(&metadata) == self.identity {
            true => Ok(()),
            false => Err(changed(&self.path)),
        }
    }

    /// Whether the path still leads to this file, unchanged since it was pinned.
    pub(crate) fn is_still_at_its_path(&self) -> bool {
        std::fs::symlink_metadata(&self.path)
            .is_ok_and(|metadata| Identity::of(&metadata) == self.identity)
    }
}

fn changed(path: &Path) -> Error {
    Error::new(
        ResultCode::DATABASE_IN_USE,
        format!(
            "{}: the file changed while it was being backed up: another program writes to it; find \
             and stop it, then back up again",
            path.display()
        ),
    )
}

/// The documented code for an I/O error.
pub(crate) fn io_error(path: &Path, error: &std::io::Error) -> Error {
    let code = match error.kind() {
        std::io::ErrorKind::StorageFull => ResultCode::DISK_FULL,
        std::io::ErrorKind::NotFound => ResultCode::FILE_NOT_FOUND,
        _ => ResultCode::DISK_IO,
    };
    Error::new(code, format!("{}: {error}", path.display()))
}
