//! The locks on a repository, by what the work does with it.
//!
//! `restic unlock` sends SIGHUP to the processes that locks name, to see which of them live. A
//! program that takes locks must survive that signal.

use std::time::Duration;

use repository::{Error, Lock, LockKind, Repository};

use crate::error::Result;
use crate::report::Report;

/// For work that adds to the repository. Waits up to `wait` while another program has the
/// repository for itself.
///
/// # Errors
/// If the repository is still locked, or the lock cannot be written.
pub fn shared(repository: &Repository, wait: Duration) -> Result<Lock> {
    Ok(repository.lock(LockKind::Shared, wait)?)
}

/// For work that removes from the repository, or with `dry_run` only shows what it would remove.
/// Waits up to `wait` while another program uses the repository.
///
/// # Errors
/// If the repository is still locked, or the lock cannot be written.
pub fn to_remove(repository: &Repository, wait: Duration, dry_run: bool) -> Result<Lock> {
    let kind = match dry_run {
        true => LockKind::Shared,
        false => LockKind::Exclusive,
    };
    Ok(repository.lock(kind, wait)?)
}

/// For work that only reads. If no lock can be written, the work goes on without one, and warns.
///
/// # Errors
/// If another program has the repository for itself for longer than `wait`.
pub fn for_reading(
    repository: &Repository,
    wait: Duration,
    report: &dyn Report,
) -> Result<Option<Lock>> {
    match repository.lock(LockKind::Shared, wait) {
        Ok(lock) => Ok(Some(lock)),
        Err(error @ Error::CannotLock { .. }) => {
            report.warn(&format!(
                "{error}; going on without a lock (as with --no-lock): nobody may prune the \
                 repository meanwhile"
            ));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}
