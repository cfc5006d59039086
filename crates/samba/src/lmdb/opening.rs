//! Opening a database within a time limit.
//!
//! LMDB's library waits without a limit for two locks: the first byte of the lock file, held by the
//! process that creates the file, and the mutex of the reader table, held while a slot is taken.
//! Both are held for microseconds. But a process that is stopped in between (SIGSTOP, a debugger, a
//! frozen cgroup) holds them until it continues. A process that ends releases them.
//!
//! The library offers no way to cancel the wait. Therefore it runs on a thread of its own, and only
//! the wait for this thread is limited. The thread ends as soon as the lock is free. Until then
//! nobody else tries, so there is at most one such thread per database. A process must not open a
//! database twice anyway: closing one would release the locks of the other.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use super::library::{Library, RawEnvironment, RawTransaction};
use crate::error::{Error, Result};
use crate::lock;
use crate::process::Process;

/// The number of processes that an error lists.
const NAMED: usize = 8;

/// The databases that are being opened.
static BEING_OPENED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

fn being_opened() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    BEING_OPENED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Opens a database and takes a slot in its reader table. The returned transaction is reset.
///
/// # Errors
/// [`Error::Stuck`] if the limit passes, or an earlier attempt still waits; [`Error::Tool`] for an
/// error of LMDB's library.
pub(super) fn open(library: &Arc<Library>, path: &Path, limit: Duration) -> Result<RawTransaction> {
    if !being_opened().insert(path.to_path_buf()) {
        return Err(stuck(path, "since an earlier attempt".to_owned()));
    }
    let (send, receive) = mpsc::sync_channel(1);
    let (thread_library, thread_path) = (library.clone(), path.to_path_buf());
    let started = std::thread::Builder::new()
        .name("lmdb-open".to_owned())
        .spawn(move || {
            let opened = begin(thread_library, &thread_path);
            let mut being_opened = being_opened();
            // If the wait has ended, this closes the database before another attempt may begin.
            drop(send.send(opened));
            being_opened.remove(&thread_path);
        });
    if let Err(error) = started {
        being_opened().remove(path);
        return Err(Error::io("start a thread to open it", path)(error));
    }
    if let Ok(opened) = receive.recv_timeout(limit) {
        return opened;
    }
    let _no_end_meanwhile = being_opened();
    match receive.try_recv() {
        Ok(opened) => opened,
        Err(_) => {
            drop(receive);
            Err(stuck(path, format!("for {} ms", limit.as_millis())))
        }
    }
}

fn begin(library: Arc<Library>, path: &Path) -> Result<RawTransaction> {
    let environment = Arc::new(RawEnvironment::open(library, path)?);
    let mut transaction = environment.begin()?;
    transaction.reset();
    Ok(transaction)
}

fn stuck(path: &Path, waited: String) -> Error {
    Error::Stuck {
        path: path.to_path_buf(),
        waited,
        who: who(path),
    }
}

/// The processes that may hold the locks, and the next step. Each reader or writer of the database
/// holds a lock on a byte of its own in the lock file.
fn who(path: &Path) -> String {
    let mut lock_file = path.as_os_str().to_owned();
    lock_file.push("-lock");
    let processes: Vec<Process> = lock::holders(Path::new(&lock_file))
        .into_iter()
        .filter(|pid| *pid != std::process::id())
        .filter_map(Process::look)
        .collect();
    let names = |stopped_only: bool| -> Vec<String> {
        processes
            .iter()
            .filter(|process| process.is_stopped() || !stopped_only)
            .take(NAMED)
            .map(|process| format!("{} ({})", process.pid, process.name))
            .collect()
    };
    let stopped = names(true);
    if !stopped.is_empty() {
        return format!(
            "these processes have it open and are stopped: {}; let them go on (kill -CONT) or end \
             them",
            stopped.join(", ")
        );
    }
    match names(false) {
        all if all.is_empty() => {
            format!("find who has {} open (fuser)", lock_file.display())
        }
        all => format!(
            "these processes have it open: {}; see which of them hangs, and end it",
            all.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Child, Command, Stdio};
    use std::time::Instant;

    use super::super::Environment;
    use super::*;

    const SHORT: Duration = Duration::from_millis(300);
    const LONG: Duration = Duration::from_secs(20);

    /// A user of the database that stops while it holds one of LMDB's locks. It opens the database
    /// and takes a reader slot through the library; then it takes the lock as the library does, and
    /// stops.
    const STOPPED: &str = r#"
import ctypes, fcntl, mmap, os, signal, sys
path, lock = sys.argv[1:]
lmdb, libc = ctypes.CDLL("liblmdb.so.0"), ctypes.CDLL(None)
if lock == "mutex":
    env, txn = ctypes.c_void_p(), ctypes.c_void_p()
    assert lmdb.mdb_env_create(ctypes.byref(env)) == 0
    assert lmdb.mdb_env_open(env, path.encode(), 0x4000 | 0x20000, 0o600) == 0
    assert lmdb.mdb_txn_begin(env, None, 0x20000, ctypes.byref(txn)) == 0
    # After magic and format, 4 bytes each. Never closed: that would release the library's locks.
    table = mmap.mmap(os.open(path + "-lock", os.O_RDWR), 4096)
    mutex = ctypes.addressof(ctypes.c_char.from_buffer(table)) + 8
    assert libc.pthread_mutex_lock(ctypes.c_void_p(mutex)) == 0
else:
    file = os.open(path + "-lock", os.O_RDWR)
    fcntl.lockf(file, fcntl.LOCK_EX, 1, 0)
print("locked", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
"#;

    struct Stopped(Child);

    impl Stopped {
        fn holds(lock: &str, path: &Path) -> Self {
            let mut child = Command::new("python3")
                .args(["-c", STOPPED])
                .arg(path)
                .arg(lock)
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.as_mut().unwrap())
                .read_line(&mut line)
                .unwrap();
            assert_eq!(line, "locked\n");
            let deadline = Instant::now() + LONG;
            while !Process::look(child.id()).unwrap().is_stopped() {
                assert!(Instant::now() < deadline, "it does not stop");
                std::thread::sleep(Duration::from_millis(5));
            }
            Self(child)
        }
    }

    impl Drop for Stopped {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    fn threads() -> usize {
        std::fs::read_dir("/proc/self/task")
            .unwrap()
            .flatten()
            .filter(|thread| {
                std::fs::read_to_string(thread.path().join("comm"))
                    .is_ok_and(|name| name.trim() == "lmdb-open")
            })
            .count()
    }

    #[test]
    fn who_is_stopped_with_a_lock_of_lmdb_keeps_nobody_waiting_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        for lock in ["mutex", "lock file"] {
            let path = folder.path().join(lock.replace(' ', "-"));
            let Some(()) = super::super::snapshot::tests::load(
                &path,
                std::iter::once(("key".to_owned(), "value".to_owned())),
            ) else {
                return;
            };
            let open = |limit| Environment::open(&Library::load().unwrap(), &path, limit);
            let stopped = Stopped::holds(lock, &path);
            let begin = Instant::now();
            let error = open(SHORT).err().expect("it cannot be opened").to_string();
            assert!(begin.elapsed() < LONG, "{:?}", begin.elapsed());
            let who = format!("{} (python3)", stopped.0.id());
            assert!(
                error.contains(&who) && error.contains("stopped") && error.contains("300 ms"),
                "{error}"
            );

            // Another attempt neither waits nor adds a thread.
            for _ in 0..5 {
                let begin = Instant::now();
                let error = open(LONG).err().expect("it cannot be opened").to_string();
                assert!(error.contains("earlier attempt"), "{error}");
                assert!(begin.elapsed() < LONG / 2);
            }

            // Once the lock is free, the database can be opened, and no thread remains.
            drop(stopped);
            let deadline = Instant::now() + LONG;
            while let Err(error) = open(SHORT) {
                assert!(Instant::now() < deadline, "{error}");
                std::thread::sleep(Duration::from_millis(20));
            }
            drop(open(LONG).unwrap());
            while threads() > 0 {
                assert!(Instant::now() < deadline, "a thread is left");
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
}
