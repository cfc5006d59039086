//! Locks on folders. There is no lock file: the lock is on the folder itself (flock), follows it when
//! it is renamed, and ends with the process.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Result};
use std::path::Path;

/// A folder that is locked until the value is dropped.
#[derive(Debug)]
pub struct FolderLock {
    folder: File,
}

impl Drop for FolderLock {
    fn drop(&mut self) {
        // To close it is not enough: a child that another thread has just started has all open files from
        // its birth to its exec, and with them the lock. If this fails, the lock ends with those.
        let _ = self.folder.unlock();
    }
}

impl FolderLock {
    /// Locks a folder for this process alone, and waits for others to release it.
    ///
    /// # Errors
    /// The system's, for example if there is no folder.
    pub fn wait(folder: &Path) -> Result<Self> {
        let file = open(folder)?;
        file.lock()?;
        Ok(Self { folder: file })
    }

    /// Locks a folder for this process alone. `None` while another one holds it.
    ///
    /// # Errors
    /// The system's, for example if there is no folder.
    pub fn exclusive(folder: &Path) -> Result<Option<Self>> {
        let file = open(folder)?;
        let locked = file.try_lock();
        unless_held(file, locked)
    }

    /// Locks a folder against exclusive locks. `None` while another process holds one.
    ///
    /// # Errors
    /// The system's, for example if there is no folder.
    pub fn shared(folder: &Path) -> Result<Option<Self>> {
        let file = open(folder)?;
        let locked = file.try_lock_shared();
        unless_held(file, locked)
    }
}

fn open(folder: &Path) -> Result<File> {
    let file = File::open(folder)?;
    match file.metadata()?.is_dir() {
        true => Ok(file),
        false => Err(ErrorKind::NotADirectory.into()),
    }
}

fn unless_held(
    file: File,
    locked: std::result::Result<(), TryLockError>,
) -> Result<Option<FolderLock>> {
    match locked {
        Ok(()) => Ok(Some(FolderLock { folder: file })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
