//! Copies of snapshots that are read repeatedly.
//!
//! They hold secrets: folders are private, are removed a while after their last use, and take a
//! bounded number of bytes. A copy is made in a scratch folder and renamed when it is complete, so
//! that a killed process leaves only a scratch folder, which the next one removes.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use platform::access;
use platform::lock::FolderLock;

use crate::error::{Error, Result};
use crate::scratch::{self, Scratch};

/// The beginning of the names of copies; the snapshot's id follows.
const PREFIX: &str = "dsbackup-view-";

/// The folder of the copies, and how long they stay.
#[derive(Debug, Clone)]
pub struct Cache {
    /// The folder in which copies are made.
    pub folder: PathBuf,
    /// `None` if each copy is removed after its use.
    pub limits: Option<Limits>,
}

/// The bounds of the copies that are not in use. The one used longest ago goes first.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of all copies.
    pub bytes: u64,
    /// Time since the last use.
    pub age: Duration,
}

impl Default for Limits {
    /// 16 GiB, and a day.
    fn default() -> Self {
        Self {
            bytes: 16 << 30,
            age: Duration::from_secs(24 * 60 * 60),
        }
    }
}

/// A complete copy, locked against removal while the value lives.
#[derive(Debug)]
pub enum Copy {
    /// In the cache.
    Kept {
        /// The folder.
        path: PathBuf,
        /// The shared lock on it.
        _lock: FolderLock,
    },
    /// Removed when the value is dropped.
    Once(Scratch),
}

impl Copy {
    /// The folder.
    pub fn path(&self) -> &Path {
        match self {
            Self::Kept { path, .. } => path,
            Self::Once(scratch) => scratch.path(),
        }
    }
}

impl Cache {
    /// The folder, for messages.
    pub fn place(&self) -> std::path::Display<'_> {
        self.folder.display()
    }

    /// The copy of the snapshot `id`: the one in the cache, or a new one that `make` puts into an
    /// empty folder. First removes the leftovers of killed processes and copies beyond the limits.
    ///
    /// # Errors
    /// Fails if others could replace files in the cache, if the folder cannot be made, or if `make`
    /// fails.
    pub fn copy(&self, id: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<Copy> {
        let Some(limits) = self.limits else {
            let scratch = Scratch::within(&self.folder)?;
            make(scratch.path())?;
            return Ok(Copy::Once(scratch));
        };
        let path = self.folder.join(format!("{PREFIX}{id}"));
        {
            let _all = scratch::tidied(&self.folder)?;
            if let Some(copy) = open(&path)? {
                remove_others(&self.folder, limits)?;
                return Ok(copy);
            }
            remove_others(&self.folder, limits)?;
        }
        let scratch = Scratch::within(&self.folder)?;
        make(scratch.path())?;
        let _all = scratch::tidied(&self.folder)?;
        // Another process may have made the copy meanwhile.
        let copy = match open(&path)? {
            Some(copy) => copy,
            None => {
                scratch.rename(&path)?;
                // Nobody takes a lock here meanwhile, since the cache itself is locked.
                let lock = lock_shared(&path)?;
                Copy::Kept { path, _lock: lock }
            }
        };
        remove_others(&self.folder, limits)?;
        Ok(copy)
    }
}

/// Opens a complete copy and notes its use. The cache must be locked.
fn open(path: &Path) -> Result<Option<Copy>> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("look at the copy of the snapshot", path)(error)),
        Ok(found) if !is_own(path, &found) => {
            return Err(Error::Refused(format!(
                "{}: a copy of a snapshot must be a folder of your own that others cannot read: \
                 remove it, or name another folder with --cache",
                path.display()
            )));
        }
        Ok(_) => {}
    }
    let lock = lock_shared(path)?;
    platform::file::touch_folder(path).map_err(Error::io("note the use of", path))?;
    let path = path.to_path_buf();
    Ok(Some(Copy::Kept { path, _lock: lock }))
}

fn lock_shared(path: &Path) -> Result<FolderLock> {
    let lock =
        FolderLock::shared(path).map_err(Error::io("lock the copy of the snapshot", path))?;
    lock.ok_or_else(|| {
        let is_held = std::io::ErrorKind::WouldBlock.into();
        Error::io("lock the copy of the snapshot", path)(is_held)
    })
}

fn is_own(path: &Path, found: &Metadata) -> bool {
    found.is_dir() && access::of_entry(path).is_ok_and(|access| access.is_private)
}

/// Removes copies that are not in use: too old ones, then those used longest ago until the others
/// are within the limit. The cache must be locked.
fn remove_others(folder: &Path, limits: Limits) -> Result<()> {
    let list = |error| Error::io("list the folder", folder)(error);
    let mut copies = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(list)? {
        let entry = entry.map_err(list)?;
        let is_copy = (entry.file_name().to_str()).is_some_and(|name| name.starts_with(PREFIX));
        if let Ok(found) = entry.metadata()
            && is_copy
            && is_own(&entry.path(), &found)
        {
            let used = found.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            copies.push((used, entry.path(), size_of(&entry.path())));
        }
    }
    copies.sort();
    let mut bytes: u64 = copies.iter().map(|(_, _, size)| size).sum();
    let now = SystemTime::now();
    for (used, path, size) in copies {
        let age = now.duration_since(used).unwrap_or_default();
        let is_too_much = age > limits.age || bytes > limits.bytes;
        if is_too_much && matches!(FolderLock::exclusive(&path), Ok(Some(_))) {
            std::fs::remove_dir_all(&path)
                .map_err(Error::io("remove the copy of a snapshot", &path))?;
            bytes -= size;
        }
    }
    Ok(())
}

/// The bytes of the files in a folder and in those beneath it.
fn size_of(folder: &Path) -> u64 {
    let mut bytes = 0;
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(found) if found.is_dir() => folders.push(entry.path()),
                Ok(found) => bytes += found.len(),
                Err(_) => {}
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use std::fs::{File, FileTimes};
    use std::os::unix::fs::MetadataExt;

    use super::*;

    fn cache(folder: &Path, bytes: u64, seconds: u64) -> Cache {
        Cache {
            folder: folder.to_path_buf(),
            limits: Some(Limits {
                bytes,
                age: Duration::from_secs(seconds),
            }),
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn write(folder: &Path) -> Result<()> {
        std::fs::write(folder.join("database"), [7; 1000]).unwrap();
        Ok(())
    }

    fn made_twice(_: &Path) -> Result<()> {
        panic!("the copy is in the cache")
    }

    #[test]
    fn a_copy_is_made_once_and_locked_while_it_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(folder.path(), 1, 1000);
        let first = cache.copy("a", write).unwrap();
        let again = cache.copy("a", made_twice).unwrap();
        assert_eq!(first.path(), again.path());
        let mode = first.path().metadata().unwrap().mode();
        assert_eq!(mode & 0o777, 0o700);
        // Too large, but in use.
        let other = cache.copy("b", write).unwrap();
        assert_eq!(names(folder.path()), ["dsbackup-view-a", "dsbackup-view-b"]);
        drop((first, again, other));
        let last = cache.copy("c", write).unwrap();
        assert_eq!(names(folder.path()), ["dsbackup-view-c"]);
        assert!(last.path().join("database").is_file());
    }

    #[test]
    fn the_copy_used_longest_ago_goes_first_and_old_ones_go() {
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(folder.path(), 3500, 1000);
        for (id, age) in [("a", 30), ("b", 20), ("c", 10)] {
            let copy = cache.copy(id, write).unwrap();
            let used = SystemTime::now() - Duration::from_secs(age);
            let times = FileTimes::new().set_modified(used);
            File::open(copy.path()).unwrap().set_times(times).unwrap();
        }
        // Used again, `a` is newer than `b`.
        drop(cache.copy("a", made_twice).unwrap());
        drop(cache.copy("d", write).unwrap());
        let kept = ["dsbackup-view-a", "dsbackup-view-c", "dsbackup-view-d"];
        assert_eq!(names(folder.path()), kept);
        let times = FileTimes::new().set_modified(SystemTime::UNIX_EPOCH);
        let old = folder.path().join("dsbackup-view-d");
        File::open(&old).unwrap().set_times(times).unwrap();
        drop(cache.copy("e", write).unwrap());
        assert!(!old.exists());
    }

    #[test]
    fn without_limits_nothing_stays_and_a_failed_copy_neither() {
        let folder = tempfile::tempdir().unwrap();
        let mut cache = cache(folder.path(), 1, 1);
        let failed = cache.copy("a", |folder| {
            write(folder)?;
            Err(Error::Refused("for a test".into()))
        });
        assert!(failed.is_err());
        assert!(names(folder.path()).is_empty());
        cache.limits = None;
        let copy = cache.copy("a", write).unwrap();
        assert!(copy.path().join("database").is_file());
        drop(copy);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_copy_that_others_can_read_or_replace_is_refused() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let cache = cache(folder.path(), 1, 1);
        let path = folder.path().join("dsbackup-view-a");
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(
            cache.copy("a", made_twice),
            Err(Error::Refused(_))
        ));
        symlink("/", folder.path().join("dsbackup-view-b")).unwrap();
        assert!(matches!(
            cache.copy("b", made_twice),
            Err(Error::Refused(_))
        ));
    }
}
