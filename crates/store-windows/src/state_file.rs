//! A file of a domain controller beside its database: a registry hive, a file of SYSVOL.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use contract::{Error, FileType, Result, ResultCode};
use model::{Damage, FileEntry};
use store::{FileReader, PIECE, disk_error};

/// A file as it was found.
#[derive(Debug, Clone)]
pub struct StateFile {
    /// Where it is read.
    pub path: PathBuf,
    /// Its path on the domain controller, for people.
    pub original: String,
    /// Its path in a snapshot, names joined by `/`.
    pub place: String,
    /// [`FileType::STATE`] or [`FileType::SHARED`].
    pub file_type: FileType,
    size: u64,
    modified: SystemTime,
}

impl StateFile {
    /// Looks at a file.
    ///
    /// # Errors
    /// `hrDiskIO`; `hrInvalidPath` if it is no regular file.
    pub fn of(path: PathBuf, original: String, place: String, file_type: FileType) -> Result<Self> {
        let metadata = path
            .symlink_metadata()
            .map_err(|error| disk_error(&path, &error))?;
        if !metadata.is_file() {
            return Err(Error::new(
                ResultCode::INVALID_PATH,
                format!("{}: expected a regular file", path.display()),
            ));
        }
        Ok(Self {
            original,
            place,
            file_type,
            size: metadata.len(),
            modified: metadata.modified().unwrap_or(UNIX_EPOCH),
            path,
        })
    }

    /// The entry in the lists.
    pub fn entry(&self) -> FileEntry {
        FileEntry {
            size: self.size,
            modified: self.modified,
            place: Some(self.place.clone()),
            ..FileEntry::named(self.file_type, self.original.clone())
        }
    }

    /// Opens the file for a backup.
    ///
    /// # Errors
    /// `hrDiskIO`.
    pub fn open(&self) -> Result<Box<dyn FileReader>> {
        let file = open(&self.path).map_err(|error| disk_error(&self.path, &error))?;
        Ok(Box::new(Reader {
            file: file.take(self.size),
            path: self.path.clone(),
            size: self.size,
        }))
    }
}

/// Opens a file, on Windows by the privilege of backups: whoever holds it reads every file.
pub(crate) fn open(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(windows)]
    {
        use std::os::windows::fs::OpenOptionsExt;
        use windows_sys::Win32::Storage::FileSystem::{
            FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_SEQUENTIAL_SCAN,
        };
        options.custom_flags(FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_SEQUENTIAL_SCAN);
    }
    options.open(path)
}

struct Reader {
    file: std::io::Take<File>,
    path: PathBuf,
    size: u64,
}

impl FileReader for Reader {
    fn size(&self) -> u64 {
        self.size
    }

    fn next_piece(&mut self) -> Result<Option<Bytes>> {
        let wanted = self.file.limit().min(PIECE as u64);
        let mut piece = Vec::with_capacity(wanted as usize);
        let read = (&mut self.file).take(wanted).read_to_end(&mut piece);
        read.map_err(|error| disk_error(&self.path, &error))?;
        match (piece.len() as u64, wanted) {
            (_, 0) => Ok(None),
            (length, wanted) if length < wanted => Err(Error::new(
                ResultCode::DATABASE_IN_USE,
                format!(
                    "{}: the file became shorter than {} bytes while it was being backed up",
                    self.path.display(),
                    self.size
                ),
            )),
            _ => Ok(Some(piece.into())),
        }
    }

    fn finish(self: Box<Self>) -> Result<Damage> {
        Ok(Damage::default())
    }
}
