//! Writes one file of a restore while a client on another computer sends it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use contract::{Error, Result, ResultCode};
use files::{Folder, NewFile, NotFinished, Space};
use model::RestoredFile;

/// A file that is being written. Dropped before it is finished, it is removed.
pub struct FileWriter {
    file: NewFile,
    path: PathBuf,
    announced: RestoredFile,
    /// Says for as long as it lives that a file is being written.
    writing: Option<Arc<()>>,
}

impl FileWriter {
    /// Creates a file with mode 0600 beneath a folder that exists, and the folders that lead to it. No link is
    /// followed on the way.
    ///
    /// # Errors
    /// `hrInvalidPath` when it exists or a link leads to it, `hrDiskIO`.
    pub fn create(beneath: &Path, relative: &Path, announced: RestoredFile) -> Result<Self> {
        let path = beneath.join(relative);
        let created = Folder::open(beneath).and_then(|folder| NewFile::create(&folder, relative));
        let file = created.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Error::new(
                ResultCode::INVALID_PATH,
                format!(
                    "{}: a file lies there; clear the places of the restore first",
                    path.display()
                ),
            ),
            ErrorKind::InvalidInput => Error::new(ResultCode::INVALID_PATH, error.to_string()),
            _ => disk_error(&path, &error),
        })?;
        Ok(Self {
            file,
            path,
            announced,
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
        let size = self.file.written().saturating_add(bytes.len() as u64);
        if size > self.announced.size {
            return Err(not_as_announced(&self.path, &self.announced));
        }
        self.file
            .write(bytes)
            .map_err(|error| disk_error(&self.path, &error))
    }

    /// Makes the file durable, if it is what was announced.
    ///
    /// # Errors
    /// `ERROR_INVALID_PARAMETER` when size or SHA-256 differ; `hrDiskIO`, `hrDiskFull`. Then it is removed.
    pub fn finish(self) -> Result<()> {
        let Self {
            file,
            path,
            announced,
            writing,
        } = self;
        let finished = file
            .finish(announced.size, &announced.sha256, Some(announced.modified))
            .and_then(|folder| Ok(folder.sync()?));
        drop(writing);
        finished.map_err(|error| match error {
            NotFinished::Io(error) => disk_error(&path, &error),
            NotFinished::Differs { .. } => not_as_announced(&path, &announced),
        })
    }
}

fn not_as_announced(path: &Path, announced: &RestoredFile) -> Error {
    Error::new(
        ResultCode::INVALID_PARAMETER,
        format!(
            "{}: what arrived is not the announced file of {} bytes: its size or SHA-256 differs; it was removed",
            path.display(),
            announced.size
        ),
    )
}

/// Makes sure that `needed` bytes fit into a folder's file system, once the doomed files on it are deleted.
///
/// # Errors
/// `hrDiskFull`.
pub fn check_space<'a>(
    folder: &Path,
    needed: u64,
    doomed: impl IntoIterator<Item = &'a Path>,
) -> Result<()> {
    let mut space = Space::default();
    space
        .need(folder, needed)
        .map_err(|error| disk_error(folder, &error))?;
    doomed
        .into_iter()
        .for_each(|path| space.will_be_deleted(path));
    match space.shortage() {
        None => Ok(()),
        Some(disk) => Err(Error::new(
            ResultCode::DISK_FULL,
            format!(
                "{}: the restore needs {} bytes, and {} would be free; nothing was deleted",
                folder.display(),
                disk.needed,
                disk.free
            ),
        )),
    }
}

/// Makes sure that nobody but its owner may replace what is in a folder of the restore.
///
/// # Errors
/// `hrInvalidPath`.
pub fn check_private(folder: &Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt;
    // The configuration names the folder, and so trusts its owner.
    let owner = folder.metadata().ok().map(|metadata| metadata.uid());
    files::check_trusted(folder, owner)
        .map_err(|untrusted| Error::new(ResultCode::INVALID_PATH, untrusted.to_string()))
}

/// The documented code for what the system says of a file: `hrDiskFull`, or else `hrDiskIO`.
pub fn disk_error(path: &Path, error: &std::io::Error) -> Error {
    let code = match error.kind() {
        ErrorKind::StorageFull => ResultCode::DISK_FULL,
        _ => ResultCode::DISK_IO,
    };
    Error::new(code, format!("{}: {error}", path.display()))
}
