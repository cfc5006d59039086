//! Folders for copies that are looked at and thrown away. They hold secrets: private, removed
//! when the work ends, however it ends; what a process that was killed left is removed by the next
//! one.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use platform::file::is_in_use;
use platform::lock::FolderLock;
use platform::{access, private};

use crate::error::{Error, Result};
use crate::leftover::{self, Leftover};

/// What the names of scratch folders begin with.
const PREFIX: &str = "dsbackup-scratch-";
/// How long a folder whose files were just written may be in use by others, such as a virus scanner.
const IN_USE: Duration = Duration::from_secs(15);

/// A folder of this process, locked while the value lives, then removed.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    _leftover: Leftover,
    /// `None` once the folder has another name.
    lock: Option<FolderLock>,
}

impl Scratch {
    /// Makes a folder within `parent`, which is made too where it is missing, and removes those
    /// that nobody holds any more.
    ///
    /// # Errors
    /// When others could replace what is in `parent`, or the folder cannot be made.
    pub fn within(parent: &Path) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        // Between its making and its lock nobody may take a folder for a stale one.
        let all = tidied(parent)?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = parent.join(format!("{PREFIX}{}-{number}", std::process::id()));
        let leftover = Leftover::folder(&path);
        private::make_folder(&path).map_err(Error::io("make the scratch folder", &path))?;
        let lock =
            FolderLock::exclusive(&path).map_err(Error::io("lock the scratch folder", &path))?;
        drop(all);
        Ok(Self {
            _leftover: leftover,
            lock,
            path,
        })
    }

    /// Gives the folder another name, under which it stays, and releases its lock. Signals are heeded
    /// before and after.
    ///
    /// # Errors
    /// Fails if the folder cannot be renamed; it is then removed.
    pub(crate) fn rename(mut self, path: &Path) -> Result<()> {
        let begin = Instant::now();
        loop {
            let renamed = {
                let _writing = leftover::writing();
                std::fs::rename(&self.path, path)
            };
            match renamed {
                Err(error) if is_in_use(&error) && begin.elapsed() < IN_USE => {
                    std::thread::sleep(IN_USE / 100);
                }
                renamed => {
                    renamed.map_err(Error::io("rename the scratch folder to", path))?;
                    self.lock = None;
                    return Ok(());
                }
            }
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        leftover::wait_if_stopping();
        if self.lock.is_none() {
            return;
        }
        if let Err(error) = platform::file::remove_folder(&self.path) {
            tracing::warn!(
                %error,
                folder = %self.path.display(),
                "the scratch folder, which holds secrets, cannot be removed"
            );
        }
    }
}

/// Where scratch folders are made unless the user names a place.
pub fn default_parent() -> PathBuf {
    platform::process::cache_folder()
}

/// Makes the folder `parent` where it is missing, for files of this process without a name.
///
/// # Errors
/// Fails if others could replace files in it, or if it cannot be made.
pub fn folder(parent: &Path) -> Result<PathBuf> {
    tidied(parent)?;
    Ok(parent.to_path_buf())
}

/// Makes the folder `parent` where it is missing, and removes the scratch folders in it that nobody
/// holds any more. Until the returned lock is dropped, no other process makes or removes folders.
///
/// # Errors
/// Fails if others could replace files in `parent`, or if a folder cannot be made.
pub(crate) fn tidied(parent: &Path) -> Result<FolderLock> {
    private::make_folders(parent).map_err(Error::io("make the scratch folder", parent))?;
    files::check_trusted(parent, files::Owner::Own)
        .map_err(|untrusted| Error::Refused(untrusted.to_string()))?;
    let all = FolderLock::wait(parent).map_err(Error::io("lock the scratch folder", parent))?;
    remove_stale(parent)?;
    Ok(all)
}

/// Removes the scratch folders of processes that were killed.
fn remove_stale(parent: &Path) -> Result<()> {
    let list = |error| Error::io("list the folder", parent)(error);
    for entry in std::fs::read_dir(parent).map_err(list)? {
        let entry = entry.map_err(list)?;
        let is_scratch = (entry.file_name().to_str()).is_some_and(|name| name.starts_with(PREFIX));
        let path = entry.path();
        let is_own = || access::of_entry(&path).is_ok_and(|access| access.owner_is_trusted);
        if !is_scratch || !entry.metadata().is_ok_and(|found| found.is_dir()) || !is_own() {
            continue;
        }
        if matches!(FolderLock::exclusive(&path), Ok(Some(_))) {
            tracing::warn!(folder = %path.display(), "removing what an earlier run left behind");
            // A tool that outlives its backup may still hold files open; the next run tries again.
            if let Err(error) = platform::file::remove_folder(&path) {
                tracing::warn!(
                    %error,
                    folder = %path.display(),
                    "a stale scratch folder, which holds secrets, cannot be removed"
                );
            }
        }
    }
    Ok(())
}
