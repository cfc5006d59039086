//! The interface ad_backup.

use contract::{BackupType, DatabaseSignature, Error, ExpiryToken, Result, ResultCode};
use model::DirectoryFacts;
use store::{BackupOptions, BackupSet, DirectoryStore, Mode, clock};
use tonic::{Request, Response, Status};
use wire::v1::ad_backup_server::AdBackup;
use wire::v1::{
    BackupPrepareRequest, BackupPrepareResponse, ContextRequest, Done, FileList, OpenFileRequest,
    OpenFileResponse, TruncateLogsResponse,
};

use crate::caller::{Caller, Wanted};
use crate::calls::Calls;
use crate::convert;
use crate::sessions::backup_context::BackupContext;
use crate::sessions::contexts::Work;
use crate::transfer::body::{self, Elsewhere};

/// Serves ad_backup.
pub(crate) struct BackupService {
    pub(crate) calls: Calls,
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl AdBackup for BackupService {
    async fn hr_r_backup_prepare(
        &self,
        request: Request<BackupPrepareRequest>,
    ) -> Answer<BackupPrepareResponse> {
        let visit = self
            .calls
            .enter(&request, "HrRBackupPrepare", Wanted::Backup)?;
        let prepared = self.prepare(visit.caller(), request.into_inner()).await;
        visit.answer(prepared)
    }

    async fn hr_r_backup_end(&self, request: Request<ContextRequest>) -> Answer<Done> {
        let visit = self.calls.enter(&request, "HrRBackupEnd", Wanted::Backup)?;
        let handle = request.into_inner().handle;
        let calls = &self.calls;
        // Ends backups only.
        let mut ended = calls.backup(visit.caller(), &handle, |_, _| Ok(())).await;
        if ended.is_ok() {
            ended = calls.end(visit.caller(), handle).await;
            tracing::info!(caller = visit.caller().identity().name, "a backup ends");
        }
        visit.answer(ended.map(|()| Done {}))
    }

    async fn hr_r_backup_get_attachment_information(
        &self,
        request: Request<ContextRequest>,
    ) -> Answer<FileList> {
        let visit = self.calls.enter(
            &request,
            "HrRBackupGetAttachmentInformation",
            Wanted::Backup,
        )?;
        let files = self
            .calls
            .backup(visit.caller(), &request.get_ref().handle, |backup, _| {
                backup.database_files().map(<[_]>::to_vec)
            })
            .await;
        visit.answer(files.map(convert::file_list))
    }

    async fn hr_r_backup_open_file(
        &self,
        request: Request<OpenFileRequest>,
    ) -> Answer<OpenFileResponse> {
        let mut visit = self
            .calls
            .enter(&request, "HrRBackupOpenFile", Wanted::Backup)?;
        let OpenFileRequest {
            handle,
            name,
            read_hint,
        } = request.into_inner();
        visit.file(&name);
        let size = self
            .calls
            .backup(visit.caller(), &handle, move |backup, life| {
                backup.open(&name, read_hint, life)
            })
            .await;
        visit.answer_quietly(size.map(|size| OpenFileResponse { size }))
    }

    type HrRBackupReadStream = Elsewhere;

    async fn hr_r_backup_read(&self, request: Request<ContextRequest>) -> Answer<Elsewhere> {
        let mut visit = self
            .calls
            .enter(&request, "HrRBackupRead", Wanted::Backup)?;
        let rate_limiter = self.calls.rate_limiter(visit.caller());
        let reading = self
            .calls
            .backup(visit.caller(), &request.get_ref().handle, |backup, life| {
                backup.read(life.clone(), rate_limiter)
            })
            .await;
        match reading {
            Ok((name, transfer)) => {
                visit.file(name);
                Ok(body::answer(transfer.audited(visit)))
            }
            Err(status) => visit.answer(Err(status)),
        }
    }

    async fn hr_r_backup_close(&self, request: Request<ContextRequest>) -> Answer<Done> {
        let visit = self
            .calls
            .enter(&request, "HrRBackupClose", Wanted::Backup)?;
        let closed = self
            .calls
            .backup(visit.caller(), &request.get_ref().handle, |backup, _| {
                backup.close()
            })
            .await;
        visit.answer_quietly(closed.map(|()| Done {}))
    }

    async fn hr_r_backup_get_backup_logs(
        &self,
        request: Request<ContextRequest>,
    ) -> Answer<FileList> {
        let visit = self
            .calls
            .enter(&request, "HrRBackupGetBackupLogs", Wanted::Backup)?;
        let files = self
            .calls
            .backup(visit.caller(), &request.get_ref().handle, |backup, _| {
                backup.log_files().map(<[_]>::to_vec)
            })
            .await;
        visit.answer(files.map(convert::file_list))
    }

    async fn hr_r_backup_truncate_logs(
        &self,
        request: Request<ContextRequest>,
    ) -> Answer<TruncateLogsResponse> {
        let mut visit = self
            .calls
            .enter(&request, "HrRBackupTruncateLogs", Wanted::Backup)?;
        let truncation = self
            .calls
            .backup(visit.caller(), &request.get_ref().handle, |backup, _| {
                backup.truncate_logs()
            })
            .await;
        if let Ok(truncation) = &truncation {
            tracing::info!(
                deleted = truncation.deleted.len(),
                kept = truncation.kept_because,
                "truncated the logs"
            );
            truncation.deleted.iter().for_each(|log| visit.file(log));
        }
        visit.answer(truncation.map(|truncation| TruncateLogsResponse {
            deleted: truncation.deleted,
            kept_because: truncation.kept_because,
        }))
    }

    async fn hr_r_backup_ping(&self, request: Request<ContextRequest>) -> Answer<Done> {
        let visit = self
            .calls
            .enter(&request, "HrRBackupPing", Wanted::Either)?;
        // Every call is a sign of life. This one does nothing else, for backups and restores.
        let call = self.calls.call(visit.caller(), &request.get_ref().handle);
        visit.answer_quietly(call.map(|_| Done {}))
    }
}

impl BackupService {
    async fn prepare(
        &self,
        caller: &Caller,
        request: BackupPrepareRequest,
    ) -> Result<BackupPrepareResponse, Status> {
        let set = self
            .calls
            .store(move |store| prepare(store, &request))
            .await?;
        let facts = set.facts();
        let expiry_token = token(&facts).map_err(|error| wire::to_status(&error))?;
        let contexts = &self.calls.contexts;
        let handle = contexts
            .add(caller, Work::Backup(BackupContext::new(set)))
            .map_err(|error| wire::to_status(&error))?;
        tracing::info!(
            caller = caller.identity().name,
            state = facts.state,
            "a backup begins"
        );
        Ok(BackupPrepareResponse {
            handle: handle.to_vec(),
            expiry_token,
            facts: Some(convert::facts(facts)),
            ping_timeout_ms: contexts.ping_timeout().as_millis() as u32,
        })
    }
}

fn prepare(
    store: &dyn DirectoryStore,
    request: &BackupPrepareRequest,
) -> Result<Box<dyn BackupSet>> {
    let backup_type = BackupType::from_number(request.backup_type)?;
    if store.mode() == Mode::Restore {
        return Err(Error::new(
            ResultCode::RESTORE_IN_PROGRESS,
            "the directory is offline (restore mode), so it cannot be backed up; start the service \
             in normal mode",
        ));
    }
    if backup_type != BackupType::Full && store.incrementals_disabled()? {
        return Err(ResultCode::INCREMENTAL_BACKUP_DISABLED.into());
    }
    if backup_type == BackupType::Incremental {
        return Err(Error::new(
            ResultCode::INVALID_PARAMETER,
            "backups of type 4 (incremental) were never supported; request the logs only (type 2) \
             or everything (type 1)",
        ));
    }
    store.begin_backup(BackupOptions {
        logs_only: backup_type == BackupType::LogsOnly,
        allow_corrupt: request.allow_corrupt,
    })
}

/// The token of a backup that begins now.
fn token(facts: &DirectoryFacts) -> Result<Vec<u8>> {
    let signature = DatabaseSignature::try_from(facts.database_signature.as_slice())
        .map_err(|_| Error::new(ResultCode::ERROR, "the store gave no database signature"))?;
    let token = ExpiryToken {
        created: clock::now(),
        tombstone_lifetime_days: facts.tombstone_lifetime_days,
        signature,
    };
    Ok(token.to_bytes())
}
