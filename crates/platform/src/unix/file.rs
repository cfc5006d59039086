//! Reads and writes at positions, identities, durable names.

use std::fs::{File, FileTimes, Metadata, OpenOptions};
use std::io::Result;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::io::Errno;

pub use crate::shared::Identity;

impl Identity {
    /// The identity of an open file.
    ///
    /// # Errors
    /// The system's.
    pub fn of(file: &File) -> Result<Self> {
        Ok(Self::of_metadata(&file.metadata()?))
    }

    /// The identity of the file or folder at a path. A link is followed.
    ///
    /// # Errors
    /// The system's.
    pub fn at(path: &Path) -> Result<Self> {
        Ok(Self::of_metadata(&path.metadata()?))
    }

    /// The identity of what is at a path; of a link itself.
    ///
    /// # Errors
    /// The system's.
    pub fn of_entry(path: &Path) -> Result<Self> {
        Ok(Self::of_metadata(&path.symlink_metadata()?))
    }

    fn of_metadata(metadata: &Metadata) -> Self {
        Self {
            disk: metadata.dev(),
            number: metadata.ino(),
        }
    }
}

/// Two times of a file's change in nanoseconds: of its content, and of its attributes.
pub fn changed(metadata: &Metadata) -> [i128; 2] {
    let time = |seconds: i64, part: i64| i128::from(seconds) * 1_000_000_000 + i128::from(part);
    [
        time(metadata.mtime(), metadata.mtime_nsec()),
        time(metadata.ctime(), metadata.ctime_nsec()),
    ]
}

/// Opens a file for reading. Should a pipe have its name, this waits for no writer.
///
/// # Errors
/// The system's.
pub fn open_without_waiting(path: &Path) -> Result<File> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    File::options().read(true).custom_flags(flags).open(path)
}

/// Whether a folder could not be renamed because somebody has a file in it open: never on Unix.
pub fn is_in_use(_: &std::io::Error) -> bool {
    false
}

/// Removes a folder with all that is in it.
///
/// # Errors
/// The system's.
pub fn remove_folder(folder: &Path) -> Result<()> {
    std::fs::remove_dir_all(folder)
}

/// Whether two names mean the same file of a folder.
pub fn is_same_name(one: &str, other: &str) -> bool {
    one == other
}

/// Lets opening fail where the name is a link.
pub fn refuse_links(options: &mut OpenOptions) -> &mut OpenOptions {
    options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits() as i32)
}

/// Whether an error says that this process, or the system, has too many files open.
pub fn is_too_many_open(error: &std::io::Error) -> bool {
    let codes = [Errno::MFILE, Errno::NFILE].map(Errno::raw_os_error);
    error
        .raw_os_error()
        .is_some_and(|code| codes.contains(&code))
}

/// Fills the buffer from a position on.
///
/// # Errors
/// `UnexpectedEof` at the end of the file; the system's.
pub fn read_exact_at(file: &File, buffer: &mut [u8], position: u64) -> Result<()> {
    file.read_exact_at(buffer, position)
}

/// Reads from a position on up to `length` bytes; fewer only at the end of the file.
///
/// # Errors
/// The system's.
pub fn read_at(file: &File, position: u64, length: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        let at = position.saturating_add(bytes.len() as u64);
        match rustix::io::pread(file, rustix::buffer::spare_capacity(&mut bytes), at) {
            Ok(0) => break,
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// Writes all bytes from a position on.
///
/// # Errors
/// The system's.
pub fn write_all_at(file: &File, bytes: &[u8], position: u64) -> Result<()> {
    file.write_all_at(bytes, position)
}

/// Tells the system that a file is about to be read from start to end.
pub fn announce_reading(file: &File) {
    // Only advice: without it the file system reads all the same.
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::Sequential);
}

/// The absolute path without links, `.` and `..`.
///
/// # Errors
/// The system's.
pub fn canonical(path: &Path) -> Result<PathBuf> {
    path.canonicalize()
}

/// Makes creations, renames and removals in a folder durable.
///
/// # Errors
/// The system's.
pub fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder)?.sync_all()
}

/// Sets the time of a folder's last change to now.
///
/// # Errors
/// The system's.
pub fn touch_folder(folder: &Path) -> Result<()> {
    File::open(folder)?.set_times(FileTimes::new().set_modified(SystemTime::now()))
}
