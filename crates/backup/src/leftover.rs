//! Incomplete copies of a directory.
//!
//! A copy holds every secret of a company, so an incomplete one must not stay. Whoever begins a copy
//! registers it ([`Leftover`]). A program that handles signals calls [`remove_all`] in a thread of
//! its own before it ends: that waits for the write that is under way, and removes the registered
//! copies.
//!
//! The register belongs to the process, not to a caller, for three reasons: a signal ends the whole
//! process, so its handler needs the copies of all callers; the handler must stop the writes of all
//! threads before it removes anything; and [`remove_all`] never returns control to them. A register
//! that callers pass along would have to be joined to one of the process again, and a caller that
//! forgot it would leave secrets behind. A program that calls [`remove_all`] must therefore end
//! afterwards; one that never calls it loses nothing by the register.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard};

use platform::private;

use crate::error::{Error, Result};

/// Set while `LEFTOVERS` is locked.
static STOPPING: AtomicBool = AtomicBool::new(false);
/// Whether the copy that the program makes is complete. Set while `LEFTOVERS` is locked.
static FINISHED: AtomicBool = AtomicBool::new(false);
/// Read by who writes into what may have to be removed, written by who removes it.
static WRITING: RwLock<()> = RwLock::new(());
static LEFTOVERS: Mutex<BTreeMap<u64, What>> = Mutex::new(BTreeMap::new());
static NEXT: AtomicU64 = AtomicU64::new(0);

/// What is removed.
#[derive(Debug, Clone)]
enum What {
    /// The folder with all that is in it.
    Folder(PathBuf),
    /// What is in the folder, but for these names.
    Content(PathBuf, BTreeSet<OsString>),
    /// These files.
    Files(Vec<PathBuf>),
}

/// A copy that is removed if the process is ended before this value is dropped.
#[derive(Debug)]
pub struct Leftover(u64);

impl Leftover {
    /// A folder that this process made.
    pub fn folder(path: &Path) -> Self {
        Self::of(What::Folder(path.to_path_buf()))
    }

    /// Makes a folder that is not there yet, with its parents. [`remove_all`] comes before or after
    /// both, never between the folder and the knowledge of it.
    ///
    /// # Errors
    /// When the folder cannot be made, or another process makes it first.
    pub fn make_folder(path: &Path) -> Result<Self> {
        let failed = |error| Error::io("create the folder", path)(error);
        if let Some(parent) = path.parent() {
            private::make_folders(parent).map_err(failed)?;
        }
        let _writing = writing();
        private::make_folder(path).map_err(failed)?;
        Ok(Self::folder(path))
    }

    /// What this process will put into a folder beside what is there already.
    ///
    /// # Errors
    /// When the folder cannot be listed.
    pub fn content(path: &Path) -> Result<Self> {
        let list = |error| Error::io("list the folder", path)(error);
        let names = (std::fs::read_dir(path).map_err(list)?)
            .map(|entry| Ok(entry.map_err(list)?.file_name()))
            .collect::<Result<_>>()?;
        Ok(Self::of(What::Content(path.to_path_buf(), names)))
    }

    /// Files that this process writes.
    pub fn files(paths: Vec<PathBuf>) -> Self {
        Self::of(What::Files(paths))
    }

    /// The copy is complete and stays. The program, which has only its result to tell, ends by
    /// itself: until it begins another copy, [`remove_all`] comes too late.
    pub fn finished(self) {
        {
            let mut leftovers = leftovers();
            if !STOPPING.load(Ordering::SeqCst) {
                FINISHED.store(true, Ordering::SeqCst);
                leftovers.remove(&self.0);
            }
        }
        wait_if_stopping();
    }

    fn of(what: What) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut leftovers = leftovers();
        FINISHED.store(false, Ordering::SeqCst);
        leftovers.insert(number, what);
        Self(number)
    }
}

impl Drop for Leftover {
    fn drop(&mut self) {
        // While they are being removed, nobody goes on as if they were not.
        wait_if_stopping();
        leftovers().remove(&self.0);
    }
}

/// Held while something is written: [`remove_all`] waits for its end. Once that was called, this
/// does not return.
pub fn writing() -> RwLockReadGuard<'static, ()> {
    let guard = WRITING.read().unwrap_or_else(PoisonError::into_inner);
    if STOPPING.load(Ordering::SeqCst) {
        drop(guard);
        platform::process::halt_thread();
    }
    guard
}

/// Once [`remove_all`] was called, waits for the end of the process.
pub fn wait_if_stopping() {
    while STOPPING.load(Ordering::SeqCst) {
        std::thread::park();
    }
}

fn leftovers() -> MutexGuard<'static, BTreeMap<u64, What>> {
    LEFTOVERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes all copies that are not complete, once the write that is under way has ended, and
/// returns what could not be removed, in words. From here on no other thread of the program begins
/// a write or a copy: the caller ends the process. `None` if the program is about to end by itself.
pub fn remove_all() -> Option<Vec<String>> {
    {
        let _leftovers = leftovers();
        if FINISHED.load(Ordering::SeqCst) {
            return None;
        }
        STOPPING.store(true, Ordering::SeqCst);
    }
    let _nobody_writes = WRITING.write().unwrap_or_else(PoisonError::into_inner);
    samba::stop_tools();
    platform::process::end_bound();
    Some(leftovers().values().filter_map(remove).collect())
}

/// Removes what is left; a recovery that is under way may still make files for a moment.
fn remove(what: &What) -> Option<String> {
    let mut removed = Ok(());
    for _ in 0..100 {
        removed = match what {
            What::Folder(folder) => platform::file::remove_folder(folder),
            What::Content(folder, spared) => remove_content(folder, spared),
            What::Files(paths) => paths.iter().try_for_each(|path| remove_file(path)),
        };
        match &removed {
            Ok(()) => return None,
            Err(error) if error.kind() == ErrorKind::NotFound => return None,
            Err(_) => std::thread::sleep(std::time::Duration::from_millis(20)),
        }
    }
    let place = match what {
        What::Folder(folder) | What::Content(folder, _) => folder.display(),
        What::Files(paths) => paths.first().map_or(Path::new(""), |path| path).display(),
    };
    removed.err().map(|error| {
        format!(
            "{place}: a copy of a directory, which holds its secrets, cannot be removed: {error}; \
             remove it by hand"
        )
    })
}

fn remove_file(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Removes everything but `spared`. Fails if anything was there: a file may be renamed while the
/// folder is listed, so only a folder that is found empty is known to be.
fn remove_content(folder: &Path, spared: &BTreeSet<OsString>) -> std::io::Result<()> {
    let mut found = false;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if spared.contains(&entry.file_name()) {
            continue;
        }
        found = true;
        let removed = match entry.file_type() {
            Ok(kind) if kind.is_dir() => std::fs::remove_dir_all(entry.path()),
            Ok(_) => std::fs::remove_file(entry.path()),
            Err(error) => Err(error),
        };
        match removed {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    match found {
        false => Ok(()),
        true => Err(ErrorKind::DirectoryNotEmpty.into()),
    }
}
