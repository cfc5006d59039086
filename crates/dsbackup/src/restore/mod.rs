//! `dsbackup restore`: a snapshot back into a service in restore mode, or into a plain folder.

mod copy;
mod into_domain;
mod into_folder;
mod into_service;
mod plan;
mod send;

use std::path::Path;

use model::manifest::{MANIFEST_PATH, Manifest, TOKEN_PATH};
use repository::{OpenSnapshot, Repository, SnapshotInfo};
use serde::Serialize;

use self::plan::{Places, Plan};
use crate::cli::RestoreOptions;
use crate::failure::{Outcome, Result};
use crate::report::{Report, bytes};
use crate::snapshots::{self, SMALL_FILE_LIMIT};

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
    restored_to: String,
    files: usize,
    bytes: u64,
    state: String,
    damaged: bool,
}

/// Restores a snapshot.
///
/// # Errors
/// Before anything is touched: whatever is refused. After that the directory stays locked, and the message says so.
pub fn run(options: &RestoreOptions, report: Report) -> Result<Outcome> {
    let repository = crate::open_repository(&options.repository)?;
    let _lock = crate::lock::for_reading(&repository, options.lock, report)?;
    let snapshot = snapshots::find(&repository, &options.snapshot)?;
    let restorable = Restorable::open(&repository, &snapshot)?;
    let restored_to = match (&options.target, &options.new_server.first_domain_controller) {
        (Some(target), Some(name)) => {
            into_domain::run(&restorable, target, name, &options.new_server, report)?
        }
        (Some(target), None) => {
            into_folder::run(&restorable, target, options.ignore_expiry, report)?
        }
        (None, _) => into_service::run(&restorable, &crate::server_of(&options.server)?, report)?,
    };
    let manifest = &restorable.manifest;
    if manifest.damaged {
        report.warn("this snapshot was stored with damage in it, and restored as it was stored");
    }
    let summary = Summary {
        snapshot: restorable.id.clone(),
        restored_to,
        files: manifest.files.len(),
        bytes: manifest.files.iter().map(|file| file.size).sum(),
        state: manifest.database.state.clone(),
        damaged: manifest.damaged,
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
