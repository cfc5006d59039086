//! Exclusive use of folders through an advisory lock (flock) on the folders themselves. There is no
//! lock file, and the lock of a process that dies is released.

use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use contract::{Error, Result, ResultCode};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// Folders that are locked until the value is dropped.
#[derive(Debug)]
pub struct FolderLock {
    _folders: Vec<File>,
}

impl FolderLock {
    /// Locks existing folders. Repeated folders are allowed.
    ///
    /// # Errors
    /// `hrDatabaseInUse` with the folder that another process holds; `hrInvalidPath` for one that
    /// cannot be opened.
    pub fn acquire<P: AsRef<Path>>(folders: &[P]) -> Result<Self> {
        let mut held: Vec<File> = Vec::new();
        let mut identities: Vec<(u64, u64)> = Vec::new();
        for folder in folders {
            let folder = folder.as_ref();
            let (file, identity) = open_folder(folder).map_err(|error| {
                Error::new(
                    ResultCode::INVALID_PATH,
                    format!("{}: cannot open the folder: {error}", folder.display()),
                )
            })?;
            if identities.contains(&identity) {
                continue;
            }
            lock(&file, folder)?;
            identities.push(identity);
            held.push(file);
        }
        Ok(Self { _folders: held })
    }
}

fn open_folder(folder: &Path) -> std::io::Result<(File, (u64, u64))> {
    let file = File::open(folder)?;
    let metadata = file.metadata()?;
    if !metadata.is_dir() {
        return Err(std::io::ErrorKind::NotADirectory.into());
    }
    Ok((file, (metadata.dev(), metadata.ino())))
}

fn lock(file: &File, folder: &Path) -> Result<()> {
    flock(file, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
        Errno::WOULDBLOCK => Error::new(
            ResultCode::DATABASE_IN_USE,
            format!(
                "{}: the folder is in use by another dsbackup process; stop it first",
                folder.display()
            ),
        ),
        error => Error::new(
            ResultCode::INVALID_PATH,
            format!("{}: cannot lock the folder: {error}", folder.display()),
        ),
    })
}

/// Up to three folders of a directory, without duplicates.
pub fn distinct(folders: [&Path; 3]) -> Vec<PathBuf> {
    let mut distinct: Vec<PathBuf> = Vec::new();
    for folder in folders {
        if !distinct.iter().any(|known| known == folder) {
            distinct.push(folder.to_path_buf());
        }
    }
    distinct
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_user_is_refused_and_told_the_folder() {
        let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let lock = FolderLock::acquire(&[first.path(), second.path(), first.path()]).unwrap();
        let error = FolderLock::acquire(&[second.path()]).unwrap_err();
        assert_eq!(error.code, ResultCode::DATABASE_IN_USE);
        assert!(error.reason.contains(second.path().to_str().unwrap()));
        drop(lock);
        FolderLock::acquire(&[second.path()]).unwrap();
        assert_eq!(std::fs::read_dir(first.path()).unwrap().count(), 0);
    }
}
