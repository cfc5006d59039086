//! SIGINT, SIGTERM and SIGHUP while copies of a directory are made.
//!
//! A copy that nobody finishes holds every secret of a company, so it does not stay behind. Whoever
//! makes one says so ([`Leftover`]). On a signal a thread of its own lets the write that is under
//! way end, removes what was said, and ends the process by that same signal. A signal that was
//! ignored when the process began, as with nohup, stays ignored.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, Once, PoisonError, RwLock, RwLockReadGuard};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::failure::{Failure, Result};

/// Set while `LEFTOVERS` is locked.
static STOPPING: AtomicBool = AtomicBool::new(false);
/// Whether the copy that the command makes is complete. Set while `LEFTOVERS` is locked.
static FINISHED: AtomicBool = AtomicBool::new(false);
/// Read by who writes into what may have to be removed, written by who removes it.
static WRITING: RwLock<()> = RwLock::new(());
static LEFTOVERS: Mutex<BTreeMap<u64, What>> = Mutex::new(BTreeMap::new());
static NEXT: AtomicU64 = AtomicU64::new(0);

/// What is removed on a signal.
#[derive(Debug, Clone)]
enum What {
    /// The folder with all that is in it.
    Folder(PathBuf),
    /// What is in the folder, but for these names.
    Content(PathBuf, BTreeSet<OsString>),
    /// These files.
    Files(Vec<PathBuf>),
}

/// A copy that is removed if a signal ends the process before this value is dropped.
#[derive(Debug)]
pub struct Leftover(u64);

impl Leftover {
    /// A folder that this process made.
    ///
    /// # Errors
    /// When the process cannot wait for signals.
    pub fn folder(path: &Path) -> Result<Self> {
        Self::of(What::Folder(path.to_path_buf()))
    }

    /// What this process will put into a folder beside what is there already.
    ///
    /// # Errors
    /// As [`folder`](Self::folder), and when the folder cannot be listed.
    pub fn content(path: &Path) -> Result<Self> {
        let list = |error| Failure::io("list the folder", path)(error);
        let names = (std::fs::read_dir(path).map_err(list)?)
            .map(|entry| Ok(entry.map_err(list)?.file_name()))
            .collect::<Result<_>>()?;
        Self::of(What::Content(path.to_path_buf(), names))
    }

    /// Files that this process writes.
    ///
    /// # Errors
    /// As [`folder`](Self::folder).
    pub fn files(paths: Vec<PathBuf>) -> Result<Self> {
        Self::of(What::Files(paths))
    }

    /// The copy is complete and stays. The command, which has only its result to print, ends by
    /// itself: a signal that comes now is too late.
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

    fn of(what: What) -> Result<Self> {
        watch()?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        leftovers().insert(number, what);
        Ok(Self(number))
    }
}

impl Drop for Leftover {
    fn drop(&mut self) {
        // While they are being removed, nobody goes on as if they were not.
        wait_if_stopping();
        leftovers().remove(&self.0);
    }
}

/// Held while something is written: a signal waits for its end. Once a signal came, this never
/// returns.
pub fn writing() -> RwLockReadGuard<'static, ()> {
    wait_if_stopping();
    let guard = WRITING.read().unwrap_or_else(PoisonError::into_inner);
    if STOPPING.load(Ordering::SeqCst) {
        drop(guard);
        wait_if_stopping();
        unreachable!("who stops never goes on");
    }
    guard
}

/// Once a signal came, waits for the end of the process.
pub fn wait_if_stopping() {
    while STOPPING.load(Ordering::SeqCst) {
        std::thread::park();
    }
}

fn leftovers() -> std::sync::MutexGuard<'static, BTreeMap<u64, What>> {
    LEFTOVERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts to wait for signals, once.
fn watch() -> Result<()> {
    static STARTED: Once = Once::new();
    let mut failed = None;
    STARTED.call_once(|| failed = start().err());
    match failed {
        None => Ok(()),
        Some(error) => Err(Failure::io("wait for signals", "this process")(error)),
    }
}

fn start() -> std::io::Result<()> {
    let ignored = ignored_signals();
    let heeded = [SIGHUP, SIGINT, SIGTERM].into_iter();
    let heeded: Vec<i32> = heeded
        .filter(|signal| ignored & (1 << (signal - 1)) == 0)
        .collect();
    let mut signals = Signals::new(heeded)?;
    let wait = move || {
        for signal in signals.forever() {
            stop(signal);
        }
    };
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(wait)
        .map(drop)
}

/// The signals that were ignored when the process began, bit 0 for signal 1.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0)
}

/// Ends the process, unless it is about to end by itself.
fn stop(signal: i32) {
    {
        let _leftovers = leftovers();
        if FINISHED.load(Ordering::SeqCst) {
            return;
        }
        STOPPING.store(true, Ordering::SeqCst);
    }
    let _nobody_writes = WRITING.write().unwrap_or_else(PoisonError::into_inner);
    samba::stop_tools();
    for what in leftovers().values() {
        remove(what);
    }
    // Whoever started this process, such as a shell, learns that it ended by the signal.
    let _ = signal_hook::low_level::emulate_default_handler(signal);
    std::process::exit(128 + signal)
}

/// Removes what is left; a recovery that is under way may still make files for a moment.
fn remove(what: &What) {
    let mut removed = Ok(());
    for _ in 0..100 {
        removed = match what {
            What::Folder(folder) => std::fs::remove_dir_all(folder),
            What::Content(folder, spared) => remove_content(folder, spared),
            What::Files(paths) => paths.iter().try_for_each(|path| remove_file(path)),
        };
        match &removed {
            Ok(()) => return,
            Err(error) if error.kind() == ErrorKind::NotFound => return,
            Err(_) => std::thread::sleep(std::time::Duration::from_millis(20)),
        }
    }
    if let Err(error) = removed {
        let place = match what {
            What::Folder(folder) | What::Content(folder, _) => folder.display(),
            What::Files(paths) => paths.first().map_or(Path::new(""), |path| path).display(),
        };
        eprintln!(
            "warning: {place}: a copy of a directory, which holds its secrets, cannot be removed: \
             {error}; remove it by hand"
        );
    }
}

fn remove_file(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn remove_content(folder: &Path, spared: &BTreeSet<OsString>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if spared.contains(&entry.file_name()) {
            continue;
        }
        match entry.file_type()?.is_dir() {
            true => std::fs::remove_dir_all(entry.path())?,
            false => std::fs::remove_file(entry.path())?,
        }
    }
    Ok(())
}
