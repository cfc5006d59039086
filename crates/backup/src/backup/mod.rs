//! The nine steps of the walk-through of a backup, into a repository.

mod source;

use std::path::PathBuf;
use std::time::SystemTime;

use contract::{ExpiryToken, FileType};
use ids::hex;
use model::manifest::{self, Manifest};
use ntdsbcli::{BackupContext, Server};
use repository::{Durability, Lock, Repository};
use serde::Serialize;

use self::source::Walk;
use crate::error::{Error, Result};
use crate::report::Report;
use crate::tip::Tip;
use crate::words::count;
use crate::{PROGRAM, drill, hosting, time};

/// What is asked of a backup.
#[derive(Debug, Clone, Default)]
pub struct BackupRequest {
    /// Store damage and mark the snapshot, instead of failing at the first.
    pub allow_corrupt: bool,
    /// Truncate no logs.
    pub keep_logs: bool,
    /// Truncate logs although the store does not promise that the snapshot survives a power cut.
    pub trust_store: bool,
    /// Back up only the logs since the newest snapshot of the server.
    pub logs_only: bool,
    /// Words to find the snapshot by.
    pub tags: Vec<String>,
    /// Refuse a service whose databases are not within this folder (symbolic links resolved).
    pub directory: Option<PathBuf>,
}

/// What a backup did.
#[derive(Debug, Serialize)]
pub struct BackupReport {
    /// The snapshot, its whole id.
    pub snapshot: String,
    /// The server that was backed up.
    pub server: String,
    /// Of a backup of logs alone: the snapshot that it continues, its whole id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continues: Option<String>,
    /// The database's state.
    pub state: String,
    /// Files in the snapshot.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes that the repository did not have.
    pub new_bytes: u64,
    /// Bytes that it grew by.
    pub stored_bytes: u64,
    /// Whether damage was found, and stored.
    pub damaged: bool,
    /// Whether the store promises that the snapshot survives a power cut.
    pub durable: bool,
    /// The logs that were deleted on the server.
    pub truncated: Vec<String>,
    /// Why the other logs were kept.
    pub kept_because: String,
    /// Whether logs were kept only because the store does not promise it, and is not trusted.
    #[serde(skip)]
    pub kept_for_durability: bool,
    /// Why the store does not promise it.
    #[serde(skip)]
    pub not_durable: Option<&'static str>,
    /// The damage, in words.
    #[serde(skip)]
    pub damage: Vec<String>,
}

/// Backs up the directory of a service.
///
/// # Errors
/// When any step fails: then there is no snapshot, unless the message says so.
pub fn backup(
    repository: &Repository,
    lock: &Lock,
    server: &Server,
    request: &BackupRequest,
    report: &dyn Report,
) -> Result<BackupReport> {
    check_online(server, report)?;
    let continued = match request.logs_only {
        true => Some(begin_after_newest(repository, server, report)?),
        false => None,
    };
    let kind = match continued {
        Some(_) => ntdsbcli::BackupOptions::logs_only(),
        None => ntdsbcli::BackupOptions::full(),
    };
    let mut context = BackupContext::prepare(
        server,
        ntdsbcli::BackupOptions {
            allow_corrupt: request.allow_corrupt,
            ..kind
        },
    )
    .map_err(Error::at("DsBackupPrepare"))?;
    let facts = context.facts().clone();
    report.step(
        2,
        9,
        &format!(
            "DsBackupPrepare: {}, {}{}",
            facts.server,
            facts.state,
            match facts.required {
                Some(required) => format!(", log generations {required} make it whole"),
                None => String::new(),
            }
        ),
    );
    for warning in &facts.warnings {
        report.warn(warning);
    }

    if let Some(tip) = &continued {
        tip.check_database(&hex::encode(&facts.database_signature))?;
    }
    let stored = store(repository, lock, &mut context, continued, request, report)?;
    let damaged = stored.manifest.damaged;
    let id = stored.backup.snapshot.id.clone();
    let durability = repository.durability();
    report.detail(&format!(
        "snapshot {} is {}",
        stored.backup.snapshot.short_id(),
        match durability {
            Durability::Promised => "durable".to_owned(),
            Durability::NotPromised(why) => format!("stored, but perhaps not durable: {why}"),
        }
    ));
    drill::move_verdicts(repository, lock, report);

    let keep = match durability {
        _ if damaged => Some("damage was found".to_owned()),
        _ if request.keep_logs => Some("as requested".to_owned()),
        Durability::NotPromised(why) if !request.trust_store => Some(format!(
            "{why}, so a power cut may take the snapshot away, and the store is not trusted"
        )),
        _ => None,
    };
    let kept_for_durability = !damaged
        && !request.keep_logs
        && !request.trust_store
        && durability != Durability::Promised;
    let (truncated, kept_because) = match keep {
        Some(why) => {
            report.step(6, 9, &format!("DsBackupTruncateLogs: left out ({why})"));
            (Vec::new(), why)
        }
        None => truncate(repository, lock, &mut context, &stored, report)?,
    };
    report.step(
        7,
        9,
        &format!(
            "The expiry token is saved in the snapshot: restorable until {}",
            stored.manifest.expires
        ),
    );
    report.step(8, 9, "DsBackupFree: the token's memory is released");
    context.end().map_err(Error::at("DsBackupEnd"))?;
    report.step(9, 9, "DsBackupEnd");

    let files = &stored.manifest.files;
    Ok(BackupReport {
        snapshot: id,
        server: facts.server,
        continues: stored.manifest.continues.clone(),
        state: facts.state,
        files: files.len(),
        bytes: files.iter().map(|file| file.size).sum(),
        new_bytes: stored.backup.new_bytes,
        stored_bytes: stored.backup.stored_bytes,
        damaged,
        durable: durability == Durability::Promised,
        truncated,
        kept_because,
        kept_for_durability,
        not_durable: match durability {
            Durability::Promised => None,
            Durability::NotPromised(why) => Some(why),
        },
        damage: (files.iter())
            .filter_map(|file| file.damage.as_ref())
            .flat_map(|damage| damage.first.clone())
            .collect(),
    })
}

/// The snapshot that a backup of logs continues. The service is told to begin with its newest log,
/// as another repository may have got the logs since.
fn begin_after_newest(
    repository: &Repository,
    server: &Server,
    report: &dyn Report,
) -> Result<Tip> {
    let name = ntdsbcli::server_name(server).map_err(Error::at("DsIsNTDSOnline"))?;
    let Some(name) = name else {
        return Err(Error::Refused(
            "the service does not say which server it is, so the snapshot to continue is unknown: \
             take a full backup, or update the service"
                .into(),
        ));
    };
    let tip = Tip::of(repository, &name)?;
    ntdsbcli::set_current_backup_log(server, tip.end.generation)
        .map_err(Error::at("DsSetCurrentBackupLog"))?;
    report.detail(&format!(
        "logs from generation {:#x} on, which continue snapshot {}",
        tip.end.generation,
        tip.short_id()
    ));
    Ok(tip)
}

fn check_online(server: &Server, report: &dyn Report) -> Result<()> {
    if ntdsbcli::is_ntds_online(server).map_err(Error::at("DsIsNTDSOnline"))? {
        report.step(1, 9, "DsIsNTDSOnline: the directory is online");
        return Ok(());
    }
    Err(Error::Refused(
        "the directory is offline (stopped, or in directory services restore mode), so it cannot \
         be backed up: start it, and the service in its normal mode"
            .into(),
    ))
}

/// Step 6. What may go is read back from the repository first, decrypted and compared with what the
/// server gave: after this the repository has the last word on it.
fn truncate(
    repository: &Repository,
    lock: &Lock,
    context: &mut BackupContext,
    stored: &Stored,
    report: &dyn Report,
) -> Result<(Vec<String>, String)> {
    let may_go: Vec<&str> = stored.manifest.logs_below_the_required().collect();
    repository.prove(lock, &stored.backup, may_go.iter().copied())?;
    report.detail(&format!(
        "{} read back from the repository and compared",
        count(may_go.len(), "log")
    ));
    let logs = context.truncate_logs().map_err(|error| Error::Contract {
        step: "snapshot is durable, but DsBackupTruncateLogs failed",
        source: error,
    })?;
    report.step(
        6,
        9,
        &format!(
            "DsBackupTruncateLogs: {} deleted{}",
            count(logs.deleted.len(), "log"),
            if logs.kept_because.is_empty() {
                String::new()
            } else {
                format!("; {}", logs.kept_because)
            }
        ),
    );
    Ok((logs.deleted, logs.kept_because))
}

/// A durable snapshot.
struct Stored {
    backup: repository::Backup,
    manifest: Manifest,
}

/// Steps 3 to 5, straight into the repository.
fn store(
    repository: &Repository,
    lock: &Lock,
    context: &mut BackupContext,
    continued: Option<Tip>,
    request: &BackupRequest,
    report: &dyn Report,
) -> Result<Stored> {
    let token =
        ExpiryToken::from_bytes(context.expiry_token()).map_err(Error::at("DsBackupPrepare"))?;
    let now = SystemTime::now();
    let facts = context.facts().clone();
    let draft = Manifest {
        format: manifest::FORMAT,
        tool: PROGRAM.to_owned(),
        created: time::from_seconds(token.created),
        expires: time::from_seconds(token.expires()),
        tombstone_lifetime_days: token.tombstone_lifetime_days,
        server: facts.server.clone(),
        store: facts.store_kind.clone(),
        database: manifest::Database {
            signature: hex::encode(&facts.database_signature),
            state: facts.state.clone(),
            page_size: facts.page_size,
            required: facts.required.map(Into::into),
        },
        directory: facts.directory.clone(),
        log_base_name: facts.log_base_name.clone(),
        logs: facts.logs.map(Into::into),
        files: Vec::new(),
        damaged: false,
        continues: continued.as_ref().map(|tip| tip.id.clone()),
        shipped: false,
    };
    let files = context
        .database_names()
        .map_err(Error::at("DsBackupGetDatabaseNames"))?;
    // Other files of a Samba domain controller, such as smb.conf, have other places.
    let databases = files
        .iter()
        .filter(|file| file.file_type == FileType::DATABASE);
    let names = databases.map(|file| file.name.as_str());
    hosting::check_directory(request.directory.as_deref(), names)?;
    report.step(
        3,
        9,
        &format!(
            "DsBackupGetDatabaseNames: {}",
            count(files.len(), "database file")
        ),
    );
    let bar = report.begin(files.iter().map(|file| file.size).sum());
    let mut walk = Walk::new(context, files, draft, continued, report, &*bar);
    let snapshot = repository::BackupRequest {
        host: facts.server,
        path: repository::WHOLE.to_owned(),
        label: facts.store_kind,
        tags: request.tags.clone(),
        time: now,
        program: PROGRAM.to_owned(),
    };
    let result = repository.backup(lock, &snapshot, &mut walk, &mut |read| bar.set(read));
    let manifest = walk.into_manifest();
    drop(bar);
    let backup = result.map_err(Error::of_backup)?;
    Ok(Stored { backup, manifest })
}
