//! The interface ad_restore.

use std::time::SystemTime;

use contract::{Error, ExpiryToken, RestoreType, Result, ResultCode};
use tonic::{Request, Response, Status};
use wire::v1::ad_restore_server::AdRestore;
use wire::v1::{
    CheckLogsForBackupRequest, ContextRequest, Done, FileList, IsNtdsOnlineRequest,
    IsNtdsOnlineResponse, RestorePrepareRequest, RestorePrepareResponse,
    RestoreRegisterCompleteRequest, RestoreRegisterRequest, SetCurrentLogNumberRequest,
};

use crate::caller::Wanted;
use crate::calls::Calls;
use crate::contexts::Work;
use crate::restore_context::RestoreContext;
use crate::store::Mode;

/// Serves ad_restore.
pub(crate) struct RestoreService {
    pub(crate) calls: Calls,
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl AdRestore for RestoreService {
    async fn hr_r_is_ntds_online(
        &self,
        request: Request<IsNtdsOnlineRequest>,
    ) -> Answer<IsNtdsOnlineResponse> {
        self.calls.caller(&request, Wanted::Either)?;
        let online = self.calls.store(|store| Ok(store.is_online())).await?;
        Ok(Response::new(IsNtdsOnlineResponse { online }))
    }

    async fn hr_r_restore_prepare(
        &self,
        request: Request<RestorePrepareRequest>,
    ) -> Answer<RestorePrepareResponse> {
        let caller = self.calls.caller(&request, Wanted::Restore)?;
        let contexts = &self.calls.contexts;
        let handle = prepare(self.calls.store.mode(), request.get_ref())
            .and_then(|restore| contexts.add(caller.connection, Work::Restore(restore)))
            .map_err(|error| wire::to_status(&error))?;
        Ok(Response::new(RestorePrepareResponse {
            handle: handle.to_vec(),
            ping_timeout_ms: contexts.ping_timeout().as_millis() as u32,
        }))
    }

    async fn hr_r_restore_register(
        &self,
        request: Request<RestoreRegisterRequest>,
    ) -> Answer<Done> {
        let caller = self.calls.caller(&request, Wanted::Restore)?;
        let request = request.into_inner();
        let handle = request.handle.clone();
        self.calls
            .restore(&caller, &handle, move |restore, store| {
                restore.register(store, request)
            })
            .await?;
        tracing::info!("a restore begins: the directory cannot start until one is complete");
        Ok(Response::new(Done {}))
    }

    async fn hr_r_restore_register_complete(
        &self,
        request: Request<RestoreRegisterCompleteRequest>,
    ) -> Answer<Done> {
        let caller = self.calls.caller(&request, Wanted::Restore)?;
        let state = ResultCode(request.get_ref().restore_state);
        self.calls
            .restore(&caller, &request.get_ref().handle, move |restore, _| {
                restore.complete(state)
            })
            .await?;
        tracing::info!(%state, "a restore is complete");
        Ok(Response::new(Done {}))
    }

    async fn hr_r_restore_get_database_locations(
        &self,
        request: Request<ContextRequest>,
    ) -> Answer<FileList> {
        let caller = self.calls.caller(&request, Wanted::Restore)?;
        let files = self
            .calls
            .restore(&caller, &request.get_ref().handle, |_, store| {
                store.restore_locations()
            })
            .await?;
        Ok(Response::new(FileList { files }))
    }

    async fn hr_r_restore_end(&self, request: Request<ContextRequest>) -> Answer<Done> {
        let caller = self.calls.caller(&request, Wanted::Restore)?;
        let handle = request.into_inner().handle;
        // A backup is not ended here.
        self.calls.restore(&caller, &handle, |_, _| Ok(())).await?;
        self.calls.end(&caller, handle).await?;
        Ok(Response::new(Done {}))
    }

    async fn hr_r_restore_set_current_log_number(
        &self,
        request: Request<SetCurrentLogNumberRequest>,
    ) -> Answer<Done> {
        self.calls.caller(&request, Wanted::Backup)?;
        let number = request.get_ref().current_log;
        self.calls
            .store(move |store| store.set_current_log(number))
            .await?;
        Ok(Response::new(Done {}))
    }

    async fn hr_r_restore_check_logs_for_backup(
        &self,
        request: Request<CheckLogsForBackupRequest>,
    ) -> Answer<Done> {
        self.calls.caller(&request, Wanted::Backup)?;
        let low = request.get_ref().generation_low;
        self.calls.store(move |store| store.check_logs(low)).await?;
        Ok(Response::new(Done {}))
    }
}

fn prepare(mode: Mode, request: &RestorePrepareRequest) -> Result<RestoreContext> {
    if RestoreType::from_number(request.restore_type)? != RestoreType::CatchUp {
        return Err(Error::new(
            ResultCode::INVALID_PARAMETER,
            format!(
                "restore type {}: only 0 or 4 (catch up by replication) is offered",
                request.restore_type
            ),
        ));
    }
    if mode == Mode::Normal {
        return Err(Error::new(
            ResultCode::DATABASE_IN_USE,
            "the directory is online, so it cannot be restored; start the service in restore mode",
        ));
    }
    let token = request
        .expiry_token
        .as_deref()
        .map(|bytes| {
            let token = ExpiryToken::from_bytes(bytes)?;
            token.check_unexpired(SystemTime::now()).map(|()| token)
        })
        .transpose()?;
    Ok(RestoreContext::new(token))
}
