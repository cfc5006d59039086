//! `dsbackup backup`: the nine steps of the walk-through, into a repository.

use std::collections::VecDeque;
use std::io::Read;
use std::time::{Instant, SystemTime};

use contract::{ExpiryToken, FileType, READ_SIZE_MINIMUM, READ_SIZE_UNIT, ResultCode};
use ids::hex;
use indicatif::ProgressBar;
use model::manifest::{self, MANIFEST_PATH, Manifest, TOKEN_PATH};
use model::{Damage, FileEntry};
use ntdsbcli::{BackupContext, Server};
use repository::{
    BackupRequest, BoxError, ChunkSize, Durability, Lock, NewFile, Repository, Source, SourceFile,
    StoredFile,
};
use serde::Serialize;

use crate::cli::BackupOptions;
use crate::failure::{Failure, Outcome, Result};
use crate::report::{Report, bytes, count};
use crate::{TOOL, drill, lock, server_of, time};

/// How much is read from the service at once.
const READ_SIZE: u32 = 1 << 20;

/// What `--json` prints.
#[derive(Serialize)]
struct Summary {
    snapshot: String,
    server: String,
    state: String,
    files: usize,
    bytes: u64,
    new_bytes: u64,
    stored_bytes: u64,
    damaged: bool,
    /// Whether the store promises that the snapshot survives a power cut.
    durable: bool,
    truncated: Vec<String>,
    /// Why the other logs were kept.
    kept_because: String,
    seconds: f64,
}

/// Backs up the directory of a service.
///
/// # Errors
/// When any step fails: then there is no snapshot, unless the message says so.
pub fn run(options: &BackupOptions, report: Report) -> Result<Outcome> {
    let begin = Instant::now();
    let repository = crate::open_repository(&options.repository)?;
    let lock = lock::shared(&repository, options.retry)?;
    let server = server_of(&options.server)?;

    check_online(&server, report)?;
    let mut context = BackupContext::prepare(
        &server,
        ntdsbcli::BackupOptions {
            allow_corrupt: options.allow_corrupt,
            ..ntdsbcli::BackupOptions::full()
        },
    )
    .map_err(Failure::at("DsBackupPrepare"))?;
    let facts = context.facts().clone();
    report.step(format!(
        "[2/9] DsBackupPrepare: {}, {}{}",
        facts.server,
        facts.state,
        match facts.required {
            Some(required) => format!(", log generations {required} make it whole"),
            None => String::new(),
        }
    ));
    for warning in &facts.warnings {
        report.warn(warning);
    }

    let stored = store(&repository, &lock, &mut context, options, report)?;
    let damaged = stored.manifest.damaged;
    let id = stored.backup.snapshot.id.clone();
    let durability = repository.durability();
    report.step(format!(
        "      snapshot {} is {}",
        stored.backup.snapshot.short_id(),
        match durability {
            Durability::Promised => "durable".to_owned(),
            Durability::NotPromised(why) => format!("stored, but perhaps not durable: {why}"),
        }
    ));
    drill::move_verdicts(&repository, &lock, report);

    let keep = match durability {
        _ if damaged => Some("damage was found".to_owned()),
        _ if options.keep_logs => Some("--keep-logs".to_owned()),
        Durability::NotPromised(why) if !options.trust_store => Some(format!(
            "{why}, so a power cut may take the snapshot away; --trust-store truncates all the same"
        )),
        _ => None,
    };
    let (truncated, kept_because) = match keep {
        Some(why) => {
            report.step(format!("[6/9] DsBackupTruncateLogs: left out ({why})"));
            (Vec::new(), why)
        }
        None => truncate(&repository, &lock, &mut context, &stored, report)?,
    };
    report.step(format!(
        "[7/9] The expiry token is saved in the snapshot: restorable until {}",
        stored.manifest.expires
    ));
    report.step("[8/9] DsBackupFree: the token's memory is released");
    context.end().map_err(Failure::at("DsBackupEnd"))?;
    report.step("[9/9] DsBackupEnd");

    let summary = Summary {
        snapshot: id,
        server: facts.server,
        state: facts.state,
        files: stored.manifest.files.len(),
        bytes: stored.manifest.files.iter().map(|file| file.size).sum(),
        new_bytes: stored.backup.new_bytes,
        stored_bytes: stored.backup.stored_bytes,
        damaged,
        durable: durability == Durability::Promised,
        truncated,
        kept_because,
        seconds: begin.elapsed().as_secs_f64(),
    };
    let written = report.result(&summary, || {
        format!(
            "snapshot {} of {}: {}, {}; {} new, {} stored, {:.1} s{}",
            stored.backup.snapshot.short_id(),
            summary.server,
            count(summary.files, "file"),
            bytes(summary.bytes),
            bytes(summary.new_bytes),
            bytes(summary.stored_bytes),
            summary.seconds,
            match durability {
                Durability::Promised => String::new(),
                Durability::NotPromised(why) => format!("; not known to be durable: {why}"),
            }
        )
    });
    if damaged {
        for file in stored
            .manifest
            .files
            .iter()
            .filter(|file| file.damage.is_some())
        {
            for line in file.damage.iter().flat_map(|damage| &damage.first) {
                report.warn(line);
            }
        }
        report.warn("the snapshot is marked as damaged");
    }
    written?;
    Ok(match damaged {
        true => Outcome::DamageFound,
        false => Outcome::Done,
    })
}

fn check_online(server: &Server, report: Report) -> Result<()> {
    if ntdsbcli::is_ntds_online(server).map_err(Failure::at("DsIsNTDSOnline"))? {
        report.step("[1/9] DsIsNTDSOnline: the directory is online");
        return Ok(());
    }
    Err(Failure::Refused(
        "the directory is offline (stopped, or in directory services restore mode), so it cannot be backed up: \
         start it, and the service without --restore-mode"
            .into(),
    ))
}

/// Step 6. What may go is read back from the repository first, decrypted and compared with what the server gave: after
/// this the repository has the last word on it.
fn truncate(
    repository: &Repository,
    lock: &Lock,
    context: &mut BackupContext,
    stored: &Stored,
    report: Report,
) -> Result<(Vec<String>, String)> {
    let may_go: Vec<&str> = stored.manifest.logs_below_the_required().collect();
    repository.prove(lock, &stored.backup, may_go.iter().copied())?;
    report.step(format!(
        "      {} read back from the repository and compared",
        count(may_go.len(), "log")
    ));
    let logs = context.truncate_logs().map_err(|error| Failure::Contract {
        step: "snapshot is durable, but DsBackupTruncateLogs failed",
        source: error,
    })?;
    report.step(format!(
        "[6/9] DsBackupTruncateLogs: {} deleted{}",
        count(logs.deleted.len(), "log"),
        if logs.kept_because.is_empty() {
            String::new()
        } else {
            format!("; {}", logs.kept_because)
        }
    ));
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
    options: &BackupOptions,
    report: Report,
) -> Result<Stored> {
    let token =
        ExpiryToken::from_bytes(context.expiry_token()).map_err(Failure::at("DsBackupPrepare"))?;
    let now = SystemTime::now();
    let facts = context.facts().clone();
    let draft = Manifest {
        format: manifest::FORMAT,
        tool: TOOL.to_owned(),
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
    };
    let files = context
        .database_names()
        .map_err(Failure::at("DsBackupGetDatabaseNames"))?;
    report.step(format!(
        "[3/9] DsBackupGetDatabaseNames: {}",
        count(files.len(), "database file")
    ));
    let bar = report.progress(files.iter().map(|file| file.size).sum());
    let mut walk = Walk {
        context,
        waiting: files.into(),
        logs_listed: false,
        read: Vec::new(),
        manifest: draft,
        report,
        bar: bar.clone(),
    };
    let request = BackupRequest {
        host: facts.server,
        path: repository::WHOLE.to_owned(),
        label: facts.store_kind,
        tags: options.tags.clone(),
        time: now,
        program: TOOL.to_owned(),
    };
    let result = repository.backup(lock, &request, &mut walk, &mut |read| {
        bar.set_position(read);
    });
    bar.finish_and_clear();
    let manifest = walk.manifest;
    let backup = result.map_err(|error| match error {
        repository::Error::Source(source) => match source.downcast::<contract::Error>() {
            Ok(source) => Failure::Contract {
                step: "reading the directory; no snapshot was made",
                source: *source,
            },
            Err(source) => Failure::Repository(repository::Error::Source(source)),
        },
        error => Failure::Repository(error),
    })?;
    Ok(Stored { backup, manifest })
}

/// The walk over the files of the backup, as a source for the repository: databases first, then logs.
struct Walk<'a> {
    context: &'a mut BackupContext,
    waiting: VecDeque<FileEntry>,
    logs_listed: bool,
    /// The files that were read, with the damage found in them.
    read: Vec<(FileEntry, Damage)>,
    manifest: Manifest,
    report: Report,
    bar: ProgressBar,
}

impl Source for Walk<'_> {
    fn next(&mut self) -> Result<Option<SourceFile<'_>>, BoxError> {
        if !self.read.is_empty() {
            self.context.close()?;
        }
        if self.waiting.is_empty() && !self.logs_listed {
            self.logs_listed = true;
            self.waiting = self.context.backup_logs()?.into();
            self.report.step(format!(
                "[5/9] DsBackupGetBackupLogs: {}",
                count(self.waiting.len(), "file")
            ));
            self.bar
                .inc_length(self.waiting.iter().map(|file| file.size).sum());
        }
        let Some(file) = self.waiting.pop_front() else {
            return Ok(None);
        };
        let size = self.context.open_file(&file.name, READ_SIZE)?;
        self.report.step(format!(
            "[{}/9] DsBackupOpenFile, DsBackupRead, DsBackupClose: {} ({})",
            if self.logs_listed { 5 } else { 4 },
            file.base_name(),
            bytes(size)
        ));
        self.bar.set_message(file.base_name().to_owned());
        let (path, modified) = (path_in_snapshot(&file), file.modified);
        let chunk_size = chunk_size(&self.manifest.store, file.file_type);
        let prove = file.file_type == FileType::LOG;
        self.read.push((file, Damage::default()));
        let (_, damage) = self.read.last_mut().expect("just pushed");
        let content = FileContent {
            context: self.context,
            damage,
            buffer: Vec::new(),
            taken: 0,
        };
        Ok(Some(SourceFile {
            path,
            size,
            modified,
            chunk_size,
            prove,
            content: Box::new(content),
        }))
    }

    fn finish(&mut self, stored: &[StoredFile]) -> Result<Vec<NewFile>, BoxError> {
        self.manifest.files = self
            .read
            .iter()
            .zip(stored)
            .map(|((file, damage), stored)| manifest::File {
                file_type: file.file_type.word().to_owned(),
                path: stored.path.clone(),
                original: file.name.clone(),
                size: stored.size,
                sha256: hex::encode(&stored.sha256),
                modified: time::from_system(file.modified),
                generation: file.generation,
                damage: (damage.count > 0).then(|| damage.clone()),
                more: Default::default(),
            })
            .collect();
        self.manifest.damaged = self.manifest.files.iter().any(|file| file.damage.is_some());
        Ok(vec![
            NewFile {
                path: TOKEN_PATH.to_owned(),
                content: self.context.expiry_token().to_vec(),
            },
            NewFile {
                path: MANIFEST_PATH.to_owned(),
                content: self.manifest.to_json(),
            },
        ])
    }
}

/// Where a file lies in the snapshot: where the service says, or else by the folder that it belongs into.
fn path_in_snapshot(file: &FileEntry) -> String {
    if let Some(place) = &file.place {
        return place.clone();
    }
    let folder = match file.file_type {
        FileType::CHECKPOINT => "checkpoint",
        file_type if file_type.belongs_to_database_directory() => "database",
        file_type if file_type.belongs_to_log_directory() => "logs",
        _ => "other",
    };
    format!("{folder}/{}", file.base_name())
}

/// The size of the chunks that a file is cut into. Samba's databases compress well, and a changed object changes a few pages far apart: the
/// figures are in `docs/samba.md`, those of other databases in `docs/repository.md`.
fn chunk_size(store_kind: &str, file_type: FileType) -> ChunkSize {
    match file_type {
        FileType::DATABASE if store_kind == samba::STORE_KIND => ChunkSize::Small,
        _ => ChunkSize::Standard,
    }
}

/// The open file as a stream: any number of bytes at a time, where DsBackupRead wants whole units.
struct FileContent<'a> {
    context: &'a mut BackupContext,
    damage: &'a mut Damage,
    /// Bytes that did not fit into a small buffer of the reader's.
    buffer: Vec<u8>,
    taken: usize,
}

impl FileContent<'_> {
    fn read_units(
        context: &mut BackupContext,
        damage: &mut Damage,
        into: &mut [u8],
    ) -> std::io::Result<usize> {
        match context.read(into) {
            Ok(length) => Ok(length),
            Err(error) if error.code == ResultCode::HANDLE_EOF => {
                *damage = context.damage().cloned().unwrap_or_default();
                Ok(0)
            }
            Err(error) => Err(std::io::Error::other(error)),
        }
    }
}

impl Read for FileContent<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        if self.taken == self.buffer.len() {
            if into.len() >= READ_SIZE_MINIMUM as usize {
                let units = into.len() - into.len() % READ_SIZE_UNIT as usize;
                return Self::read_units(self.context, self.damage, &mut into[..units]);
            }
            self.buffer.resize(READ_SIZE as usize, 0);
            let length = Self::read_units(self.context, self.damage, &mut self.buffer)?;
            self.buffer.truncate(length);
            self.taken = 0;
        }
        let rest = &self.buffer[self.taken..];
        let length = rest.len().min(into.len());
        into[..length].copy_from_slice(&rest[..length]);
        self.taken += length;
        Ok(length)
    }
}
