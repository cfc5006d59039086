//! Reads and writes at positions, identities, durable names.

use std::fs::{File, FileTimes, Metadata, OpenOptions};
use std::io::{ErrorKind, Result};
use std::os::windows::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_INVALID_FUNCTION, ERROR_INVALID_HANDLE, ERROR_MORE_DATA,
    ERROR_NO_SYSTEM_RESOURCES, ERROR_NOT_SUPPORTED, ERROR_PATH_NOT_FOUND, ERROR_SHARING_VIOLATION,
    ERROR_TOO_MANY_OPEN_FILES, ERROR_UNRECOGNIZED_VOLUME, GENERIC_WRITE,
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
    // By the privilege of backups, where it is enabled: whoever holds it reads every file.
    let mut options = File::options();
    options
        .read(true)
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS)
        .open(path)
}

/// Whether a folder could not be renamed because somebody, such as a virus scanner, has a file in it open:
/// then it may be a moment later.
pub fn is_in_use(error: &std::io::Error) -> bool {
    let codes = [ERROR_ACCESS_DENIED, ERROR_SHARING_VIOLATION].map(|code| code as i32);
    error
        .raw_os_error()
        .is_some_and(|code| codes.contains(&code))
}

/// Removes a folder with all that is in it, read-only files as well.
///
/// # Errors
/// The system's.
pub fn remove_folder(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        // Windows before 1809 refuses to remove what is read-only.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            make_writable(folder);
            std::fs::remove_dir_all(folder)
        }
        removed => removed,
    }
}

/// Lets the files of a folder be removed. What cannot be changed is seen when it is removed.
fn make_writable(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        // Of a link itself.
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        if metadata.is_dir() {
            make_writable(&entry.path());
        }
        let mut permissions = metadata.permissions();
        if permissions.readonly() && !metadata.is_symlink() {
            permissions.set_readonly(false);
            let _ = std::fs::set_permissions(entry.path(), permissions);
        }
    }
}

/// Whether two names mean the same file of a folder.
pub fn is_same_name(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
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
    // Of a volume that the mount manager does not know, as that of a shadow copy, Windows tells no
    // final path.
    const NOT_TOLD: [u32; 3] = [
        ERROR_INVALID_FUNCTION,
        ERROR_PATH_NOT_FOUND,
        ERROR_UNRECOGNIZED_VOLUME,
    ];
    match dunce::canonicalize(path) {
        Err(error) => match error.raw_os_error().map(|code| code as u32) {
            // Wine knows no final path of more than 260 characters: then it is the path as named.
            Some(ERROR_MORE_DATA) => system::verbatim(path),
            Some(code) if NOT_TOLD.contains(&code) && Identity::at(path).is_ok() => {
                std::path::absolute(path)
            }
            _ => Err(error),
        },
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
