//! What every call of both interfaces goes through: the privilege, the handle, and a thread that may block.

use std::sync::Arc;

use contract::{Error, Result, ResultCode};
use tonic::{Request, Status};

use crate::backup_context::BackupContext;
use crate::caller::{self, Caller, Wanted};
use crate::contexts::{Call, Contexts, Life, Work};
use crate::restore_context::RestoreContext;
use crate::store::DirectoryStore;

/// The hosted directory and the contexts that clients hold on it.
#[derive(Clone)]
pub(crate) struct Calls {
    pub(crate) store: Arc<dyn DirectoryStore>,
    pub(crate) contexts: Arc<Contexts>,
}

impl Calls {
    /// Who calls, if that caller holds the privilege.
    ///
    /// # Errors
    /// `ERROR_ACCESS_DENIED`, before anything is revealed.
    pub(crate) fn caller<T>(&self, request: &Request<T>, wanted: Wanted) -> Result<Caller, Status> {
        match request.extensions().get::<Caller>() {
            Some(caller) if caller.identity.privileges.suffice(wanted) => Ok(caller.clone()),
            caller => {
                if let Some(Caller {
                    origin, identity, ..
                }) = caller
                {
                    tracing::info!(%origin, caller = %identity.name, ?wanted, "denied a call");
                }
                Err(wire::to_status(&caller::denied()))
            }
        }
    }

    /// Runs something on the store where it may block.
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

    /// Takes a context away from its client. Its files are closed where that may block.
    pub(crate) async fn end(&self, caller: &Caller, handle: Vec<u8>) -> Result<(), Status> {
        let (contexts, connection) = (self.contexts.clone(), caller.connection);
        blocking(move || contexts.end(connection, &handle)).await
    }

    /// A call on a living context of this connection.
    pub(crate) fn call(&self, caller: &Caller, handle: &[u8]) -> Result<Call, Status> {
        self.contexts
            .call(caller.connection, handle)
            .map_err(|error| wire::to_status(&error))
    }
}

async fn blocking<T: Send + 'static>(
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
        format!("the handle is that of {found}, and this call wants that of {expected}"),
    )
}
