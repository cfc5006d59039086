//! Context handles: their owners, and their release when a client is gone.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use contract::{Error, Result, ResultCode};

use super::backup_context::BackupContext;
use super::life::{Life, Release};
use super::restore_context::RestoreContext;
use crate::caller::{ConnectionId, Peer};

/// A handle: random bytes, so that no client can guess another's.
pub(crate) type Handle = [u8; 16];

/// The work of a context.
pub(crate) enum Work {
    /// Made by HrRBackupPrepare.
    Backup(BackupContext),
    /// Made by HrRRestorePrepare.
    Restore(RestoreContext),
}

/// The limits of contexts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// The silence after which a client's contexts are released.
    pub(crate) ping_timeout: Duration,
    /// The longest time without any call but life signs.
    pub(crate) idle_timeout: Duration,
    /// The longest life of a context.
    pub(crate) total_timeout: Duration,
    /// The most contexts of one caller at the same time.
    pub(crate) per_caller: usize,
}

/// All living contexts.
pub(crate) struct Contexts {
    limits: Limits,
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
    /// The name of its caller.
    owner: String,
    life: Arc<Life>,
    work: Mutex<Work>,
}

/// A call under way. Its client waits, so it counts as alive.
pub(crate) struct Call {
    context: Arc<Context>,
}

impl Call {
    fn new(context: Arc<Context>) -> Self {
        context.life.begin_call();
        Self { context }
    }

    /// The context's work. Blocks while another call on the same handle is under way.
    pub(crate) fn work(&self) -> MutexGuard<'_, Work> {
        self.context.life.work();
        lock(&self.context.work)
    }

    pub(crate) fn life(&self) -> Arc<Life> {
        self.context.life.clone()
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.context.life.end_call();
    }
}

impl Contexts {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            living: Mutex::default(),
        }
    }

    pub(crate) fn ping_timeout(&self) -> Duration {
        self.limits.ping_timeout
    }

    /// Registers a new connection, which may have contexts.
    pub(crate) fn connect(&self, connection: ConnectionId) {
        lock(&self.living).connections.insert(connection);
    }

    /// Gives a context to a caller.
    pub(crate) fn add(&self, caller: &Peer, work: Work) -> Result<Handle> {
        let connection = caller.connection;
        let owner = caller.identity().name.clone();
        let mut handle = Handle::default();
        getrandom::fill(&mut handle).map_err(|error| {
            Error::new(
                ResultCode::ERROR,
                format!("the system has no random numbers for a context handle: {error}"),
            )
        })?;
        let context = Context {
            connection,
            owner,
            life: Life::new(),
            work: Mutex::new(work),
        };
        let mut living = lock(&self.living);
        if living.stopping {
            return Err(Release::Stopping.error());
        }
        // A call can outlive its connection for a moment.
        if !living.connections.contains(&connection) {
            return Err(Release::Disconnected.error());
        }
        let of_owner = |other: &&Arc<Context>| other.owner == context.owner;
        if living.contexts.values().filter(of_owner).count() >= self.limits.per_caller {
            return Err(Error::new(
                ResultCode::NOT_ENOUGH_MEMORY,
                format!(
                    "{} has {} contexts open, and the service allows no more \
                     (max_contexts_per_caller); end one first",
                    context.owner, self.limits.per_caller
                ),
            ));
        }
        living.contexts.insert(handle, Arc::new(context));
        Ok(handle)
    }

    /// The context behind a handle, for one call.
    ///
    /// # Errors
    /// `hrInvalidHandle` for a handle that is unknown, dead, or of another connection. The error
    /// does not reveal which.
    pub(crate) fn call(&self, connection: ConnectionId, handle: &[u8]) -> Result<Call> {
        let context = Handle::try_from(handle)
            .ok()
            .and_then(|handle| lock(&self.living).contexts.get(&handle).cloned())
            .filter(|context| context.connection == connection)
            .ok_or_else(invalid_handle)?;
        Ok(Call::new(context))
    }

    /// Ends a context at its client's request.
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

    /// Releases the contexts of a lost connection.
    pub(crate) fn disconnect(&self, connection: ConnectionId) {
        lock(&self.living).connections.remove(&connection);
        self.release(Release::Disconnected, |context| {
            context.connection == connection
        });
    }

    /// Releases contexts that are silent, idle, or too old.
    pub(crate) fn release_neglected(&self) {
        let Limits {
            ping_timeout,
            idle_timeout,
            total_timeout,
            ..
        } = self.limits;
        self.release(Release::Silent, |context| {
            context.life.silence() > ping_timeout
        });
        self.release(Release::Idle, |context| context.life.idle() > idle_timeout);
        self.release(Release::TooOld, |context| {
            context.life.age() > total_timeout
        });
    }

    /// Releases all contexts, and refuses new ones.
    pub(crate) fn stop(&self) {
        lock(&self.living).stopping = true;
        self.release(Release::Stopping, |_| true);
    }

    /// Calls `tend` for each context without a call under way.
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
        "the context handle is not known on this connection: never given, ended, or released after \
         silence",
    )
}

/// A context stays usable after a panic in a call, which the call's own error reports.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
