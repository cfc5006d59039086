//! Locks of this crate and of restic respect each other.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use crate::common::*;
use repository::*;

fn try_lock(repository: &Repository, kind: LockKind) -> Result<Lock, Error> {
    repository.lock(kind, Duration::ZERO)
}

fn lock_files(path: &Path) -> usize {
    std::fs::read_dir(path.join("locks")).unwrap().count()
}

fn store_something(path: &Path) {
    let repository = open(path);
    let lock = shared(&repository);
    let mut source = ListSource::new(vec![noise("a", 1, 1 << 20)]);
    repository
        .backup(&lock, &request(), &mut source, &mut |_| {})
        .unwrap();
}

#[test]
fn a_lock_of_ours_holds_for_restic() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("repo");
    init(&path);
    store_something(&path);
    let repository = open(&path);
    let lock = shared(&repository);
    let Some(listed) = restic(&path, &["list", "locks", "--no-lock"]) else {
        return;
    };
    let id = String::from_utf8(listed.stdout).unwrap().trim().to_string();
    let [ours] = &repository.locks().unwrap()[..] else {
        panic!("one lock")
    };
    assert_eq!(id, ours.id);
    let json = restic_succeeds(&path, &["cat", "lock", &id, "--no-lock"]);
    let pid = std::process::id();
    assert!(json.contains(&format!("\"pid\": {pid}")), "{json}");
    assert!(json.contains("\"exclusive\": false"), "{json}");

    let refused = restic(&path, &["prune"]).unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains(&format!("PID {pid}")),
        "{said}"
    );
    restic_succeeds(&path, &["snapshots"]);
    lock.check().unwrap();
    drop(lock);
    assert_eq!(lock_files(&path), 0);
    restic_succeeds(&path, &["prune"]);

    let lock = try_lock(&repository, LockKind::Exclusive).ok().unwrap();
    let refused = restic(&path, &["snapshots"]).unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("locked exclusively"),
        "{said}"
    );
    drop(lock);
}

/// The state of a process that nobody has waited for: `T` is stopped, `Z` has ended.
fn state(process: u32) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // The name before it is in parentheses and may hold anything.
    let (_, rest) = stat.rsplit_once(')').unwrap();
    rest.trim_start().chars().next().unwrap()
}

/// restic, stopped while it holds an exclusive lock.
fn stopped_restic(path: &Path) -> Option<Child> {
    restic(path, &["version"])?;
    let locked = || {
        let mut locks = std::fs::read_dir(path.join("locks")).unwrap();
        locks.any(|lock| lock.unwrap().file_name().len() == 64)
    };
    // One that ends before it can be stopped is started again.
    for _ in 0..20 {
        // In a session of its own, because the system hangs up on processes beside a stopped one.
        let mut child = Command::new("setsid")
            .args(["restic", "--no-cache", "check", "--read-data", "-r"])
            .arg(path)
            .env("RESTIC_PASSWORD", PASSWORD)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        while !locked() && state(child.id()) != 'Z' {
            std::thread::sleep(Duration::from_millis(1));
        }
        let stop = Command::new("kill")
            .args(["-STOP", &child.id().to_string()])
            .status();
        assert!(stop.unwrap().success());
        while !matches!(state(child.id()), 'T' | 'Z') {
            std::thread::sleep(Duration::from_millis(1));
        }
        if state(child.id()) == 'T' && locked() {
            return Some(child);
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
    panic!("restic ended too soon each time");
}

#[test]
fn a_lock_of_restics_holds_for_us_until_its_process_is_gone() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("repo");
    init(&path);
    store_something(&path);
    let Some(mut restic) = stopped_restic(&path) else {
        return;
    };
    let repository = open(&path);
    for kind in [LockKind::Shared, LockKind::Exclusive] {
        let error = try_lock(&repository, kind).err().unwrap();
        let said = error.to_string();
        let pid = format!("process {}", restic.id());
        assert!(
            matches!(
                error,
                Error::Locked {
                    exclusive: true,
                    ..
                }
            ),
            "{said}"
        );
        assert!(
            said.contains(&pid) && said.contains("dsbackup unlock"),
            "{said}"
        );
    }
    // Killed, it leaves its lock behind.
    let waiting = std::thread::spawn({
        let repository = open(&path);
        move || {
            repository
                .lock(LockKind::Exclusive, Duration::from_secs(600))
                .map(drop)
        }
    });
    assert_eq!(repository.unlock(false).unwrap(), 0, "it may go on");
    restic.kill().unwrap();
    restic.wait().unwrap();
    waiting.join().unwrap().unwrap();
    assert!(repository.locks().unwrap()[0].stale);
    store_something(&path);
    assert_eq!(repository.unlock(false).unwrap(), 1);
    assert_eq!(lock_files(&path), 0);
}

#[test]
fn nobody_is_beside_one_that_has_the_repository_for_itself() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("repo");
    init(&path);
    let (sharing, alone) = (AtomicU32::new(0), AtomicU32::new(0));
    std::thread::scope(|scope| {
        for thread in 0..6 {
            let (path, sharing, alone) = (&path, &sharing, &alone);
            scope.spawn(move || {
                let repository = open(path);
                for _ in 0..15 {
                    if thread % 3 == 0 {
                        let Ok(_lock) = try_lock(&repository, LockKind::Exclusive) else {
                            continue;
                        };
                        assert_eq!(alone.fetch_add(1, SeqCst), 0);
                        assert_eq!(sharing.load(SeqCst), 0);
                        std::thread::sleep(Duration::from_millis(2));
                        alone.fetch_sub(1, SeqCst);
                    } else {
                        let Ok(_lock) = try_lock(&repository, LockKind::Shared) else {
                            continue;
                        };
                        sharing.fetch_add(1, SeqCst);
                        assert_eq!(alone.load(SeqCst), 0);
                        std::thread::sleep(Duration::from_millis(2));
                        sharing.fetch_sub(1, SeqCst);
                    }
                }
            });
        }
    });
    assert_eq!(lock_files(&path), 0);
}

#[test]
fn a_backup_whose_lock_is_gone_makes_no_snapshot() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("repo");
    init(&path);
    let repository = open(&path);
    let lock = shared(&repository);
    assert_eq!(repository.unlock(true).unwrap(), 1);
    let mut source = ListSource::new(vec![noise("a", 1, 1 << 20)]);
    let error = repository
        .backup(&lock, &request(), &mut source, &mut |_| {})
        .unwrap_err();
    assert!(matches!(error, Error::LockLost { .. }), "{error}");
    assert!(repository.snapshots().unwrap().is_empty());
}

#[test]
fn half_a_lock_of_a_killed_program_stands_against_nobody() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("repo");
    init(&path);
    for (number, content) in [b"".as_slice(), b"half of a lock"].into_iter().enumerate() {
        std::fs::write(path.join("locks").join(format!("{number:064x}")), content).unwrap();
    }
    store_something(&path);
    let repository = open(&path);
    drop(try_lock(&repository, LockKind::Exclusive).ok().unwrap());
    assert_eq!(repository.unlock(true).unwrap(), 2);
}
