//! Context handles: whose they are, whether their client lives, and what is released when it does not.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use contract::{Error, Result, ResultCode};
use tokio_util::sync::CancellationToken;

use crate::backup_context::BackupContext;
use crate::connection::ConnectionId;
use crate::restore_context::RestoreContext;

/// The bytes of a handle: random, so that nobody guesses another client's.
pub(crate) type Handle = [u8; 16];

/// What a context is for.
pub(crate) enum Work {
    /// Made by HrRBackupPrepare.
    Backup(BackupContext),
    /// Made by HrRRestorePrepare.
    Restore(RestoreContext),
}

/// All living contexts.
pub(crate) struct Contexts {
    ping_timeout: Duration,
    living: Mutex<Living>,
}

#[derive(Default)]
struct Living {
    contexts: HashMap<Handle, Arc<Context>>,
    connections: HashSet<ConnectionId>,
    stopping: bool,
}

struct Context {
    connection: ConnectionId,
    life: Arc<Life>,
    work: Mutex<Work>,
}

/// Why a context was released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Release {
    /// Its client ended it.
    Ended,
    /// Its client's connection is gone.
    Disconnected,
    /// Its client was silent for too long.
    Silent,
    /// The service stops.
    Stopping,
}

impl Release {
    /// What a client hears whose call was under way.
    pub(crate) fn error(self) -> Error {
        match self {
            Self::Ended => Error::new(ResultCode::INVALID_HANDLE, "the context was ended"),
            Self::Disconnected => Error::new(
                ResultCode::INVALID_HANDLE,
                "the connection that made the context is gone",
            ),
            Self::Silent => Error::new(
                ResultCode::INVALID_HANDLE,
                "the context was released, because nothing was heard from its client for longer than the ping timeout; \
                 begin again",
            ),
            Self::Stopping => Error::new(
                ResultCode::COMMUNICATION_ERROR,
                "the backup service is stopping; begin again when it runs",
            ),
        }
    }
}

/// The signs of life of a context's client, and the end of that life.
pub(crate) struct Life {
    started: Instant,
    /// Milliseconds after `started`.
    last_sign: AtomicU64,
    calls: AtomicUsize,
    release: OnceLock<Release>,
    released: CancellationToken,
}

impl Life {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            started: Instant::now(),
            last_sign: AtomicU64::new(0),
            calls: AtomicUsize::new(0),
            release: OnceLock::new(),
            released: CancellationToken::new(),
        })
    }

    /// Notes that something was heard from the client.
    pub(crate) fn sign(&self) {
        let now = self.started.elapsed().as_millis() as u64;
        self.last_sign.fetch_max(now, Ordering::Relaxed);
    }

    fn silence(&self) -> Duration {
        if self.calls.load(Ordering::Relaxed) > 0 {
            return Duration::ZERO;
        }
        let last = Duration::from_millis(self.last_sign.load(Ordering::Relaxed));
        self.started.elapsed().saturating_sub(last)
    }

    fn end(&self, release: Release) {
        self.release.get_or_init(|| release);
        self.released.cancel();
    }

    /// Cancelled when the context is released; children may end earlier.
    pub(crate) fn released(&self) -> &CancellationToken {
        &self.released
    }

    /// Why the context was released, if it was.
    pub(crate) fn release(&self) -> Option<Release> {
        self.release.get().copied()
    }
}

/// A call under way: the client waits, so it lives.
pub(crate) struct Call {
    context: Arc<Context>,
}

impl Call {
    fn new(context: Arc<Context>) -> Self {
        context.life.calls.fetch_add(1, Ordering::Relaxed);
        Self { context }
    }

    /// The context's work. Blocks while another call on the same handle is under way.
    pub(crate) fn work(&self) -> MutexGuard<'_, Work> {
        lock(&self.context.work)
    }

    pub(crate) fn life(&self) -> Arc<Life> {
        self.context.life.clone()
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.context.life.sign();
        self.context.life.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Contexts {
    pub(crate) fn new(ping_timeout: Duration) -> Self {
        Self {
            ping_timeout,
            living: Mutex::default(),
        }
    }

    pub(crate) fn ping_timeout(&self) -> Duration {
        self.ping_timeout
    }

    /// Notes a new connection, which may have contexts.
    pub(crate) fn connect(&self, connection: ConnectionId) {
        lock(&self.living).connections.insert(connection);
    }

    /// Gives a context to a connection.
    pub(crate) fn add(&self, connection: ConnectionId, work: Work) -> Result<Handle> {
        let mut handle = Handle::default();
        getrandom::fill(&mut handle).map_err(|error| {
            Error::new(
                ResultCode::ERROR,
                format!("the system has no random numbers for a context handle: {error}"),
            )
        })?;
        let context = Context {
            connection,
            life: Life::new(),
            work: Mutex::new(work),
        };
        let mut living = lock(&self.living);
        if living.stopping {
            return Err(Release::Stopping.error());
        }
        // A call can outlive its connection by a moment.
        if !living.connections.contains(&connection) {
            return Err(Release::Disconnected.error());
        }
        living.contexts.insert(handle, Arc::new(context));
        Ok(handle)
    }

    /// The context behind a handle, for one call.
    ///
    /// # Errors
    /// `hrInvalidHandle` for a handle that is unknown, dead, or of another connection: nobody can tell which.
    pub(crate) fn call(&self, connection: ConnectionId, handle: &[u8]) -> Result<Call> {
        let context = Handle::try_from(handle)
            .ok()
            .and_then(|handle| lock(&self.living).contexts.get(&handle).cloned())
            .filter(|context| context.connection == connection)
            .ok_or_else(invalid_handle)?;
        Ok(Call::new(context))
    }

    /// Ends a context on its client's word.
    pub(crate) fn end(&self, connection: ConnectionId, handle: &[u8]) -> Result<()> {
        let handle = Handle::try_from(handle).map_err(|_| invalid_handle())?;
        let mut living = lock(&self.living);
        match living.contexts.get(&handle) {
            Some(context) if context.connection == connection => {
                let context = living.contexts.remove(&handle);
                drop(living);
                if let Some(context) = context {
                    context.life.end(Release::Ended);
                }
                Ok(())
            }
            _ => Err(invalid_handle()),
        }
    }

    /// Releases what a lost connection held.
    pub(crate) fn disconnect(&self, connection: ConnectionId) {
        lock(&self.living).connections.remove(&connection);
        self.release(Release::Disconnected, |context| {
            context.connection == connection
        });
    }

    /// Releases the contexts of silent clients.
    pub(crate) fn release_silent(&self) {
        self.release(Release::Silent, |context| {
            context.life.silence() > self.ping_timeout
        });
    }

    /// Releases everything, and gives out no context any more.
    pub(crate) fn stop(&self) {
        lock(&self.living).stopping = true;
        self.release(Release::Stopping, |_| true);
    }

    /// Runs over the contexts that no call keeps busy.
    pub(crate) fn tend(&self, tend: impl Fn(&mut Work)) {
        let contexts: Vec<_> = lock(&self.living).contexts.values().cloned().collect();
        for context in contexts {
            if let Ok(mut work) = context.work.try_lock() {
                tend(&mut work);
            }
        }
    }

    fn release(&self, release: Release, which: impl Fn(&Context) -> bool) {
        let released: Vec<_> = lock(&self.living)
            .contexts
            .extract_if(|_, context| which(context))
            .collect();
        for (_, context) in released {
            tracing::info!(reason = ?release, "released a context");
            context.life.end(release);
        }
    }
}

fn invalid_handle() -> Error {
    Error::new(
        ResultCode::INVALID_HANDLE,
        "the context handle is not known on this connection: never given, ended, or released after silence",
    )
}

/// A context stays usable when a call on it panicked: the call's own error tells of it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
