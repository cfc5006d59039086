//! One file of a restore while a client on another computer sends it.

use std::fs::{DirBuilder, File, FileTimes, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use contract::{Error, Result, ResultCode};
use sha2::{Digest, Sha256};
use wire::v1::RestoreFileStart;

use crate::file_io;

/// A file that is being written. Dropped before it is finished, it is removed.
pub struct RestoredFile {
    path: PathBuf,
    file: File,
    announced: RestoreFileStart,
    written: u64,
    hash: Sha256,
    finished: bool,
    /// Says for as long as it lives that a file is being written.
    writing: Option<Arc<()>>,
}

impl RestoredFile {
    /// Creates a file with mode 0600 where nothing lies, and the folders that lead to it.
    ///
    /// # Errors
    /// `hrInvalidPath` when it exists, `hrDiskIO`.
    pub fn create(path: PathBuf, announced: RestoreFileStart) -> Result<Self> {
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
            _ => failed(&path, &error),
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

    pub(crate) fn noted_by(mut self, writing: Arc<()>) -> Self {
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
            .map_err(|error| failed(&self.path, &error))?;
        self.hash.update(bytes);
        Ok(())
    }

    /// Makes the file durable, if it is what was announced.
    ///
    /// # Errors
    /// `ERROR_INVALID_PARAMETER` when size or SHA-256 differ; `hrDiskIO`, `hrDiskFull`. Then it is removed.
    pub fn finish(mut self) -> Result<()> {
        let hash = std::mem::take(&mut self.hash).finalize();
        if self.written != self.announced.size || hash[..] != self.announced.sha256[..] {
            return Err(self.not_as_announced());
        }
        let since = Duration::from_millis(self.announced.modified_ms.max(0).unsigned_abs());
        let durable = || {
            if let Some(modified) = UNIX_EPOCH.checked_add(since) {
                self.file
                    .set_times(FileTimes::new().set_modified(modified))?;
            }
            self.file.sync_all()?;
            self.path.parent().map_or(Ok(()), file_io::sync_folder)
        };
        durable().map_err(|error| failed(&self.path, &error))?;
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

impl Drop for RestoredFile {
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
pub(super) fn check_space(folder: &Path, needed: u64, freed: u64) -> Result<()> {
    let state = rustix::fs::statvfs(folder).map_err(|error| failed(folder, &error.into()))?;
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

pub(super) fn failed(path: &Path, error: &std::io::Error) -> Error {
    let code = match error.kind() {
        std::io::ErrorKind::StorageFull => ResultCode::DISK_FULL,
        _ => ResultCode::DISK_IO,
    };
    Error::new(code, format!("{}: {error}", path.display()))
}
