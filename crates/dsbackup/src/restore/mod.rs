//! `dsbackup restore`: a snapshot back into a service in restore mode, or into a plain folder.

mod copy;
mod into_domain;
mod into_folder;
mod into_service;
mod invocation_id;
mod plan;
mod send;

use std::path::Path;

use contract::FileType;
use model::DirectoryIdentity;
use model::manifest::{MANIFEST_PATH, Manifest, TOKEN_PATH};
use repository::{OpenSnapshot, Repository, SnapshotInfo};
use serde::Serialize;

use self::invocation_id::InvocationId;
use self::plan::{Places, Plan};
use crate::choice;
use crate::cli::RestoreOptions;
use crate::failure::{Failure, Outcome, Result};
use crate::report::{Report, bytes};
use crate::snapshots::SMALL_FILE_LIMIT;

/// A snapshot that is to be restored.
pub struct Restorable {
    id: String,
    content: OpenSnapshot,
    /// What it says of itself.
    pub manifest: Manifest,
    token: Vec<u8>,
}

impl Restorable {
    /// Opens a snapshot of a repository.
    ///
    /// # Errors
    /// When it is damaged, or none of ours.
    pub fn open(repository: &Repository, snapshot: &SnapshotInfo) -> Result<Self> {
        let content = repository.open_snapshot(snapshot)?;
        Ok(Self {
            id: snapshot.id.clone(),
            manifest: Manifest::from_json(&content.read(MANIFEST_PATH, SMALL_FILE_LIMIT)?)?,
            token: content.read(TOKEN_PATH, SMALL_FILE_LIMIT)?,
            content,
        })
    }

    /// Server, directory and time of the snapshot, in a line.
    pub fn in_words(&self) -> String {
        let manifest = &self.manifest;
        let directory = match &manifest.directory {
            Some(directory) => format!(
                "domain controller {} of {}",
                directory.server, directory.domain
            ),
            None => (manifest.files.iter())
                .find(|file| file.file_type() == FileType::DATABASE)
                .map_or("a directory".into(), |file| file.original.clone()),
        };
        format!(
            "snapshot {} of the server {} ({directory}), taken {}",
            &self.id[..self.id.len().min(8)],
            manifest.server,
            manifest.created
        )
    }

    /// Writes all files into one empty folder, each verified against the SHA-256 of the backup.
    ///
    /// # Errors
    /// When they do not fit, or at the first that cannot be written or is not what was backed up.
    pub fn copy_into(&self, folder: &Path, report: Report) -> Result<()> {
        let plan = Plan::new(
            &self.manifest,
            &Places::in_one_folder(&self.manifest, folder),
        )?;
        plan.check_space()?;
        copy::carry_out(&plan, &self.content, report)
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Summary {
    snapshot: String,
    /// The server that was backed up.
    server: String,
    /// Its directory, where the snapshot's database told it.
    directory: Option<DirectoryIdentity>,
    /// When the backup began, RFC 3339, UTC.
    time: String,
    restored_to: String,
    files: usize,
    bytes: u64,
    state: String,
    damaged: bool,
    invocation_id: InvocationId,
}

/// Restores a snapshot.
///
/// # Errors
/// Before anything is touched: whatever is refused. After that the directory stays locked, and the message says so.
pub fn run(options: &RestoreOptions, report: Report) -> Result<Outcome> {
    let repository = crate::open_repository(&options.repository)?;
    let _lock = crate::lock::for_reading(&repository, options.lock, report)?;
    let mut service = match options.target {
        None => Some(crate::server_of(&options.server)?),
        Some(_) => None,
    };
    let own = match &service {
        Some(service) => ntdsbcli::server_name(service).map_err(Failure::at("DsIsNTDSOnline"))?,
        None => None,
    };
    let server = options.server_name.as_deref().or(own.as_deref());
    let snapshot = choice::find(&repository, &options.snapshot, server)?;
    let restorable = Restorable::open(&repository, &snapshot)?;
    report.step(restorable.in_words());
    let how = options.new_invocation_id;
    match &options.target {
        Some(target) if invocation_id::is_of_installed_ntds(target) => {
            let place = format!("{}: here an installed NTDS starts", target.display());
            invocation_id::check(&restorable, how, &place)?;
        }
        Some(_) => {}
        None => invocation_id::check(&restorable, how, "into a service")?,
    }
    let restored_to = match (&options.target, &options.new_server.first_domain_controller) {
        (Some(target), Some(name)) => {
            into_domain::run(&restorable, target, name, &options.new_server, report)?
        }
        (Some(target), None) => {
            let (name, leftover) =
                into_folder::run(&restorable, target, options.ignore_expiry, report)?;
            leftover.finished();
            name
        }
        (None, _) => {
            let service = service.get_or_insert_with(ntdsbcli::Server::local);
            into_service::run(&restorable, service, report)?
        }
    };
    let here = match &service {
        Some(service) if service.is_remote() => None,
        _ => Some(Path::new(&restored_to)),
    };
    let is_new = service.is_some() || options.new_server.first_domain_controller.is_some();
    let invocation_id =
        invocation_id::conclude(&restorable, how, here, service.is_some(), is_new, report)?;
    let manifest = &restorable.manifest;
    if manifest.damaged {
        report.warn("this snapshot was stored with damage in it, and restored as it was stored");
    }
    let summary = Summary {
        snapshot: restorable.id.clone(),
        server: manifest.server.clone(),
        directory: manifest.directory.clone(),
        time: manifest.created.clone(),
        restored_to,
        files: manifest.files.len(),
        bytes: manifest.files.iter().map(|file| file.size).sum(),
        state: manifest.database.state.clone(),
        damaged: manifest.damaged,
        invocation_id,
    };
    report.result(&summary, || {
        format!(
            "restored {} files ({}) of snapshot {} to {}; every file has the SHA-256 of the backup",
            summary.files,
            bytes(summary.bytes),
            snapshot.short_id(),
            summary.restored_to
        )
    })?;
    Ok(crate::outcome_of(&repository, true, report))
}
