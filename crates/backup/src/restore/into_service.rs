//! The restore walk-through: into a service whose directory is offline.

use std::path::{Path, PathBuf};

use contract::{FileType, RestoreType, ResultCode, TypedName};
use ntdsbcli::{DatabaseMap, Registration, RestoreContext, Server};

use super::plan::{Places, Plan};
use super::{copy, plan, send};
use crate::error::{Error, Result};
use crate::hosting;
use crate::report::Report;
use crate::snapshot::Snapshot;
use crate::words::count;

/// Restores into the service, and returns where to.
///
/// # Errors
/// Before DsRestoreRegister nothing is touched; after it, an error leaves the directory unable to
/// start until a restore completes.
pub fn run(
    snapshot: &Snapshot,
    server: &Server,
    directory: Option<&Path>,
    report: &dyn Report,
) -> Result<String> {
    if ntdsbcli::is_ntds_online(server).map_err(Error::at("DsIsNTDSOnline"))? {
        return Err(Error::Refused(
            "the directory is online, so it cannot be restored: stop it, and start the service in \
             restore mode"
                .into(),
        ));
    }
    report.step(1, 7, "DsIsNTDSOnline: the directory is offline");
    let context = RestoreContext::prepare(server, RestoreType::CatchUp, Some(&snapshot.token))
        .map_err(Error::at("DsRestorePrepare"))?;
    report.step(
        2,
        7,
        &format!(
            "DsRestorePrepare: the expiry token is valid until {}",
            snapshot.manifest.expires
        ),
    );
    let locations = context
        .database_locations()
        .map_err(Error::at("DsRestoreGetDatabaseLocations"))?;
    let places = places(&locations)?;
    hosting::check_directory(directory, places.database.to_str())?;
    report.step(
        3,
        7,
        &format!(
            "DsRestoreGetDatabaseLocations: {}",
            places.database.display()
        ),
    );
    let restored = super::files_in_place(&snapshot.manifest);
    let left_out = snapshot.manifest.files.len() - restored.len();
    if left_out > 0 {
        report.note(&format!(
            "{} of the registry and SYSVOL stay in the snapshot: the registry of this server is its \
             own, and its partners keep SYSVOL up to date (restore --target gives these files)",
            count(left_out, "file")
        ));
    }
    let work = if server.is_remote() {
        send::check_kind(&snapshot.manifest, places.tree.is_some())?;
        Work::Send
    } else {
        let plan = Plan::new(&snapshot.manifest, &places)?;
        plan.check_space()?;
        Work::Copy(plan)
    };
    context
        .register(&registration(snapshot, &places))
        .map_err(Error::at("DsRestoreRegister"))?;
    report.step(
        4,
        7,
        "DsRestoreRegister: the directory cannot start until the restore is complete",
    );

    let copied = match &work {
        Work::Copy(plan) => {
            copy::carry_out(plan, &snapshot.content, report).map(|()| plan.doomed.len())
        }
        Work::Send => send::carry_out(snapshot, &context, report),
    };
    let state = match &copied {
        Ok(doomed) => {
            report.step(
                5,
                7,
                &format!(
                    "{} deleted, {} restored",
                    count(*doomed, "file"),
                    count(restored.len(), "file")
                ),
            );
            ResultCode::OK
        }
        Err(failure) => state_of(failure),
    };
    let bar = report.begin(0);
    bar.item("the service checks the restored files");
    let completed = context.register_complete(state);
    drop(bar);
    if let Err(failure) = copied {
        report.warn(
            "the restore is not complete: the directory cannot start until a restore completes",
        );
        // The copying failed: that is what the user must hear of, whatever the service says to it.
        return Err(failure);
    }
    completed.map_err(Error::at("DsRestoreRegisterComplete"))?;
    report.step(
        6,
        7,
        "DsRestoreRegisterComplete: the service has checked the restored files and unlocked the \
         directory",
    );
    context.end().map_err(Error::at("DsRestoreEnd"))?;
    report.step(
        7,
        7,
        match server.is_hosted() {
            true => "DsRestoreEnd: the directory can start again",
            false => {
                "DsRestoreEnd: the directory can start again; start the service in its \
                 normal mode"
            }
        },
    );
    let folder = (places.tree.as_deref()).unwrap_or_else(|| places.database_folder());
    Ok(folder.display().to_string())
}

/// How the files get to their places.
enum Work<'a> {
    /// They are on this computer.
    Copy(Plan<'a>),
    /// They are on the service's.
    Send,
}

fn places(locations: &[TypedName]) -> Result<Places> {
    let find = |file_type: FileType| {
        locations
            .iter()
            .find(|location| location.file_type == file_type)
            .map(|location| PathBuf::from(&location.name))
            .ok_or_else(|| {
                Error::Refused(format!("the service names no {file_type} to restore to"))
            })
    };
    Ok(Places {
        tree: find(FileType::STATE_DIR).ok(),
        state: None,
        database: find(FileType::DATABASE)?,
        logs: find(FileType::LOG_DIR)?,
        checkpoint: find(FileType::CHECKPOINT_DIR)?,
    })
}

fn registration(snapshot: &Snapshot, places: &Places) -> Registration {
    let text = |path: &PathBuf| path.display().to_string();
    let databases = (snapshot.manifest.databases())
        .map(|file| DatabaseMap {
            old_path: file.original.clone(),
            new_path: match &places.tree {
                Some(tree) => text(&tree.join(&file.path)),
                None => text(&places.database),
            },
        })
        .collect();
    Registration {
        checkpoint_directory: text(&places.checkpoint),
        log_directory: text(&places.logs),
        backup_log_directory: text(&places.logs),
        databases,
        generations: plan::generations(&snapshot.manifest),
    }
}

/// The documented code for a failed copy.
fn state_of(failure: &Error) -> ResultCode {
    match failure {
        Error::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
            ResultCode::DISK_FULL
        }
        Error::Contract { source, .. } => source.code,
        Error::Io { .. } => ResultCode::DISK_IO,
        _ => ResultCode::ERROR,
    }
}
