//! Exclusive use of folders ([`platform::lock`]). The lock of a process that dies is released.

use std::path::{Path, PathBuf};

use contract::{Error, Result, ResultCode};
use platform::file::Identity;

/// Folders that are locked until the value is dropped.
#[derive(Debug)]
pub struct FolderLock {
    _folders: Vec<platform::lock::FolderLock>,
}

impl FolderLock {
    /// Locks existing folders. Repeated folders are allowed.
    ///
    /// # Errors
    /// `hrDatabaseInUse` with the folder that another process holds; `hrInvalidPath` for one that
    /// cannot be opened.
    pub fn acquire<P: AsRef<Path>>(folders: &[P]) -> Result<Self> {
        let mut held = Vec::new();
        let mut identities = Vec::new();
        for folder in folders {
            let folder = folder.as_ref();
            let identity = Identity::at(folder).map_err(failed(folder, "open"))?;
            if identities.contains(&identity) {
                continue;
            }
            held.push(lock(folder)?);
            identities.push(identity);
        }
        Ok(Self { _folders: held })
    }
}

fn lock(folder: &Path) -> Result<platform::lock::FolderLock> {
    let locked = platform::lock::FolderLock::exclusive(folder).map_err(failed(folder, "lock"))?;
    locked.ok_or_else(|| {
        Error::new(
            ResultCode::DATABASE_IN_USE,
            format!(
                "{}: the folder is in use by another dsbackup process; stop it first",
                folder.display()
            ),
        )
    })
}

fn failed(folder: &Path, action: &str) -> impl FnOnce(std::io::Error) -> Error {
    move |error| {
        Error::new(
            ResultCode::INVALID_PATH,
            format!("{}: cannot {action} the folder: {error}", folder.display()),
        )
    }
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
