//! Writes one file of a restore while a client on another computer sends it.

use std::fs::{DirBuilder, File, FileTimes, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use contract::{Error, Result, ResultCode};
use model::RestoredFile;
use sha2::{Digest, Sha256};

use crate::durable;

/// A file that is being written. Dropped before it is finished, it is removed.
pub struct FileWriter {
    path: PathBuf,
    file: File,
    announced: RestoredFile,
    written: u64,
    hash: Sha256,
    finished: bool,
    /// Says for as long as it lives that a file is being written.
    writing: Option<Arc<()>>,
}

impl FileWriter {
    /// Creates a file with mode 0600 where nothing lies, and the folders that lead to it.
    ///
    /// # Errors
    /// `hrInvalidPath` when it exists, `hrDiskIO`.
    pub fn create(path: PathBuf, announced: RestoredFile) -> Result<Self> {
        let create = || {
            if let Some(folder) = path.parent() {
                DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(folder)?;
            }
            OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&path)
        };
        let file = create().map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => Error::new(
                ResultCode::INVALID_PATH,
                format!(
                    "{}: a file lies there; clear the places of the restore first",
                    path.display()
                ),
            ),
            _ => disk_error(&path, &error),
        })?;
        Ok(Self {
            path,
            file,
            announced,
            written: 0,
            hash: Sha256::new(),
            finished: false,
            writing: None,
        })
    }

    /// Holds a note for as long as the file is being written.
    pub fn noted_by(mut self, writing: Arc<()>) -> Self {
        self.writing = Some(writing);
        self
    }

    /// Writes the next bytes.
    ///
    /// # Errors
    /// `hrDiskFull`, `hrDiskIO`; `ERROR_INVALID_PARAMETER` for more than was announced.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.written = self.written.saturating_add(bytes.len() as u64);
        if self.written > self.announced.size {
            return Err(self.not_as_announced());
        }
        self.file
            .write_all(bytes)
            .map_err(|error| disk_error(&self.path, &error))?;
        self.hash.update(bytes);
        Ok(())
    }

    /// Makes the file durable, if it is what was announced.
    ///
    /// # Errors
    /// `ERROR_INVALID_PARAMETER` when size or SHA-256 differ; `hrDiskIO`, `hrDiskFull`. Then it is removed.
    pub fn finish(mut self) -> Result<()> {
        let hash = std::mem::take(&mut self.hash).finalize();
        if self.written != self.announced.size || hash[..] != self.announced.sha256 {
            return Err(self.not_as_announced());
        }
        let durable = || {
            let times = FileTimes::new().set_modified(self.announced.modified);
            self.file.set_times(times)?;
            self.file.sync_all()?;
            self.path.parent().map_or(Ok(()), durable::sync_folder)
        };
        durable().map_err(|error| disk_error(&self.path, &error))?;
        self.finished = true;
        Ok(())
    }

    fn not_as_announced(&self) -> Error {
        Error::new(
            ResultCode::INVALID_PARAMETER,
            format!(
                "{}: what arrived is not the announced file of {} bytes: its size or SHA-256 differs; it was removed",
                self.path.display(),
                self.announced.size
            ),
        )
    }
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        if !self.finished
            && let Err(error) = std::fs::remove_file(&self.path)
        {
            tracing::warn!(file = %self.path.display(), %error, "cannot remove an unfinished file of a restore");
        }
    }
}

/// Makes sure that `needed` bytes fit into a folder's file system, of which `freed` more will be free.
///
/// # Errors
/// `hrDiskFull`.
pub fn check_space(folder: &Path, needed: u64, freed: u64) -> Result<()> {
    let state = rustix::fs::statvfs(folder).map_err(|error| disk_error(folder, &error.into()))?;
    let free = state.f_bavail.saturating_mul(state.f_frsize);
    if needed <= free.saturating_add(freed) {
        return Ok(());
    }
    Err(Error::new(
        ResultCode::DISK_FULL,
        format!(
            "{}: the restore needs {needed} bytes, and {} would be free; nothing was deleted",
            folder.display(),
            free.saturating_add(freed)
        ),
    ))
}

/// The documented code for what the system says of a file: `hrDiskFull`, or else `hrDiskIO`.
pub fn disk_error(path: &Path, error: &std::io::Error) -> Error {
    let code = match error.kind() {
        std::io::ErrorKind::StorageFull => ResultCode::DISK_FULL,
        _ => ResultCode::DISK_IO,
    };
    Error::new(code, format!("{}: {error}", path.display()))
}
