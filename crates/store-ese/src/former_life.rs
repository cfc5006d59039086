//! The former invocation id of a restored directory, that of its backup, which it must replace. A
//! file beside the database keeps it, so that a later backup detects whether the directory went on
//! under it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use contract::{Error, Result, ResultCode};
use ese::Database;
use ese::header::DatabaseHeader;
use serde::{Deserialize, Serialize};
use store::disk_error;

use crate::invocation_id::{INSTRUCTIONS_FILE, REGISTRY_FILE, write_instructions};
use crate::layout::Layout;

/// The file that keeps the former invocation id.
const FILE: &str = "dsbackup.restored-from-backup.json";

/// The database file name of NTDS.
const NTDS_DATABASE: &str = "ntds.dit";

/// The former life of a restored database.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FormerLife {
    version: u32,
    /// The invocation id of the backup.
    invocation_id: String,
    /// The DBTIME at the end of the restore, if the database was clean. Every engine that uses the
    /// database raises it.
    dbtime: Option<u64>,
}

/// The relation of a directory to its former life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It was not restored, or has begun a new life.
    Well,
    /// It still has the former id and, as far as can be seen, has not run since. Holds the
    /// instructions.
    MustChange(String),
    /// It ran under the former id. Holds an explanation.
    RolledBack(String),
}

/// Finishes a restore that is otherwise complete: writes the files that NTDS needs before it
/// starts, and the former invocation id. Returns the files in the order of writing; none if the
/// database is not that of a directory, or takes a new id anyway.
///
/// # Errors
/// `hrDiskIO` if a file cannot be written: without it nobody would learn of the danger.
pub(crate) fn note(layout: &Layout, takes_new_id: bool) -> Result<Vec<PathBuf>> {
    let folder = layout.database_folder.as_path();
    let failed = |error: std::io::Error| disk_error(folder, &error);
    files::remove_durably(folder, FILE).map_err(failed)?;
    if takes_new_id {
        tracing::info!("the restored directory takes a new invocation id when NTDS starts");
        // Those of a former restore would have the user do what is done.
        for file in [REGISTRY_FILE, INSTRUCTIONS_FILE] {
            files::remove_durably(folder, file).map_err(failed)?;
        }
        return Ok(Vec::new());
    }
    let database = Database::open(layout.database()).ok();
    let id = (database.as_ref())
        .and_then(|database| ntds::invocation_id(database).ok())
        .map(|id| id.to_string());
    let is_directory = database.as_ref().is_some_and(|database| {
        ntds::is_directory(database).is_ok_and(|is_directory| is_directory)
    });
    if !is_directory && !layout.database_file.eq_ignore_ascii_case(NTDS_DATABASE) {
        return Ok(Vec::new());
    }
    write_instructions(folder, id.as_deref()).map_err(failed)?;
    let mut written = vec![folder.join(REGISTRY_FILE), folder.join(INSTRUCTIONS_FILE)];
    if let (Some(id), Some(database)) = (&id, &database) {
        let header = &database.headers().header;
        let life = FormerLife {
            version: 1,
            invocation_id: id.clone(),
            dbtime: header.is_clean().then(|| header.dbtime.get()),
        };
        let text = serde_json::to_string(&life)
            .map_err(|error| Error::new(ResultCode::ERROR, error.to_string()))?;
        files::write_durably(folder, FILE, text.as_bytes()).map_err(failed)?;
        written.push(folder.join(FILE));
    }
    tracing::warn!(
        former_invocation_id = id.as_deref().unwrap_or("unknown"),
        file = %folder.join(REGISTRY_FILE).display(),
        "the restored directory still has the invocation id of its backup: import the registry \
         value before NTDS starts"
    );
    Ok(written)
}

/// The directory's relation to its former life, by its header and present invocation id.
pub(crate) fn standing(folder: &Path, header: &DatabaseHeader, now: Option<&str>) -> Standing {
    let Some(former) = read(folder) else {
        return Standing::Well;
    };
    if now != Some(&former.invocation_id) {
        return Standing::Well;
    }
    let file = folder.join(FILE);
    let (id, file) = (&former.invocation_id, file.display());
    let lab = format!("if it never replicates with another server again, delete {file}");
    match former.dbtime {
        Some(dbtime) if header.dbtime.get() > dbtime => Standing::RolledBack(format!(
            "this directory was restored from a backup and went on under the invocation id of that \
             backup ({id}): its partners ignore its changes (USN rollback). Take the server off \
             the network, restore again, and give it a new id before it starts; {lab}"
        )),
        _ => Standing::MustChange(format!(
            "this directory was restored from a backup and still has the invocation id of that \
             backup ({id}): before NTDS starts, reg import {}; {lab}",
            folder.join(REGISTRY_FILE).display()
        )),
    }
}

/// Reads the file. An unreadable file is logged and ignored: it only serves to warn.
fn read(folder: &Path) -> Option<FormerLife> {
    let file = folder.join(FILE);
    let text = match std::fs::read_to_string(&file) {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        text => text.map_err(|error| error.to_string()),
    };
    let life = text.and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()));
    life.inspect_err(|error| {
        tracing::warn!(
            file = %file.display(), %error,
            "the note of the last restore cannot be read"
        );
    })
    .ok()
}
