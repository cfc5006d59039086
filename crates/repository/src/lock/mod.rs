//! restic's locks: they keep a program from removing content that another one relies on.
//!
//! Any number of programs that only read or add hold shared locks at once. A program that removes
//! (prune) holds an exclusive lock, which excludes all others. A lock is a file in `locks/`. A
//! program looks for conflicting locks before it writes its own, and again afterwards: if two
//! programs do so at the same time, at least one sees the other. A lock is renewed every five
//! minutes by a new file. It is stale when its process is gone or has not renewed it for 30
//! minutes. Stale locks do not count; [`Repository::unlock`] removes them.

mod record;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use rustic_core::Id;

use crate::cipher::sha256;
use crate::error::Error;
use crate::repository::Repository;
use crate::storage::Storage;
use record::{Record, STALE};

/// The time between two renewals, as in restic.
const RENEW: Duration = Duration::from_secs(5 * 60);
/// The time until the next attempt after a failed renewal.
const RENEW_AGAIN: Duration = Duration::from_secs(60);
/// The age at which a lock without renewal is given up, well before others consider it stale:
/// restic's margin.
const LOST: Duration = Duration::from_secs(STALE.as_secs() - RENEW.as_secs() * 3 / 2);
/// The time that a remote store gets to show a new lock to everybody, as in restic.
const SETTLE: Duration = Duration::from_millis(200);
/// The first and the longest pause while waiting for a lock.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(20));
/// The number of attempts to read an unreadable lock, which may be half-written, and to list all
/// locks when one vanished meanwhile.
const LOOKS: u32 = 3;

/// The kind of a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockKind {
    /// For reading and adding. Others may hold one, too.
    Shared,
    /// For removing. Nobody else holds a lock.
    Exclusive,
}

/// A lock of any program on a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockInfo {
    /// The name of its file.
    pub id: String,
    /// The computer of its process.
    pub host: String,
    /// The user of its process.
    pub user: String,
    /// The number of its process.
    pub pid: i64,
    /// The time of its creation or renewal, RFC 3339.
    pub since: String,
    /// Its kind.
    pub kind: LockKind,
    /// Whether its process is gone, or has not renewed it in time.
    pub stale: bool,
}

/// A lock on a repository. Renews itself, and is removed when dropped.
pub struct Lock {
    held: Arc<Mutex<Held>>,
    storage: Arc<Storage>,
    end: Option<Sender<()>>,
    renewing: Option<JoinHandle<()>>,
}

/// The lock's current file.
struct Held {
    id: Id,
    record: Record,
    /// The time of the last renewal, by the monotonic clock and by the wall clock, which continues
    /// during suspension.
    renewed: (Instant, SystemTime),
}

impl Repository {
    /// Takes a lock. Tries for `retry_for` while locks of others conflict.
    ///
    /// # Errors
    /// [`Error::Locked`] with the other lock's owner; [`Error::CannotLock`] if the lock cannot be
    /// written, for example in a read-only repository; [`Error::Storage`].
    pub fn lock(&self, kind: LockKind, retry_for: Duration) -> Result<Lock, Error> {
        let settle = match self.location().local() {
            Some(_) => Duration::ZERO,
            None => SETTLE,
        };
        let begin = Instant::now();
        let mut pause = PAUSES.0;
        loop {
            match Lock::take(self.storage(), kind, settle, RENEW) {
                Err(Error::Locked { .. }) if begin.elapsed() < retry_for => {
                    std::thread::sleep(pause.min(retry_for - begin.elapsed().min(retry_for)));
                    pause = (pause * 2).min(PAUSES.1);
                }
                answer => return answer,
            }
        }
    }

    /// All locks, stale ones included. Skips files that are no locks.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn locks(&self) -> Result<Vec<LockInfo>, Error> {
        let found = look(self.storage())?;
        Ok(found
            .into_iter()
            .filter_map(|(id, record)| Some(info(&id, &record?)))
            .collect())
    }

    /// Removes stale locks, or with `all` every lock; then nobody else may be using the repository.
    /// Returns their number.
    ///
    /// # Errors
    /// [`Error::Storage`].
    pub fn unlock(&self, all: bool) -> Result<usize, Error> {
        let found = look(self.storage())?;
        let doomed: Vec<Id> = (found.into_iter())
            .filter(|(_, record)| all || record.as_ref().is_some_and(Record::is_stale))
            .map(|(id, _)| id)
            .collect();
        for id in &doomed {
            (self.storage().store.remove_lock(id))
                .map_err(|error| storage("removing a lock", error))?;
        }
        Ok(doomed.len())
    }
}

impl Lock {
    fn take(
        files: &Arc<Storage>,
        kind: LockKind,
        settle: Duration,
        renew: Duration,
    ) -> Result<Self, Error> {
        no_conflict(files, kind, None)?;
        let record = Record::new(kind == LockKind::Exclusive);
        let id = write(files, &record).map_err(|error| Error::CannotLock {
            reason: error.to_string(),
        })?;
        let held = Held {
            id,
            record,
            renewed: (Instant::now(), SystemTime::now()),
        };
        let mut lock = Self {
            held: Arc::new(Mutex::new(held)),
            storage: files.clone(),
            end: None,
            renewing: None,
        };
        std::thread::sleep(settle);
        no_conflict(files, kind, Some(&id))?;
        let (end, ended) = bounded(0);
        let (held, files) = (lock.held.clone(), files.clone());
        lock.end = Some(end);
        lock.renewing = Some(std::thread::spawn(move || {
            keep_renewed(&held, &files, renew, &ended);
        }));
        Ok(lock)
    }

    /// Fails unless the lock still exists and was renewed in time. To be called before anything is
    /// removed or truncated in reliance on an unchanged repository.
    ///
    /// # Errors
    /// [`Error::LockLost`].
    pub fn check(&self) -> Result<(), Error> {
        let held = guard(&self.held);
        let lost = |reason: String| Err(Error::LockLost { reason });
        let age = held.age();
        if age > LOST {
            return lost(format!(
                "it could not be renewed for {} minutes",
                age.as_secs() / 60
            ));
        }
        match self.storage.store.read_lock(&held.id) {
            Ok(Some(_)) => Ok(()),
            Ok(None) => lost("it was removed (`unlock`?)".into()),
            Err(error) => lost(format!("it cannot be read: {error}")),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(renewing) = self.renewing.take() {
            let _ = renewing.join();
        }
        // If it cannot be removed, it is stale at once for this computer, and after half an hour
        // for others.
        let _ = self.storage.store.remove_lock(&guard(&self.held).id);
    }
}

impl Held {
    fn age(&self) -> Duration {
        let slept = self.renewed.1.elapsed().unwrap_or_default();
        self.renewed.0.elapsed().max(slept)
    }

    /// Writes a new file and then removes the old one, so that there is always a lock.
    fn renew(&mut self, files: &Storage) -> std::io::Result<()> {
        // A lock that was removed by others is not recreated: they rely on its absence.
        if self.age() > LOST || files.store.read_lock(&self.id)?.is_none() {
            return Ok(());
        }
        let now = (Instant::now(), SystemTime::now());
        let record = self.record.renewed();
        let id = write(files, &record)?;
        let old = std::mem::replace(&mut self.id, id);
        self.record = record;
        self.renewed = now;
        files.store.remove_lock(&old)
    }
}

fn keep_renewed(held: &Mutex<Held>, files: &Storage, renew: Duration, ended: &Receiver<()>) {
    let mut pause = renew;
    while ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
        pause = match guard(held).renew(files) {
            Ok(()) => renew,
            Err(_) => renew.min(RENEW_AGAIN),
        };
    }
}

/// Fails if another lock conflicts with one of this kind.
fn no_conflict(files: &Storage, kind: LockKind, ours: Option<&Id>) -> Result<(), Error> {
    for (id, record) in look(files)? {
        if let Some(record) = record
            && Some(&id) != ours
            && (kind == LockKind::Exclusive || record.exclusive)
            && !record.is_stale()
        {
            return Err(Error::Locked {
                by: format!(
                    "process {} of {} on {}",
                    record.pid, record.username, record.hostname
                ),
                since: record.time,
                exclusive: record.exclusive,
            });
        }
    }
    Ok(())
}

/// A lock file and its content.
type Found = (Id, Option<Record>);

/// Every lock file and its content. `None` for one without readable content even after several
/// attempts: its writer died before the lock was complete, and so never held it.
fn look(files: &Storage) -> Result<Vec<Found>, Error> {
    let mut found = look_once(files)?;
    // A lock that has vanished was released, or renewed under another name.
    for _ in 1..LOOKS {
        match found {
            (_, true) => found = look_once(files)?,
            _ => break,
        }
    }
    Ok(found.0)
}

/// Same as [`look`], and whether a lock vanished between the listing and its reading.
fn look_once(files: &Storage) -> Result<(Vec<Found>, bool), Error> {
    let failed = |error| storage("reading the repository's locks", error);
    let mut found = Vec::new();
    let mut is_gone = false;
    for id in files.store.list_locks().map_err(failed)? {
        let mut looks = 0;
        loop {
            let Some(sealed) = files.store.read_lock(&id).map_err(failed)? else {
                is_gone = true;
                break;
            };
            let json = files.open(&sealed);
            let record = json.and_then(|json| serde_json::from_slice(&json).ok());
            looks += 1;
            if record.is_some() || looks == LOOKS {
                found.push((id, record));
                break;
            }
            std::thread::sleep(SETTLE);
        }
    }
    Ok((found, is_gone))
}

fn write(files: &Storage, record: &Record) -> std::io::Result<Id> {
    let sealed = files.seal(&serde_json::to_vec(record)?)?;
    let id = Id::new(sha256(&sealed));
    files.store.write_lock(&id, &sealed)?;
    Ok(id)
}

fn info(id: &Id, record: &Record) -> LockInfo {
    LockInfo {
        id: id.to_hex().as_str().to_string(),
        host: record.hostname.clone(),
        user: record.username.clone(),
        pid: record.pid,
        since: record.time.clone(),
        kind: match record.exclusive {
            true => LockKind::Exclusive,
            false => LockKind::Shared,
        },
        stale: record.is_stale(),
    }
}

fn storage(doing: &str, error: std::io::Error) -> Error {
    Error::Storage {
        doing: doing.to_string(),
        reason: error.to_string(),
    }
}

fn guard(held: &Mutex<Held>) -> MutexGuard<'_, Held> {
    held.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{InitOptions, Location, Password};

    #[test]
    fn a_lock_is_renewed_by_a_new_file() {
        let place = tempfile::tempdir().unwrap();
        let repository = Repository::init(
            &Location::parse(place.path().to_str().unwrap()).unwrap(),
            &Password::new("renewed"),
            &InitOptions::default(),
            &Default::default(),
        )
        .unwrap();
        let often = Duration::from_millis(20);
        let lock = Lock::take(
            repository.storage(),
            LockKind::Shared,
            Duration::ZERO,
            often,
        )
        .unwrap_or_else(|error| panic!("{error}"));
        let mut names = std::collections::HashSet::new();
        while names.len() < 4 {
            lock.check().unwrap();
            // Only names: on a busy machine the locks may be renewed before they can be read.
            let there = repository.storage().store.list_locks().unwrap();
            // During a renewal there are two.
            assert!(!there.is_empty() && there.len() <= 2);
            names.extend(there);
        }
        drop(lock);
        assert!(repository.locks().unwrap().is_empty());
    }

    #[test]
    fn a_lock_that_was_not_renewed_in_time_is_lost() {
        let place = tempfile::tempdir().unwrap();
        let repository = Repository::init(
            &Location::parse(place.path().to_str().unwrap()).unwrap(),
            &Password::new("late"),
            &InitOptions::default(),
            &Default::default(),
        )
        .unwrap();
        let lock = repository
            .lock(LockKind::Shared, Duration::ZERO)
            .unwrap_or_else(|error| panic!("{error}"));
        lock.check().unwrap();
        // Simulates a suspended computer.
        guard(&lock.held).renewed.1 -= LOST + RENEW_AGAIN;
        let error = lock.check().unwrap_err();
        assert!(matches!(error, Error::LockLost { .. }), "{error}");
        guard(&lock.held).renew(repository.storage()).unwrap();
        assert!(lock.check().is_err(), "it is not made fresh again");
    }
}
