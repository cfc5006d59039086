//! The invocation id of a restored directory: the name of its database's life, by which partners
//! remember how far they have its changes.
//!
//! A directory that goes on under the id that it had at the backup gives new changes numbers (USNs)
//! that its partners have seen, so they ignore them: a USN rollback, which Active Directory does
//! not report. What each kind of restore does:
//!
//! | restore | invocation id |
//! | --- | --- |
//! | Samba, in place | the service gives the directory a new one before it can start |
//! | Samba, `--first-domain-controller` | samba-tool makes a new server with one of its own |
//! | NTDS, in place or where an NTDS would start | the user chooses: [`NewInvocationId`] |
//! | into any other folder | kept: to look at, not to start |
//!
//! NTDS takes a new one when it starts with the registry value "Database restored from backup" at
//! 1, as Microsoft documents it. The value is written as a file beside the database, with what to
//! do: by the service, or here where there is none.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use store_ese::invocation_id::{
    INSTRUCTIONS_FILE, REGISTRY_FILE, REGISTRY_KEY, REGISTRY_VALUE, write_instructions,
};

use crate::error::{Error, Result};
use crate::report::Report;
use crate::snapshot::Snapshot;

/// How the restored directory of an NTDS gets a new invocation id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum NewInvocationId {
    /// The registry value is set before NTDS starts, as the written instructions say.
    ByRegistry,
    /// The service has set the registry value, before it changed a file: of the controller that runs
    /// on this computer.
    SetInRegistry,
    /// It gets none: the directory never replicates with another server again.
    Keep,
}

/// What became of the invocation id.
#[derive(Debug, Serialize)]
pub struct InvocationId {
    /// The one that was backed up, where the snapshot tells it.
    former: Option<String>,
    /// Whether what was restored still has it.
    kept: bool,
    /// What the user said about it.
    new: Option<NewInvocationId>,
    /// The file with the registry value, where one was written.
    registry_file: Option<PathBuf>,
}

/// Makes sure that the user knows of the step that a restore to a place where a directory service
/// starts needs. `place` says where, in words.
///
/// # Errors
/// When the user did not say how the directory gets a new id.
pub fn check(snapshot: &Snapshot, how: Option<NewInvocationId>, place: &str) -> Result<()> {
    if how.is_some() || !is_ntds(snapshot) {
        return Ok(());
    }
    Err(Error::InvocationIdNotChosen(place.to_owned()))
}

/// Whether NTDS would start from the folder: the one of a Windows installation, mounted or not.
pub fn is_of_installed_ntds(folder: &Path) -> bool {
    let named = |path: &Path, name: &str| {
        path.file_name()
            .is_some_and(|found| found.eq_ignore_ascii_case(name))
    };
    let parent = folder.parent().unwrap_or(Path::new("/"));
    (named(folder, "NTDS") && named(parent, "Windows"))
        || folder.ancestors().any(|above| {
            [
                "System32/config",
                "Windows/System32/config",
                "WINDOWS/system32/config",
            ]
            .iter()
            .any(|hives| above.join(hives).join("SYSTEM").is_file())
        })
}

/// How long a computer of a domain keeps a password, by default.
const COMPUTER_PASSWORD: SignedDuration = SignedDuration::from_hours(30 * 24);

/// What became of the id. `folder` is where the database of an NTDS lies, if that is on this
/// computer: there the registry value and the instructions are, which a service writes itself
/// (`by_service`); `is_new` says whether a Samba directory was given a new id.
///
/// # Errors
/// When they cannot be written: the restore itself is complete.
pub fn conclude(
    snapshot: &Snapshot,
    how: Option<NewInvocationId>,
    folder: Option<&Path>,
    by_service: bool,
    is_new: bool,
    report: &dyn Report,
) -> Result<InvocationId> {
    let directory = snapshot.manifest.directory.as_ref();
    let former = directory.map(|directory| directory.invocation_id.clone());
    let mut concluded = InvocationId {
        former,
        kept: true,
        new: how,
        registry_file: None,
    };
    if !is_ntds(snapshot) {
        // Samba's service does it itself; a database that is no directory has none.
        concluded.kept = !is_new;
        concluded.new = None;
        return Ok(concluded);
    }
    if let Some(folder) = folder.filter(|_| how != Some(NewInvocationId::SetInRegistry)) {
        let file = folder.join(REGISTRY_FILE);
        if !by_service {
            write_instructions(folder, concluded.former.as_deref())
                .map_err(Error::io("write", &file))?;
        }
        concluded.registry_file = Some(file);
    }
    let id = concluded.former.as_deref().unwrap_or("that of the backup");
    if how == Some(NewInvocationId::SetInRegistry) {
        concluded.kept = false;
        report.note(&format!(
            "NTDS takes a new invocation id when it starts, in place of {id}: the registry value \
             \"{REGISTRY_VALUE}\" is set (event 1109 of the log Directory Service confirms it)"
        ));
        let made = snapshot.manifest.created.parse::<Timestamp>();
        let age = made.map(|made| Timestamp::now().duration_since(made));
        if age.is_ok_and(|age| age > COMPUTER_PASSWORD) {
            report.warn(
                "the backup is older than 30 days, after which a computer changes its password: in \
                 this directory the server's own may be one that Windows does not know any more. If \
                 it then does not replicate: netdom resetpwd (see docs/windows-dc.md)",
            );
        }
        return Ok(concluded);
    }
    report.warn(&match (how, &concluded.registry_file) {
        (Some(NewInvocationId::Keep), _) => format!(
            "the directory keeps its old invocation id ({id}): it must never replicate with \
             another server again"
        ),
        (_, Some(file)) => format!(
            "the directory still has its old invocation id ({id}). Before a directory service \
             starts from it, in directory services restore mode: reg import {} (see \
             {INSTRUCTIONS_FILE} beside it)",
            file.display()
        ),
        (_, None) => format!(
            "the directory still has its old invocation id ({id}). Before NTDS starts, on the \
             server, in directory services restore mode: reg add \"HKLM\\{REGISTRY_KEY}\" /v \
             \"{REGISTRY_VALUE}\" /t REG_DWORD /d 1"
        ),
    });
    Ok(concluded)
}

/// Whether the snapshot is of an NTDS. A database that was not shut down does not tell; its name
/// does.
fn is_ntds(snapshot: &Snapshot) -> bool {
    let manifest = &snapshot.manifest;
    let names = manifest.files.iter().map(|file| file.base_name());
    !manifest.is_tree()
        && (manifest.directory.is_some()
            || names
                .into_iter()
                .any(|name| name.eq_ignore_ascii_case("ntds.dit")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_an_installed_ntds_is_known() {
        let disk = tempfile::tempdir().unwrap();
        let folder = |path: &str| {
            let folder = disk.path().join(path);
            std::fs::create_dir_all(&folder).unwrap();
            folder
        };
        assert!(is_of_installed_ntds(&folder("windows/ntds")));
        assert!(!is_of_installed_ntds(&folder("forensics/ntds")));
        let hives = folder("disk/Windows/System32/config");
        let elsewhere = folder("disk/AD/database");
        assert!(!is_of_installed_ntds(&elsewhere));
        std::fs::write(hives.join("SYSTEM"), "").unwrap();
        assert!(is_of_installed_ntds(&elsewhere));
    }
}
