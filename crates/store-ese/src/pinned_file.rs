//! A file that a backup holds open from its beginning, and recognizes later.

use std::fs::{File, Metadata};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use contract::{Error, Result, ResultCode};
use model::FileEntry;
use platform::file;

use crate::layout::{DirectoryFile, Role};

/// The state of a file: its identity, length and time of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    identity: file::Identity,
    size: u64,
    modified: SystemTime,
}

impl State {
    fn new(identity: file::Identity, metadata: &Metadata) -> Self {
        Self {
            identity,
            size: metadata.len(),
            modified: metadata.modified().unwrap_or(UNIX_EPOCH),
        }
    }

    fn of(file: &File) -> std::io::Result<Self> {
        Ok(Self::new(file::Identity::of(file)?, &file.metadata()?))
    }
}

/// An open file as it was when the backup began.
#[derive(Debug)]
pub(crate) struct PinnedFile {
    file: File,
    pub(crate) path: PathBuf,
    pub(crate) role: Role,
    state: State,
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
        let opened = file::open_without_waiting(&found.path)
            .and_then(|file| Ok((file.metadata()?, State::of(&file)?, file)));
        let (metadata, state, file) =
            opened.map_err(|error| match file::is_too_many_open(&error) {
                true => Error::new(
                    ResultCode::NOT_ENOUGH_MEMORY,
                    format!(
                        "{}: {error}: a backup holds all files of the directory open; raise the \
                         service's limit (ulimit -n)",
                        found.path.display()
                    ),
                ),
                false => io_error(&found.path, &error),
            })?;
        if !metadata.is_file() {
            return Err(changed(&found.path));
        }
        Ok(Self {
            state,
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
            size: self.state.size,
            modified: self.state.modified,
            generation: (self.generation != 0).then_some(self.generation),
            place: None,
        }
    }

    /// The name in the lists.
    pub(crate) fn name(&self) -> String {
        self.path.to_string_lossy().into_owned()
    }

    pub(crate) fn size(&self) -> u64 {
        self.state.size
    }

    /// Reads up to `length` bytes from `offset` on; fewer only at the end of the file.
    ///
    /// # Errors
    /// `hrDiskIO`.
    pub(crate) fn read_at(&self, offset: u64, length: usize) -> Result<Vec<u8>> {
        file::read_at(&self.file, offset, length).map_err(|error| io_error(&self.path, &error))
    }

    /// Tells the system that the file is about to be read from start to end.
    pub(crate) fn announce_reading(&self) {
        file::announce_reading(&self.file);
    }

    /// Refuses a file that was written since it was pinned.
    ///
    /// # Errors
    /// `hrDatabaseInUse`.
    pub(crate) fn check_unchanged(&self) -> Result<()> {
        let metadata = self.file.metadata();
        let metadata = metadata.map_err(|error| io_error(&self.path, &error))?;
        // It is still open: no other file can have taken its place.
        match State::new(self.state.identity, &metadata) == self.state {
            true => Ok(()),
            false => Err(changed(&self.path)),
        }
    }

    /// Whether the path still leads to this file, unchanged since it was pinned.
    pub(crate) fn is_still_at_its_path(&self) -> bool {
        let now = file::Identity::of_entry(&self.path)
            .and_then(|identity| Ok(State::new(identity, &self.path.symlink_metadata()?)));
        now.is_ok_and(|now| now == self.state)
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
