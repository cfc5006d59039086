//! Byte-range locks as Samba takes them, with a limit on every wait.
//!
//! Samba's databases are guarded by classic fcntl locks. Ours are open-file-description locks on
//! the same bytes: they conflict with classic ones, but belong to an open file instead of a
//! process, so another thread that opens and closes the same file does not release them. A process
//! leaves none behind, however it ends.

use std::fs::{File, OpenOptions};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::system;

/// How many wait for one lock together.
const PLACES: usize = 8;
/// The most threads of this process that wait for locks, abandoned ones included: those of a lock that
/// is never released never end.
const MOST_WAITING: usize = 64;

/// A byte range of a file, in fcntl's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first byte.
    pub start: u64,
    /// The number of bytes; 0 means up to the end of the file, wherever that will be.
    pub length: u64,
    /// The range's purpose, for messages.
    pub what: &'static str,
}

/// Whether others may hold the same lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// F_RDLCK.
    Shared,
    /// F_WRLCK.
    Exclusive,
}

/// A held lock; dropping it releases it.
#[derive(Debug)]
pub struct Held {
    file: File,
}

impl Held {
    /// Waits for a lock, at most `limit`.
    ///
    /// # Errors
    /// [`Error::Locked`] after the limit: then nothing is locked, and nothing will be.
    pub fn wait(path: &Path, range: Range, kind: Kind, limit: Duration) -> Result<Self> {
        let file = open(path)?;
        if let Some(held) = take(file, path, range, kind, false)? {
            return Ok(held);
        }
        // The kernel wakes those who wait in it; a process that polls gets no turn beside busy
        // writers. It wakes all of them, and whose processor is first gets the lock: so several
        // wait for one, who is then as often in time as that many writers. A wait in the kernel
        // has no limit, so threads do it that can be abandoned: if their turn comes afterwards,
        // they release the lock at once.
        let (sender, receiver) = mpsc::sync_channel(0);
        let waiting: Vec<Waiting> = (0..PLACES).map_while(|_| Waiting::begin()).collect();
        if waiting.is_empty() {
            return Self::take(path, range, kind, limit);
        }
        for waiting in waiting {
            let (file, own_path) = (open(path)?, path.to_path_buf());
            let sender = sender.clone();
            std::thread::Builder::new()
                .name("lock".into())
                .spawn(move || {
                    let held = take(file, &own_path, range, kind, true);
                    drop(waiting);
                    let _ = sender.send(held);
                })
                .map_err(Error::io("start a thread that waits for a lock", path))?;
        }
        match receiver.recv_timeout(limit) {
            Ok(held) => held?.ok_or_else(|| locked(path, range, limit)),
            Err(_) => Err(locked(path, range, limit)),
        }
    }

    /// Takes a lock that should be free now or within `patience`. Never queues.
    ///
    /// # Errors
    /// [`Error::Locked`] if it does not become free within `patience`.
    pub fn take(path: &Path, range: Range, kind: Kind, patience: Duration) -> Result<Self> {
        let begin = Instant::now();
        let mut file = open(path)?;
        loop {
            match take(file, path, range, kind, false)? {
                Some(held) => return Ok(held),
                None if begin.elapsed() >= patience => return Err(locked(path, range, patience)),
                None => std::thread::sleep(Duration::from_micros(200)),
            }
            file = open(path)?;
        }
    }

    /// The locked file, open for reading and writing.
    pub fn file(&self) -> &File {
        &self.file
    }
}

/// A thread that waits for a lock counts as one of [`MOST_WAITING`].
struct Waiting;

/// How many there are.
static WAITING: AtomicUsize = AtomicUsize::new(0);

impl Waiting {
    /// `None` if there are too many.
    fn begin() -> Option<Self> {
        let one_more = |waiting: usize| (waiting < MOST_WAITING).then_some(waiting + 1);
        let counted = WAITING.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more);
        counted.ok().map(|_| Self)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        WAITING.fetch_sub(1, Ordering::SeqCst);
    }
}

fn locked(path: &Path, range: Range, limit: Duration) -> Error {
    Error::Locked {
        path: path.to_path_buf(),
        what: range.what,
        limit,
    }
}

/// A write lock requires a file open for writing, although nothing is ever written through it.
fn open(path: &Path) -> Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(Error::io("open to lock it", path))
}

fn take(file: File, path: &Path, range: Range, kind: Kind, wait: bool) -> Result<Option<Held>> {
    let is_shared = kind == Kind::Shared;
    let locked = system::lock_range(&file, (range.start, range.length), is_shared, wait);
    let locked = locked.map_err(Error::io("lock", path))?;
    Ok(locked.then_some(Held { file }))
}

/// The processes that hold or await locks on a file, from /proc/locks. Empty if that is unreadable.
pub fn holders(path: &Path) -> Vec<u32> {
    let (Ok(metadata), Ok(locks)) = (path.metadata(), std::fs::read_to_string("/proc/locks"))
    else {
        return Vec::new();
    };
    let own = system::name_in_list_of_locks(&metadata);
    let mut holders: Vec<u32> = locks
        .lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line
                .split_whitespace()
                .filter(|field| *field != "->")
                .collect();
            let (pid, place) = (fields.get(4)?, fields.get(5)?);
            (*place == own).then(|| pid.parse().ok())?
        })
        .collect();
    holders.sort_unstable();
    holders.dedup();
    holders
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;
    use nix::fcntl::{FcntlArg, fcntl};
    use nix::libc;

    use super::*;

    const RANGE: Range = Range {
        start: 8,
        length: 1,
        what: "transaction lock",
    };
    const SOON: Duration = Duration::from_millis(50);

    /// A classic lock, as Samba's libraries take it.
    fn classic(path: &Path, kind: libc::c_int) -> (File, nix::Result<libc::c_int>) {
        let file = open(path).unwrap();
        let lock = libc::flock {
            l_type: kind as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: 8,
            l_len: 1,
            l_pid: 0,
        };
        let taken = fcntl(&file, FcntlArg::F_SETLK(&lock));
        (file, taken)
    }

    fn file() -> tempfile::TempPath {
        tempfile::NamedTempFile::new().unwrap().into_temp_path()
    }

    /// Another process that holds a classic lock: this one would lose its own when it closed the
    /// file.
    struct OtherProcess(std::process::Child);

    const FILE_TO_LOCK: &str = "SAMBA_TEST_FILE_TO_LOCK";

    impl OtherProcess {
        fn locks(path: &Path) -> Self {
            use std::io::BufRead;
            let mut child = std::process::Command::new(std::env::current_exe().unwrap())
                .args([
                    "--exact",
                    "lock::tests::other_process",
                    "--ignored",
                    "--nocapture",
                ])
                .env(FILE_TO_LOCK, path)
                .stdout(std::process::Stdio::piped())
                .spawn()
                .unwrap();
            let lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
            assert!(
                lines
                    .map_while(Result::ok)
                    .any(|line| line.contains("locked"))
            );
            Self(child)
        }
    }

    impl Drop for OtherProcess {
        fn drop(&mut self) {
            self.0.kill().unwrap();
            self.0.wait().unwrap();
        }
    }

    #[test]
    #[ignore = "started by other tests as a process of its own"]
    fn other_process() {
        let Some(path) = std::env::var_os(FILE_TO_LOCK) else {
            return;
        };
        let (_file, taken) = classic(Path::new(&path), libc::F_WRLCK);
        taken.unwrap();
        println!("locked");
        std::thread::sleep(Duration::from_secs(60));
    }

    /// Waits for at most 10 s until something is so. A child of another test, before it becomes
    /// another program, has this one's files open, and so keeps their locks.
    #[track_caller]
    fn eventually(is_so: impl Fn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !is_so() {
            assert!(Instant::now() < deadline, "it is not so after 10 s");
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn our_lock_keeps_classic_ones_out() {
        let path = file();
        let held = Held::wait(&path, RANGE, Kind::Exclusive, SOON).unwrap();
        for kind in [libc::F_RDLCK, libc::F_WRLCK] {
            assert_eq!(classic(&path, kind).1, Err(Errno::EAGAIN));
        }
        // Opening and closing another file handle in this process releases nothing.
        drop(open(&path).unwrap());
        assert_eq!(classic(&path, libc::F_WRLCK).1, Err(Errno::EAGAIN));
        drop(held);
        eventually(|| classic(&path, libc::F_WRLCK).1.is_ok());
    }

    #[test]
    fn a_classic_lock_keeps_ours_out_until_the_limit() {
        let path = file();
        let samba = OtherProcess::locks(&path);
        let begin = Instant::now();
        for lock in [Held::wait, Held::take] {
            let error = lock(&path, RANGE, Kind::Exclusive, SOON).unwrap_err();
            assert!(matches!(error, Error::Locked { .. }), "{error}");
            assert!(error.to_string().contains("transaction lock"), "{error}");
        }
        assert!(begin.elapsed() >= 2 * SOON && begin.elapsed() < 400 * SOON);
        assert_eq!(holders(&path), [samba.0.id()]);

        // The abandoned wait keeps nothing, although its turn comes now.
        drop(samba);
        std::thread::sleep(SOON);
        eventually(|| classic(&path, libc::F_WRLCK).1.is_ok());
    }

    /// A process keeps the lock for ever, and backups are tried again and again.
    #[test]
    fn abandoned_waits_do_not_become_ever_more_threads() {
        let path = file();
        let _samba = OtherProcess::locks(&path);
        for _ in 0..2 * MOST_WAITING / PLACES {
            let begin = Instant::now();
            let limit = Duration::from_millis(1);
            let error = Held::wait(&path, RANGE, Kind::Exclusive, limit).unwrap_err();
            assert!(matches!(error, Error::Locked { .. }), "{error}");
            assert!(begin.elapsed() < 400 * SOON, "it waits no longer");
        }
        // A thread that waits no more may still be there for a moment.
        eventually(|| {
            let threads = std::fs::read_dir("/proc/self/task").unwrap();
            let names =
                threads.filter_map(|thread| std::fs::read(thread.ok()?.path().join("comm")).ok());
            let waiting = names.filter(|name| name == b"lock\n").count();
            (1..=MOST_WAITING).contains(&waiting)
        });
    }

    #[test]
    fn who_waits_gets_the_lock_as_soon_as_it_is_free() {
        let path = file();
        let samba = OtherProcess::locks(&path);
        let path = &*path;
        std::thread::scope(|scope| {
            let waiting = scope.spawn(move || Held::wait(path, RANGE, Kind::Exclusive, 400 * SOON));
            std::thread::sleep(SOON);
            drop(samba);
            waiting.join().unwrap().unwrap();
        });
    }

    /// Those who waited along with it hold nothing.
    #[test]
    fn a_lock_that_was_waited_for_is_free_once_it_is_dropped() {
        let path = file();
        let samba = OtherProcess::locks(&path);
        let own = &*path;
        let held = std::thread::scope(|scope| {
            let waiting = scope.spawn(move || Held::wait(own, RANGE, Kind::Exclusive, 400 * SOON));
            std::thread::sleep(SOON);
            drop(samba);
            waiting.join().unwrap().unwrap()
        });
        assert_eq!(classic(&path, libc::F_WRLCK).1, Err(Errno::EAGAIN));
        drop(held);
        Held::take(&path, RANGE, Kind::Exclusive, 400 * SOON).unwrap();
    }

    #[test]
    fn shared_locks_exclude_writers_only() {
        let path = file();
        let _held = Held::take(&path, RANGE, Kind::Shared, SOON).unwrap();
        assert!(classic(&path, libc::F_RDLCK).1.is_ok());
        assert_eq!(classic(&path, libc::F_WRLCK).1, Err(Errno::EAGAIN));
    }
}
