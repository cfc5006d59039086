//! restic's locks, as far as a backup must heed them.
//!
//! rustic neither writes nor reads locks: any number of backups may add to a repository at once, since nothing is
//! ever changed or removed by one. What must not run beside a backup is `restic prune`, which removes content that
//! no snapshot names yet. It holds an exclusive lock, a file in `locks/`. rustic's backends know no such files, so
//! this works for local folders; for remote stores the look at the packs at the end of a backup has to do.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use rustic_core::Id;
use rustic_core::jiff::Timestamp;
use serde::Deserialize;

use crate::error::Error;
use crate::storage::Storage;

/// restic renews its locks every five minutes and takes one of this age for forgotten.
const FORGOTTEN: Duration = Duration::from_secs(30 * 60);
/// How long a finished backup waits for another program before it gives up.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

#[derive(Deserialize)]
struct Lock {
    time: String,
    #[serde(default)]
    exclusive: bool,
    #[serde(default)]
    hostname: String,
    #[serde(default)]
    pid: i64,
}

/// Fails while another program has the repository for itself.
pub(crate) fn not_exclusive(storage: &Storage, repository: &Path) -> Result<(), Error> {
    match exclusive_lock(storage, repository) {
        Ok(None) => Ok(()),
        Ok(Some(lock)) => Err(Error::Locked {
            by: format!("process {} on {}", lock.pid, lock.hostname),
            since: lock.time,
        }),
        Err(error) => Err(Error::Storage {
            doing: format!("reading the locks of {}", repository.display()),
            reason: error.to_string(),
        }),
    }
}

/// Waits until no other program has the repository for itself, some minutes at most.
pub(crate) fn wait_for_others(storage: &Storage, repository: &Path) -> Result<(), Error> {
    let started = Instant::now();
    loop {
        match not_exclusive(storage, repository) {
            Err(Error::Locked { .. }) if started.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_secs(1));
            }
            answer => return answer,
        }
    }
}

fn exclusive_lock(storage: &Storage, repository: &Path) -> io::Result<Option<Lock>> {
    let folder = match std::fs::read_dir(repository.join("locks")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        folder => folder?,
    };
    for entry in folder {
        let entry = entry?;
        // A lock being written has another name until it counts.
        let name = entry.file_name();
        if name.to_str().is_none_or(|name| name.parse::<Id>().is_err()) {
            continue;
        }
        let sealed = match std::fs::read(entry.path()) {
            // Released between the listing and the look at it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            content => content?,
        };
        // Like restic, pass over what is no lock.
        if let Some(lock) = storage
            .open(&sealed)
            .and_then(|json| serde_json::from_slice::<Lock>(&json).ok())
            && lock.exclusive
            && lock.is_fresh()
        {
            return Ok(Some(lock));
        }
    }
    Ok(None)
}

impl Lock {
    fn is_fresh(&self) -> bool {
        let Ok(time) = self.time.parse::<Timestamp>() else {
            return true;
        };
        SystemTime::now()
            .duration_since(time.into())
            .is_ok_and(|age| age < FORGOTTEN)
    }
}
