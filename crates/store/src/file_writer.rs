//! Writes the files of a restore that a client on another computer sends, through [`files`], and
//! converts errors into the documented codes.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use contract::{Error, Result, ResultCode};
use files::{Announced, NewFile, NotWritten, Place, Space};
use model::RestoredFile;

/// A file that is being written. Removed if dropped before it is finished.
pub struct FileWriter {
    file: NewFile,
    place: Place,
    size: u64,
    /// Held as long as the file is being written.
    writing: Option<Arc<()>>,
}

impl FileWriter {
    /// Creates a file with mode 0600 and its folders beneath an existing folder. Follows no link.
    ///
    /// # Errors
    /// `hrInvalidPath` if it exists or its path contains a link; `hrDiskIO`.
    pub fn create(place: Place, file: &RestoredFile) -> Result<Self> {
        let announced = Announced {
            size: file.size,
            sha256: file.sha256,
            modified: Some(file.modified),
        };
        let file = NewFile::create(&place, announced).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Error::new(
                ResultCode::INVALID_PATH,
                format!(
                    "{}: the file exists; clear the destinations of the restore first",
                    place.path().display()
                ),
            ),
            ErrorKind::InvalidInput => Error::new(ResultCode::INVALID_PATH, error.to_string()),
            _ => disk_error(&place.path(), &error),
        })?;
        Ok(Self {
            file,
            place,
            size: announced.size,
            writing: None,
        })
    }

    /// Holds `writing` as long as the file is being written.
    pub fn noted_by(mut self, writing: Arc<()>) -> Self {
        self.writing = Some(writing);
        self
    }

    /// Writes the next bytes.
    ///
    /// # Errors
    /// `hrDiskFull`, `hrDiskIO`; `ERROR_INVALID_PARAMETER` for more than the announced size.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.file.write(bytes);
        written.map_err(|error| code_of(&self.place, self.size, error))
    }

    /// Makes the file durable if it has the announced size and SHA-256.
    ///
    /// # Errors
    /// `ERROR_INVALID_PARAMETER` if size or SHA-256 differ; `hrDiskIO`, `hrDiskFull`. The file is
    /// then removed.
    pub fn finish(self) -> Result<()> {
        let Self {
            file,
            place,
            size,
            writing,
        } = self;
        let finished = file.finish().and_then(|folder| Ok(folder.sync()?));
        drop(writing);
        finished.map_err(|error| code_of(&place, size, error))
    }
}

fn code_of(place: &Place, announced: u64, error: NotWritten) -> Error {
    match error {
        NotWritten::Io(error) => disk_error(&place.path(), &error),
        NotWritten::TooLong { .. } | NotWritten::Differs { .. } => Error::new(
            ResultCode::INVALID_PARAMETER,
            format!(
                "{}: what arrived is not the announced file of {announced} bytes: its size or \
                 SHA-256 differs; it was removed",
                place.path().display()
            ),
        ),
    }
}

/// Checks that `needed` bytes fit into a folder's file system after the deletion of the doomed
/// files on it.
///
/// # Errors
/// `hrDiskFull`.
pub fn check_space<'a>(
    folder: &Path,
    needed: u64,
    doomed: impl IntoIterator<Item = &'a Place>,
) -> Result<()> {
    let written = [(folder.to_path_buf(), needed)];
    let doomed = doomed.into_iter().map(Place::path);
    match Space::shortage_for(written, doomed) {
        Ok(None) => Ok(()),
        Ok(Some(disk)) => Err(Error::new(
            ResultCode::DISK_FULL,
            format!(
                "{}: the restore needs {} bytes, and {} would be free; nothing was deleted",
                folder.display(),
                disk.needed,
                disk.free
            ),
        )),
        Err((path, error)) => Err(disk_error(&path, &error)),
    }
}

/// Checks that nobody but its owner may replace files in a folder of the restore.
///
/// # Errors
/// `hrInvalidPath`.
pub fn check_private(folder: &Path) -> Result<()> {
    // The configuration names the folder, and so trusts its owner.
    files::check_trusted(folder, files::Owner::Anybody)
        .map_err(|untrusted| Error::new(ResultCode::INVALID_PATH, untrusted.to_string()))
}

/// The documented code for an error of the system: `hrDiskFull`, otherwise `hrDiskIO`.
pub fn disk_error(path: &Path, error: &std::io::Error) -> Error {
    let code = match error.kind() {
        ErrorKind::StorageFull => ResultCode::DISK_FULL,
        _ => ResultCode::DISK_IO,
    };
    Error::new(code, format!("{}: {error}", path.display()))
}
