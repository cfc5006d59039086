//! The locks that commands take on a repository.

use std::sync::Once;
use std::time::Duration;

use jiff::SignedDuration;
use repository::{Error, Lock, LockKind, Repository};
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{LockOptions, RetryOptions};
use crate::failure::Result;
use crate::report::Report;

/// `restic unlock` sends SIGHUP to the processes that locks name, to see which of them live. It must not end them.
fn survive_questions() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let runtime = Builder::new_current_thread().enable_io().build();
        if let Ok(runtime) = runtime {
            let _entered = runtime.enter();
            // What is registered stays so, and does nothing.
            let _ = signal(SignalKind::hangup());
        }
    });
}

/// For a command that adds to the repository.
///
/// # Errors
/// While another program has the repository for itself, and where a lock cannot be written.
pub fn shared(repository: &Repository, options: RetryOptions) -> Result<Lock> {
    survive_questions();
    Ok(repository.lock(LockKind::Shared, options.retry_lock)?)
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
    match repository.lock(LockKind::Shared, options.retry.retry_lock) {
        Ok(lock) => Ok(Some(lock)),
        Err(error @ Error::CannotLock { .. }) => {
            report.warn(format!(
                "{error}; going on without a lock (as with --no-lock): nobody may prune the repository meanwhile"
            ));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// Reads a span of time as people write it: `90s`, `10m`, `1h 30m`.
///
/// # Errors
/// For what is no span of time, or a negative one.
pub fn duration(text: &str) -> std::result::Result<Duration, String> {
    let span: SignedDuration = (text.parse())
        .map_err(|_| "expected a span of time, such as 90s, 10m or 1h".to_string())?;
    Duration::try_from(span).map_err(|_| "expected a span of time of 0 or more".to_string())
}
