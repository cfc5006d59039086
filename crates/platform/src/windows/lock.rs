//! Locks on folders. Windows has none, so each folder has a file in the folder `dsbackup\locks` of
//! all users (`%ProgramData%`), named after its volume and number: the lock follows the folder when
//! it is renamed, and ends with the process. It binds the processes of this computer.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Result};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::file::Identity;

/// A folder that is locked until the value is dropped.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
    /// The file, which the only holder of a lock removes.
    own: Option<PathBuf>,
}

/// How long a file that was removed may be seen until its last holder has closed it.
const VANISHING: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Wait,
    Exclusive,
    Shared,
}

impl FolderLock {
    /// Locks a folder for this process alone, and waits for others to release it.
    ///
    /// # Errors
    /// The system's, for example if there is no folder.
    pub fn wait(folder: &Path) -> Result<Self> {
        loop {
            if let Some(lock) = Self::acquire(folder, Kind::Wait)? {
                return Ok(lock);
            }
        }
    }

    /// Locks a folder for this process alone. `None` while another one holds it.
    ///
    /// # Errors
    /// The system's, for example if there is no folder.
    pub fn exclusive(folder: &Path) -> Result<Option<Self>> {
        Self::acquire(folder, Kind::Exclusive)
    }

    /// Locks a folder against exclusive locks. `None` while another process holds one.
    ///
    /// # Errors
    /// The system's, for example if there is no folder.
    pub fn shared(folder: &Path) -> Result<Option<Self>> {
        Self::acquire(folder, Kind::Shared)
    }

    fn acquire(folder: &Path, kind: Kind) -> Result<Option<Self>> {
        let path = file_of(folder)?;
        let mut refused: Option<Instant> = None;
        loop {
            let file = match open(&path) {
                Ok(file) => {
                    refused = None;
                    file
                }
                // It is about to vanish, since its last holder ends; or nobody of this account may use it.
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                    if refused.get_or_insert_with(Instant::now).elapsed() > VANISHING {
                        return Err(error);
                    }
                    std::thread::sleep(VANISHING / 200);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let locked = match kind {
                Kind::Wait => file.lock().map_err(TryLockError::Error),
                Kind::Exclusive => file.try_lock(),
                Kind::Shared => file.try_lock_shared(),
            };
            match locked {
                Err(TryLockError::WouldBlock) => return Ok(None),
                Err(TryLockError::Error(error)) => return Err(error),
                // One that its holder removed meanwhile locks nothing.
                Ok(()) if !is_at(&file, &path) => {}
                Ok(()) => {
                    return Ok(Some(Self {
                        _file: file,
                        own: (kind != Kind::Shared).then_some(path),
                    }));
                }
            }
        }
    }
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        if let Some(path) = &self.own {
            // An empty file that stays is harmless, and taken by the next process.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// The file that stands for a folder.
fn file_of(folder: &Path) -> Result<PathBuf> {
    if !folder.metadata()?.is_dir() {
        return Err(ErrorKind::NotADirectory.into());
    }
    let identity = Identity::at(folder)?;
    let all_users = std::env::var_os("ProgramData").map(PathBuf::from);
    let all_users = all_users.filter(|path| path.is_absolute());
    let locks = all_users
        .unwrap_or_else(std::env::temp_dir)
        .join("dsbackup")
        .join("locks");
    // Not private: processes of other users lock the same folders.
    std::fs::create_dir_all(&locks)?;
    Ok(locks.join(format!("{:08x}-{:016x}", identity.disk, identity.number)))
}

/// Opens the file, and makes it where it is missing. `PermissionDenied` also while it is being removed.
fn open(path: &Path) -> Result<File> {
    loop {
        let opened = match File::open(path) {
            // The file of another user can be read only, which is enough to lock it.
            Err(error) if error.kind() == ErrorKind::NotFound => File::options()
                .read(true)
                .write(true)
                .create_new(true)
                .open(path),
            opened => opened,
        };
        match opened {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            opened => return opened,
        }
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    match (Identity::of(file), Identity::at(path)) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}
