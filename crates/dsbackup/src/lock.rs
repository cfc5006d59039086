//! The locks that commands take on a repository.

use backup::lock;
use repository::{Lock, Repository};

use crate::cli::{LockOptions, RetryOptions};
use crate::failure::Result;
use crate::report::Report;
use crate::signals::survive_questions;

/// For a command that adds to the repository.
///
/// # Errors
/// While another program has the repository for itself, and where a lock cannot be written.
pub fn shared(repository: &Repository, options: RetryOptions) -> Result<Lock> {
    survive_questions();
    Ok(lock::shared(repository, options.retry_lock)?)
}

/// For a command that removes from the repository, or with `dry_run` only shows what it would
/// remove.
///
/// # Errors
/// While another program uses the repository, and where a lock cannot be written.
pub fn to_remove(repository: &Repository, options: RetryOptions, dry_run: bool) -> Result<Lock> {
    survive_questions();
    Ok(lock::to_remove(repository, options.retry_lock, dry_run)?)
}

/// For a command that only reads. Where no lock can be written it goes on without, and warns.
///
/// # Errors
/// While another program has the repository for itself.
pub fn for_reading(
    repository: &Repository,
    options: LockOptions,
    report: Report,
) -> Result<Option<Lock>> {
    if options.no_lock {
        return Ok(None);
    }
    survive_questions();
    Ok(lock::for_reading(
        repository,
        options.retry.retry_lock,
        &report,
    )?)
}
