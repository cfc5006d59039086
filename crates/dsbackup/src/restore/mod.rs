//! `dsbackup restore`: a snapshot back into a service in restore mode, or into a plain folder.

mod copy;
mod into_folder;
mod into_service;
mod plan;

use repository::OpenSnapshot;
use serde::Serialize;

use crate::cli::RestoreOptions;
use crate::failure::{Outcome, Result};
use crate::manifest::{MANIFEST_PATH, Manifest, TOKEN_PATH};
use crate::report::{Report, bytes};
use crate::snapshots::SMALL_FILE_LIMIT;

/// A snapshot that is to be restored.
struct Restorable {
    id: String,
    content: OpenSnapshot,
    manifest: Manifest,
    token: Vec<u8>,
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
    let snapshot = repository.snapshot(&options.snapshot)?;
    let content = repository.open_snapshot(&snapshot)?;
    let restorable = Restorable {
        id: snapshot.id.clone(),
        manifest: Manifest::from_json(&content.read(MANIFEST_PATH, SMALL_FILE_LIMIT)?)?,
        token: content.read(TOKEN_PATH, SMALL_FILE_LIMIT)?,
        content,
    };
    let restored_to = match &options.target {
        Some(target) => into_folder::run(&restorable, target, options.ignore_expiry, report)?,
        None => into_service::run(&restorable, &crate::server_of(&options.server)?, report)?,
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
    });
    Ok(Outcome::Done)
}
