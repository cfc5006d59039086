//! Folders for copies that are looked at and thrown away. They hold secrets: mode 0700, removed
//! when the work ends, however it ends; what a process that was killed left is removed by the next
//! one.

use std::fs::{DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::{FlockOperation, flock};

use crate::error::{Error, Result};
use crate::leftover::{self, Leftover};

/// What the names of scratch folders begin with.
const PREFIX: &str = "dsbackup-scratch-";

/// A folder of this process, locked while the value lives, then removed.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    _leftover: Leftover,
    /// `None` once the folder has another name.
    lock: Option<File>,
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
        DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(Error::io("make the scratch folder", &path))?;
        let lock = lock(&path, FlockOperation::NonBlockingLockExclusive)?;
        drop(all);
        Ok(Self {
            _leftover: leftover,
            lock: Some(lock),
            path,
        })
    }

    /// Gives the folder another name, under which it stays, and returns its lock.
    ///
    /// # Errors
    /// Fails if the folder cannot be renamed; it is then removed.
    pub(crate) fn rename(mut self, path: &Path) -> Result<File> {
        std::fs::rename(&self.path, path)
            .map_err(Error::io("rename the scratch folder to", path))?;
        let lock = self.lock.take();
        Ok(lock.expect("the lock is taken only here, where the value ends"))
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
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            tracing::warn!(
                %error,
                folder = %self.path.display(),
                "the scratch folder, which holds secrets, cannot be removed"
            );
        }
    }
}

/// Where scratch folders are made unless the user names a place: systemd's cache folder where it
/// gives one, root's in /var/cache, another user's in the cache of that user.
pub fn default_parent() -> PathBuf {
    let folder = |variable: &str| {
        let value = std::env::var_os(variable).map(PathBuf::from);
        value.filter(|path| path.is_absolute())
    };
    if let Some(cache) = folder("CACHE_DIRECTORY") {
        return cache;
    }
    if rustix::process::geteuid().is_root() {
        return "/var/cache/dsbackup".into();
    }
    let cache = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")));
    // A user without a home: a folder that survives what /tmp may not have room for.
    let cache = cache.unwrap_or_else(|| {
        let user = rustix::process::geteuid().as_raw();
        format!("/var/tmp/dsbackup-{user}").into()
    });
    cache.join("dsbackup")
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
/// Fails if others could replace files in `parent`, or if a folder cannot be made or removed.
pub(crate) fn tidied(parent: &Path) -> Result<File> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(parent)
        .map_err(Error::io("make the scratch folder", parent))?;
    files::check_trusted(parent, None)
        .map_err(|untrusted| Error::Refused(untrusted.to_string()))?;
    let all = lock(parent, FlockOperation::LockExclusive)?;
    remove_stale(parent)?;
    Ok(all)
}

/// Opens and locks a folder.
pub(crate) fn lock(folder: &Path, operation: FlockOperation) -> Result<File> {
    let file = File::open(folder).map_err(Error::io("open the scratch folder", folder))?;
    relock(&file, operation).map_err(Error::io("lock the scratch folder", folder))?;
    Ok(file)
}

/// Changes the lock of an open folder.
pub(crate) fn relock(folder: &File, operation: FlockOperation) -> std::io::Result<()> {
    Ok(flock(folder, operation)?)
}

/// Removes the scratch folders of processes that were killed.
fn remove_stale(parent: &Path) -> Result<()> {
    let list = |error| Error::io("list the folder", parent)(error);
    let own = rustix::process::geteuid().as_raw();
    for entry in std::fs::read_dir(parent).map_err(list)? {
        let entry = entry.map_err(list)?;
        let is_scratch = (entry.file_name().to_str()).is_some_and(|name| name.starts_with(PREFIX));
        let metadata = entry.metadata();
        if !is_scratch || !metadata.is_ok_and(|found| found.is_dir() && found.uid() == own) {
            continue;
        }
        let path = entry.path();
        if lock(&path, FlockOperation::NonBlockingLockExclusive).is_ok() {
            tracing::warn!(folder = %path.display(), "removing what an earlier run left behind");
            std::fs::remove_dir_all(&path)
                .map_err(Error::io("remove a stale scratch folder", &path))?;
        }
    }
    Ok(())
}
