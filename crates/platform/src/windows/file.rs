//! Reads and writes at positions, identities, durable names.

use std::fs::{File, FileTimes, Metadata, OpenOptions};
use std::io::{ErrorKind, Result};
use std::os::windows::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_INVALID_FUNCTION, ERROR_INVALID_HANDLE, ERROR_MORE_DATA,
    ERROR_NO_SYSTEM_RESOURCES, ERROR_NOT_SUPPORTED, ERROR_TOO_MANY_OPEN_FILES, GENERIC_WRITE,
};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT, FILE_READ_ATTRIBUTES,
    FILE_WRITE_ATTRIBUTES,
};

use crate::system;

pub use crate::shared::Identity;

impl Identity {
    /// The identity of an open file.
    ///
    /// # Errors
    /// The system's.
    pub fn of(file: &File) -> Result<Self> {
        let found = winapi_util::file::information(file)?;
        Ok(Self {
            disk: found.volume_serial_number(),
            number: found.file_index(),
        })
    }

    /// The identity of the file or folder at a path. A link is followed.
    ///
    /// # Errors
    /// The system's.
    pub fn at(path: &Path) -> Result<Self> {
        Self::of(&open_entry(path, FILE_READ_ATTRIBUTES, 0)?)
    }

    /// The identity of what is at a path; of a link itself.
    ///
    /// # Errors
    /// The system's.
    pub fn of_entry(path: &Path) -> Result<Self> {
        Self::of(&open_entry(
            path,
            FILE_READ_ATTRIBUTES,
            FILE_FLAG_OPEN_REPARSE_POINT,
        )?)
    }
}

/// Opens a file or a folder.
fn open_entry(path: &Path, access: u32, flags: u32) -> Result<File> {
    let mut options = File::options();
    options
        .access_mode(access)
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS | flags);
    options.open(path)
}

/// Two times of a file's change, in units of the system: of its content, and of its creation.
pub fn changed(metadata: &Metadata) -> [i128; 2] {
    [
        metadata.last_write_time().into(),
        metadata.creation_time().into(),
    ]
}

/// Opens a file for reading. Should a pipe have its name, this waits for no writer.
///
/// # Errors
/// The system's.
pub fn open_without_waiting(path: &Path) -> Result<File> {
    File::open(path)
}

/// Lets opening fail where the name is a link.
pub fn refuse_links(options: &mut OpenOptions) -> &mut OpenOptions {
    // Such a link is opened itself, and holds nothing to be read.
    options.custom_flags(FILE_FLAG_OPEN_REPARSE_POINT)
}

/// Whether an error says that this process, or the system, has too many files open.
pub fn is_too_many_open(error: &std::io::Error) -> bool {
    let codes = [ERROR_TOO_MANY_OPEN_FILES, ERROR_NO_SYSTEM_RESOURCES].map(|code| code as i32);
    error
        .raw_os_error()
        .is_some_and(|code| codes.contains(&code))
}

/// Fills the buffer from a position on.
///
/// # Errors
/// `UnexpectedEof` at the end of the file; the system's.
pub fn read_exact_at(file: &File, mut buffer: &mut [u8], mut position: u64) -> Result<()> {
    while !buffer.is_empty() {
        match file.seek_read(buffer, position) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(length) => {
                buffer = buffer.get_mut(length..).unwrap_or_default();
                position = position.saturating_add(length as u64);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Reads from a position on up to `length` bytes; fewer only at the end of the file.
///
/// # Errors
/// The system's.
pub fn read_at(file: &File, position: u64, length: usize) -> Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    let mut filled = 0;
    while filled < length {
        let rest = bytes.get_mut(filled..).unwrap_or_default();
        match file.seek_read(rest, position.saturating_add(filled as u64)) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    bytes.truncate(filled);
    Ok(bytes)
}

/// Writes all bytes from a position on.
///
/// # Errors
/// The system's.
pub fn write_all_at(file: &File, mut bytes: &[u8], mut position: u64) -> Result<()> {
    while !bytes.is_empty() {
        match file.seek_write(bytes, position)? {
            0 => return Err(ErrorKind::WriteZero.into()),
            length => {
                bytes = bytes.get(length..).unwrap_or_default();
                position = position.saturating_add(length as u64);
            }
        }
    }
    Ok(())
}

/// Tells the system that a file is about to be read from start to end.
pub fn announce_reading(_: &File) {
    // Windows is told when a file is opened, and notices by itself.
}

/// The absolute path without links, `.` and `..`; in its short form where that is possible.
///
/// # Errors
/// The system's.
pub fn canonical(path: &Path) -> Result<PathBuf> {
    match dunce::canonicalize(path) {
        // Wine knows no final path of more than 260 characters: then it is the path as named.
        Err(error) if error.raw_os_error() == Some(ERROR_MORE_DATA as i32) => {
            system::verbatim(path)
        }
        resolved => resolved,
    }
}

/// Makes creations, renames and removals in a folder durable, as far as the file system can.
///
/// # Errors
/// The system's.
pub fn sync_folder(folder: &Path) -> Result<()> {
    let synced = open_entry(folder, GENERIC_WRITE, 0).and_then(|folder| folder.sync_all());
    // NTFS writes names through its journal, in order. Where a folder cannot be flushed (a network
    // share, a folder above that others own), that has to do.
    const NOT_POSSIBLE: [u32; 4] = [
        ERROR_ACCESS_DENIED,
        ERROR_INVALID_FUNCTION,
        ERROR_INVALID_HANDLE,
        ERROR_NOT_SUPPORTED,
    ];
    match synced {
        Err(error) => match error.raw_os_error() {
            Some(code) if NOT_POSSIBLE.contains(&(code as u32)) => Ok(()),
            _ => Err(error),
        },
        Ok(()) => Ok(()),
    }
}

/// Sets the time of a folder's last change to now.
///
/// # Errors
/// The system's.
pub fn touch_folder(folder: &Path) -> Result<()> {
    let folder = open_entry(folder, FILE_WRITE_ATTRIBUTES, 0)?;
    folder.set_times(FileTimes::new().set_modified(SystemTime::now()))
}
