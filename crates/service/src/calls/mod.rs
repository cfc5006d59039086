//! The path of every call of both interfaces: the check of the privilege, the handle, and a thread
//! that may block.

pub(crate) mod backup_service;
pub(crate) mod identity_service;
pub(crate) mod restore_service;

use std::sync::Arc;
use std::time::Duration;

use contract::{Error, Result, ResultCode};
use store::DirectoryStore;
use tonic::{Request, Status};

use crate::audit::{Audit, Visit};
use crate::caller::{self, Caller, Wanted};
use crate::sessions::backup_context::BackupContext;
use crate::sessions::contexts::{Call, Contexts, Work};
use crate::sessions::life::Life;
use crate::sessions::restore_context::RestoreContext;
use crate::transfer::rate_limiter::RateLimiter;

/// The hosted directory and the contexts that clients hold on it.
#[derive(Clone)]
pub(crate) struct Calls {
    pub(crate) store: Arc<dyn DirectoryStore>,
    pub(crate) contexts: Arc<Contexts>,
    pub(crate) audit: Arc<Audit>,
    /// The cap on bytes over the network.
    pub(crate) rate_limiter: Option<Arc<RateLimiter>>,
    /// The longest wait for the next piece of a file from a client.
    pub(crate) piece_timeout: Duration,
}

impl Calls {
    /// Admits a call if its caller holds the privilege. The call leaves a line in the audit log,
    /// whatever its result.
    ///
    /// # Errors
    /// `ERROR_ACCESS_DENIED`, before anything is revealed; `hrDiskIO` if the call cannot be
    /// recorded.
    pub(crate) fn enter<T>(
        &self,
        request: &Request<T>,
        call: &'static str,
        wanted: Wanted,
    ) -> Result<Visit, Status> {
        let denied = || wire::to_status(&caller::denied());
        let caller = request.extensions().get::<Caller>().ok_or_else(denied)?;
        let mut visit = Visit::new(self.audit.clone(), caller.clone(), call);
        if !caller.identity().privileges.suffice(wanted) {
            match caller.take_unproven() {
                Some(unproven) => {
                    visit.leave_no_line();
                    unproven.denied(call);
                }
                None => visit.end(ResultCode::ACCESS_DENIED),
            }
            caller.note_denied();
            return Err(denied());
        }
        if let Err(error) = self.audit.check() {
            visit.end(error.code);
            return Err(wire::to_status(&error));
        }
        Ok(visit)
    }

    /// The rate limiter for this caller's bytes; `None` for local callers.
    pub(crate) fn rate_limiter(&self, caller: &Caller) -> Option<Arc<RateLimiter>> {
        self.rate_limiter.clone().filter(|_| caller.is_remote())
    }

    /// Runs work on the store in a thread that may block.
    pub(crate) async fn store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn DirectoryStore) -> Result<T> + Send + 'static,
    ) -> Result<T, Status> {
        let store = self.store.clone();
        blocking(move || work(store.as_ref())).await
    }

    /// Runs a call of a backup context.
    ///
    /// # Errors
    /// `hrInvalidHandle` for a handle that is no living backup of this connection.
    pub(crate) async fn backup<T: Send + 'static>(
        &self,
        caller: &Caller,
        handle: &[u8],
        work: impl FnOnce(&mut BackupContext, &Arc<Life>) -> Result<T> + Send + 'static,
    ) -> Result<T, Status> {
        let call = self.call(caller, handle)?;
        blocking(move || match &mut *call.work() {
            Work::Backup(context) => work(context, &call.life()),
            Work::Restore(_) => Err(wrong_kind("a restore", "a backup")),
        })
        .await
    }

    /// Runs a call of a restore context.
    ///
    /// # Errors
    /// `hrInvalidHandle` for a handle that is no living restore of this connection.
    pub(crate) async fn restore<T: Send + 'static>(
        &self,
        caller: &Caller,
        handle: &[u8],
        work: impl FnOnce(&mut RestoreContext, &dyn DirectoryStore) -> Result<T> + Send + 'static,
    ) -> Result<T, Status> {
        let call = self.call(caller, handle)?;
        let store = self.store.clone();
        blocking(move || match &mut *call.work() {
            Work::Restore(context) => work(context, store.as_ref()),
            Work::Backup(_) => Err(wrong_kind("a backup", "a restore")),
        })
        .await
    }

    /// Ends a context. Its files are closed in a thread that may block.
    pub(crate) async fn end(&self, caller: &Caller, handle: Vec<u8>) -> Result<(), Status> {
        let (contexts, connection) = (self.contexts.clone(), caller.connection);
        blocking(move || contexts.end(connection, &handle)).await
    }

    /// Begins a call on a living context of this connection.
    pub(crate) fn call(&self, caller: &Caller, handle: &[u8]) -> Result<Call, Status> {
        self.contexts
            .call(caller.connection, handle)
            .map_err(|error| wire::to_status(&error))
    }
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T, Status> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| {
            Err(Error::new(
                ResultCode::ERROR,
                format!("the service failed at this call: {error}; please report it"),
            ))
        })
        .map_err(|error| wire::to_status(&error))
}

fn wrong_kind(found: &str, expected: &str) -> Error {
    Error::new(
        ResultCode::INVALID_HANDLE,
        format!("the handle is that of {found}, and this call requires that of {expected}"),
    )
}
