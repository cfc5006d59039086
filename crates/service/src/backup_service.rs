//! The interface ad_backup.

use std::time::{SystemTime, UNIX_EPOCH};

use contract::{BackupType, DatabaseSignature, Error, ExpiryToken, Result, ResultCode};
use tonic::{Request, Response, Status};
use wire::v1::ad_backup_server::AdBackup;
use wire::v1::{
    BackupPrepareRequest, BackupPrepareResponse, ContextRequest, DirectoryFacts, Done, FileList,
    OpenFileRequest, OpenFileResponse, TruncateLogsResponse,
};

use crate::backup_context::BackupContext;
use crate::caller::Wanted;
use crate::calls::Calls;
use crate::contexts::Work;
use crate::store::{BackupOptions, BackupSet, DirectoryStore, Mode};
use crate::transfer::Transfer;

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
        let caller = self.calls.caller(&request, Wanted::Backup)?;
        let request = request.into_inner();
        let set = self
            .calls
            .store(move |store| prepare(store, &request))
            .await?;
        let facts = set.facts();
        let expiry_token = token(&facts).map_err(|error| wire::to_status(&error))?;
        let contexts = &self.calls.contexts;
        let handle = contexts
            .add(caller.connection, Work::Backup(BackupContext::new(set)))
            .map_err(|error| wire::to_status(&error))?;
        tracing::info!(state = facts.state, "a backup begins");
        Ok(Response::new(BackupPrepareResponse {
            handle: handle.to_vec(),
            expiry_token,
            facts: Some(facts),
            ping_timeout_ms: contexts.ping_timeout().as_millis() as u32,
        }))
    }

    async fn hr_r_backup_end(&self, request: Request<ContextRequest>) -> Answer<Done> {
        let caller = self.calls.caller(&request, Wanted::Backup)?;
        let handle = request.into_inner().handle;
        // A restore is not ended here.
        self.calls.backup(&caller, &handle, |_, _| Ok(())).await?;
        self.calls.end(&caller, handle).await?;
        tracing::info!("a backup ended");
        Ok(Response::new(Done {}))
    }

    async fn hr_r_backup_get_attachment_information(
        &self,
        request: Request<ContextRequest>,
    ) -> Answer<FileList> {
        let caller = self.calls.caller(&request, Wanted::Backup)?;
        let files = self
            .calls
            .backup(&caller, &request.get_ref().handle, |backup, _| {
                backup.database_files().map(<[_]>::to_vec)
            })
            .await?;
        Ok(Response::new(FileList { files }))
    }

    async fn hr_r_backup_open_file(
        &self,
        request: Request<OpenFileRequest>,
    ) -> Answer<OpenFileResponse> {
        let caller = self.calls.caller(&request, Wanted::Backup)?;
        let OpenFileRequest {
            handle,
            name,
            read_hint,
        } = request.into_inner();
        let size = self
            .calls
            .backup(&caller, &handle, move |backup, life| {
                backup.open(&name, read_hint, life)
            })
            .await?;
        Ok(Response::new(OpenFileResponse { size }))
    }

    type HrRBackupReadStream = Transfer;

    async fn hr_r_backup_read(&self, request: Request<ContextRequest>) -> Answer<Transfer> {
        let caller = self.calls.caller(&request, Wanted::Backup)?;
        let transfer = self
            .calls
            .backup(&caller, &request.get_ref().handle, |backup, life| {
                backup.read(life.clone())
            })
            .await?;
        Ok(Response::new(transfer))
    }

    async fn hr_r_backup_close(&self, request: Request<ContextRequest>) -> Answer<Done> {
        let caller = self.calls.caller(&request, Wanted::Backup)?;
        self.calls
            .backup(&caller, &request.get_ref().handle, |backup, _| {
                backup.close()
            })
            .await?;
        Ok(Response::new(Done {}))
    }

    async fn hr_r_backup_get_backup_logs(
        &self,
        request: Request<ContextRequest>,
    ) -> Answer<FileList> {
        let caller = self.calls.caller(&request, Wanted::Backup)?;
        let files = self
            .calls
            .backup(&caller, &request.get_ref().handle, |backup, _| {
                backup.log_files().map(<[_]>::to_vec)
            })
            .await?;
        Ok(Response::new(FileList { files }))
    }

    async fn hr_r_backup_truncate_logs(
        &self,
        request: Request<ContextRequest>,
    ) -> Answer<TruncateLogsResponse> {
        let caller = self.calls.caller(&request, Wanted::Backup)?;
        let truncation = self
            .calls
            .backup(&caller, &request.get_ref().handle, |backup, _| {
                backup.truncate_logs()
            })
            .await?;
        tracing::info!(
            deleted = truncation.deleted.len(),
            kept = truncation.kept_because,
            "truncated the logs"
        );
        Ok(Response::new(TruncateLogsResponse {
            deleted: truncation.deleted,
            kept_because: truncation.kept_because,
        }))
    }

    async fn hr_r_backup_ping(&self, request: Request<ContextRequest>) -> Answer<Done> {
        let caller = self.calls.caller(&request, Wanted::Either)?;
        // Any call is a sign of life; this one does nothing else, for backups and restores.
        self.calls.call(&caller, &request.get_ref().handle)?;
        Ok(Response::new(Done {}))
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
            "the directory is offline (restore mode), so it cannot be backed up; start the service in normal mode",
        ));
    }
    if backup_type != BackupType::Full {
        if store.incrementals_disabled()? {
            return Err(ResultCode::INCREMENTAL_BACKUP_DISABLED.into());
        }
        return Err(Error::new(
            ResultCode::INVALID_PARAMETER,
            "only full backups (type 1) are offered; logs-only and incremental ones are not",
        ));
    }
    store.begin_backup(BackupOptions {
        allow_corrupt: request.allow_corrupt,
    })
}

/// The token of a backup that begins now.
fn token(facts: &DirectoryFacts) -> Result<Vec<u8>> {
    let signature = DatabaseSignature::try_from(facts.database_signature.as_slice())
        .map_err(|_| Error::new(ResultCode::ERROR, "the store gave no database signature"))?;
    let token = ExpiryToken {
        created: SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs()),
        tombstone_lifetime_days: facts.tombstone_lifetime_days,
        signature,
    };
    Ok(token.to_bytes())
}
