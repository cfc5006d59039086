//! The interface ad_restore.

use std::time::SystemTime;

use contract::{Error, ExpiryToken, RestoreType, Result, ResultCode};
use store::Mode;
use tonic::{Request, Response, Status, Streaming};
use wire::v1::ad_restore_server::AdRestore;
use wire::v1::{
    CheckLogsForBackupRequest, ContextRequest, Done, FileList, IsNtdsOnlineRequest,
    IsNtdsOnlineResponse, RestoreClearRequest, RestoreFileContent, RestorePrepareRequest,
    RestorePrepareResponse, RestoreRegisterCompleteRequest, RestoreRegisterRequest,
    SetCurrentLogNumberRequest,
};

use crate::caller::Wanted;
use crate::calls::Calls;
use crate::convert;
use crate::sessions::contexts::Work;
use crate::sessions::restore_context::RestoreContext;
use crate::transfer::upload;

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
        let visit = self
            .calls
            .enter(&request, "HrRIsNTDSOnline", Wanted::Either)?;
        let answer = self.calls.store(|store| {
            Ok(IsNtdsOnlineResponse {
                online: store.is_online(),
                server: store.server_name(),
            })
        });
        visit.answer(answer.await)
    }

    async fn hr_r_restore_prepare(
        &self,
        request: Request<RestorePrepareRequest>,
    ) -> Answer<RestorePrepareResponse> {
        let visit = self
            .calls
            .enter(&request, "HrRRestorePrepare", Wanted::Restore)?;
        let contexts = &self.calls.contexts;
        let handle = prepare(self.calls.store.mode(), request.get_ref())
            .and_then(|restore| contexts.add(visit.caller(), Work::Restore(restore)))
            .map_err(|error| wire::to_status(&error));
        visit.answer(handle.map(|handle| RestorePrepareResponse {
            handle: handle.to_vec(),
            ping_timeout_ms: contexts.ping_timeout().as_millis() as u32,
        }))
    }

    async fn hr_r_restore_register(
        &self,
        request: Request<RestoreRegisterRequest>,
    ) -> Answer<Done> {
        let mut visit = self
            .calls
            .enter(&request, "HrRRestoreRegister", Wanted::Restore)?;
        let request = request.into_inner();
        for map in &request.databases {
            visit.file(&map.new_path);
        }
        let handle = request.handle.clone();
        let registered = self
            .calls
            .restore(visit.caller(), &handle, move |restore, store| {
                restore.register(store, |token| convert::restore_plan(request, token))
            })
            .await;
        if registered.is_ok() {
            tracing::info!("a restore begins: the directory cannot start until one is complete");
        }
        visit.answer(registered.map(|()| Done {}))
    }

    async fn hr_r_restore_clear(&self, request: Request<RestoreClearRequest>) -> Answer<FileList> {
        let mut visit = self
            .calls
            .enter(&request, "HrRRestoreClear", Wanted::Restore)?;
        let RestoreClearRequest { handle, needed } = request.into_inner();
        let cleared = self
            .calls
            .restore(visit.caller(), &handle, move |restore, _| {
                restore.clear(needed)
            })
            .await;
        if let Ok(files) = &cleared {
            files.iter().for_each(|file| visit.file(&file.name));
        }
        visit.answer(cleared.map(convert::file_list))
    }

    async fn hr_r_restore_write_file(
        &self,
        request: Request<Streaming<RestoreFileContent>>,
    ) -> Answer<Done> {
        let mut visit = self
            .calls
            .enter(&request, "HrRRestoreWriteFile", Wanted::Restore)?;
        let written = upload::receive(&self.calls, &mut visit, request.into_inner()).await;
        visit.answer(written.map(|()| Done {}))
    }

    async fn hr_r_restore_register_complete(
        &self,
        request: Request<RestoreRegisterCompleteRequest>,
    ) -> Answer<Done> {
        let mut visit =
            self.calls
                .enter(&request, "HrRRestoreRegisterComplete", Wanted::Restore)?;
        let state = ResultCode(request.get_ref().restore_state);
        let completed = self
            .calls
            .restore(
                visit.caller(),
                &request.get_ref().handle,
                move |restore, _| restore.complete(state),
            )
            .await;
        if let Ok(written) = &completed {
            tracing::info!(%state, "a restore is complete");
            for file in written {
                visit.file(file.display().to_string());
            }
        }
        visit.answer(completed.map(|_| Done {}))
    }

    async fn hr_r_restore_get_database_locations(
        &self,
        request: Request<ContextRequest>,
    ) -> Answer<FileList> {
        let visit =
            self.calls
                .enter(&request, "HrRRestoreGetDatabaseLocations", Wanted::Restore)?;
        let files = self
            .calls
            .restore(visit.caller(), &request.get_ref().handle, |_, store| {
                store.restore_locations()
            })
            .await;
        visit.answer(files.map(convert::places))
    }

    async fn hr_r_restore_end(&self, request: Request<ContextRequest>) -> Answer<Done> {
        let visit = self
            .calls
            .enter(&request, "HrRRestoreEnd", Wanted::Restore)?;
        let handle = request.into_inner().handle;
        let calls = &self.calls;
        // Ends restores only.
        let mut ended = calls.restore(visit.caller(), &handle, |_, _| Ok(())).await;
        if ended.is_ok() {
            ended = calls.end(visit.caller(), handle).await;
        }
        visit.answer(ended.map(|()| Done {}))
    }

    async fn hr_r_restore_set_current_log_number(
        &self,
        request: Request<SetCurrentLogNumberRequest>,
    ) -> Answer<Done> {
        let visit = self
            .calls
            .enter(&request, "HrRRestoreSetCurrentLogNumber", Wanted::Backup)?;
        let number = request.get_ref().current_log;
        let set = self
            .calls
            .store(move |store| store.set_current_log(number))
            .await;
        visit.answer(set.map(|()| Done {}))
    }

    async fn hr_r_restore_check_logs_for_backup(
        &self,
        request: Request<CheckLogsForBackupRequest>,
    ) -> Answer<Done> {
        let visit = self
            .calls
            .enter(&request, "HrRRestoreCheckLogsForBackup", Wanted::Backup)?;
        let low = request.get_ref().generation_low;
        let checked = self.calls.store(move |store| store.check_logs(low)).await;
        visit.answer(checked.map(|()| Done {}))
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
