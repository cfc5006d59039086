//! A snapshot back into a service in restore mode, or into a plain folder.

mod copy;
mod into_domain;
mod into_folder;
mod into_service;
mod invocation_id;
mod part;
mod plan;
mod send;

use std::path::Path;

use ese::recovery::{Options, Stop};
use model::manifest::File;
use model::{DirectoryIdentity, Manifest};
use ntdsbcli::Server;
use samba::NewServer;
use serde::Serialize;

pub use self::invocation_id::{InvocationId, NewInvocationId};
pub use self::part::Part;
use self::plan::{Places, Plan};
use crate::error::Result;
use crate::report::{Report, of_recovery};
use crate::snapshot::Snapshot;

/// What is asked of a restore.
#[derive(Debug)]
pub struct RestoreRequest<'a> {
    /// Where to.
    pub destination: Destination<'a>,
    /// How the directory of an NTDS gets a new invocation id; needed where a directory service
    /// starts from what is restored.
    pub new_invocation_id: Option<NewInvocationId>,
}

/// Where a snapshot is restored to.
#[derive(Debug)]
pub enum Destination<'a> {
    /// Into a service, by the seven steps of the walk-through.
    Service {
        /// The service.
        server: &'a Server,
        /// Refuse a service whose database is not within this folder (symbolic links resolved).
        directory: Option<&'a Path>,
    },
    /// Into a folder that is empty or does not exist.
    Folder {
        /// The folder.
        path: &'a Path,
        /// Whether a snapshot whose expiry token has run out is restored all the same, to look at
        /// it.
        ignore_expiry: bool,
        /// Replay the logs up to this point; without it the database needs them still.
        until: Option<Stop>,
    },
    /// Into such a folder as the first domain controller of a Samba domain that has lost all
    /// others.
    NewDomain {
        /// The folder.
        path: &'a Path,
        /// The new server.
        server: NewServer<'a>,
    },
}

/// What a restore did.
#[derive(Debug, Serialize)]
pub struct RestoreReport {
    /// The snapshot, its whole id.
    pub snapshot: String,
    /// The server that was backed up.
    pub server: String,
    /// Its directory, where the snapshot's database told it.
    pub directory: Option<DirectoryIdentity>,
    /// When the backup began, RFC 3339, UTC.
    pub time: String,
    /// The folder.
    pub restored_to: String,
    /// Files that were restored.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// The database's state at the backup.
    pub state: String,
    /// The generations that were replayed, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replayed: Option<String>,
    /// Whether the backup stored damage, which was restored with it.
    pub damaged: bool,
    /// What became of the invocation id.
    pub invocation_id: InvocationId,
}

/// Restores a snapshot.
///
/// # Errors
/// Before anything is touched: whatever is refused. After that the directory stays locked, and the
/// message says so.
pub fn restore(
    snapshot: &Snapshot,
    request: &RestoreRequest<'_>,
    report: &dyn Report,
) -> Result<RestoreReport> {
    let how = request.new_invocation_id;
    match &request.destination {
        Destination::Service { .. } => invocation_id::check(snapshot, how, "into a service")?,
        Destination::Folder { path, .. } | Destination::NewDomain { path, .. } => {
            if invocation_id::is_of_installed_ntds(path) {
                let place = format!("{}: here an installed NTDS starts", path.display());
                invocation_id::check(snapshot, how, &place)?;
            }
        }
    }
    let mut replayed = None;
    let restored_to = match &request.destination {
        Destination::Service { server, directory } => {
            into_service::run(snapshot, server, *directory, report)?
        }
        Destination::NewDomain { path, server } => {
            into_domain::run(snapshot, path, server, report)?
        }
        Destination::Folder {
            path,
            ignore_expiry,
            until,
        } => {
            let done = into_folder::run(snapshot, path, *ignore_expiry, *until, report)?;
            done.leftover.finished();
            replayed = done.replayed;
            done.folder
        }
    };
    let here = match &request.destination {
        Destination::Service { server, .. } if server.is_remote() => None,
        _ => Some(Path::new(&restored_to)),
    };
    let is_new = !matches!(request.destination, Destination::Folder { .. });
    let by_service = matches!(request.destination, Destination::Service { .. });
    let invocation_id = invocation_id::conclude(snapshot, how, here, by_service, is_new, report)?;
    let manifest = &snapshot.manifest;
    let restored: Vec<&File> = match by_service {
        true => files_in_place(manifest),
        false => manifest.files.iter().collect(),
    };
    if manifest.damaged {
        report.warn("this snapshot was stored with damage in it, and restored as it was stored");
    }
    Ok(RestoreReport {
        snapshot: snapshot.id.clone(),
        server: manifest.server.clone(),
        directory: manifest.directory.clone(),
        time: manifest.created.clone(),
        files: restored.len(),
        bytes: restored.iter().map(|file| file.size).sum(),
        state: manifest.database.state.clone(),
        damaged: manifest.damaged,
        restored_to,
        replayed,
        invocation_id,
    })
}

/// The files that a restore in place writes. It leaves out those beside a database, such as registry
/// hives and SYSVOL: the server has its own, which partners keep up to date.
pub(crate) fn files_in_place(manifest: &Manifest) -> Vec<&File> {
    let files = manifest.files.iter();
    files
        .filter(|file| manifest.is_tree() || !file.is_state())
        .collect()
}

/// The recovery of the database that was restored into one folder with its logs.
pub(crate) fn recovery(manifest: &Manifest, folder: &Path, report: &dyn Report) -> Options {
    Options::new(folder)
        .database(plan::database_name(manifest))
        .log_base_name(&manifest.log_base_name)
        .progress(of_recovery(report.begin(0)))
}

/// Writes all files into one empty folder, each verified against the SHA-256 of the backup.
///
/// # Errors
/// When they do not fit, or at the first that cannot be written or is not what was backed up.
pub(crate) fn copy_into(snapshot: &Snapshot, folder: &Path, report: &dyn Report) -> Result<()> {
    let places = Places::in_one_folder(&snapshot.manifest, folder);
    let plan = Plan::new(&snapshot.manifest, &places)?;
    plan.check_space()?;
    copy::carry_out(&plan, &snapshot.content, report)
}

/// Writes some files of a snapshot of a tree into an empty folder, each verified against the SHA-256
/// of the backup.
///
/// # Errors
/// As [`copy_into`].
pub(crate) fn copy_some_into(
    snapshot: &Snapshot,
    is_wanted: impl Fn(&File) -> bool,
    folder: &Path,
    report: &dyn Report,
) -> Result<()> {
    let mut plan = Plan::new(
        &snapshot.manifest,
        &Places::in_one_folder(&snapshot.manifest, folder),
    )?;
    plan.files.retain(|planned| is_wanted(planned.file));
    plan.check_space()?;
    copy::carry_out(&plan, &snapshot.content, report)
}
