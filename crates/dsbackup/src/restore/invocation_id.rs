//! The invocation id of a restored directory: the name of its database's life, by which partners
//! remember how far they have its changes.
//!
//! A directory that goes on under the id that it had at the backup gives new changes numbers (USNs)
//! that its partners have seen, so they ignore them: a USN rollback, which Active Directory does not
//! report. What each kind of restore does:
//!
//! | restore | invocation id |
//! | --- | --- |
//! | Samba, in place | the service gives the directory a new one before it can start |
//! | Samba, `--first-domain-controller` | samba-tool makes a new server with one of its own |
//! | NTDS, in place or where an NTDS would start | the user says how it gets one; see [`NewInvocationId`] |
//! | into any other folder | kept: to look at, not to start |
//!
//! NTDS takes a new one when it starts with the registry value "Database restored from backup" at 1,
//! as Microsoft documents it. The value is written as a file beside the database, with what to do.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Restorable;
use crate::cli::NewInvocationId;
use crate::failure::{Failure, Result};
use crate::report::Report;

/// The file that sets the registry value, for the Registry Editor.
const REGISTRY_FILE: &str = "dsbackup.restored-from-backup.reg";
/// What to do with it.
const INSTRUCTIONS_FILE: &str = "dsbackup.restored-from-backup.txt";

const KEY: &str = r"SYSTEM\CurrentControlSet\Services\NTDS\Parameters";
const VALUE: &str = "Database restored from backup";

/// What becomes of the invocation id, for `--json`.
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
pub fn check(snapshot: &Restorable, how: Option<NewInvocationId>, place: &str) -> Result<()> {
    if how.is_some() || !is_ntds(snapshot) {
        return Ok(());
    }
    Err(Failure::Refused(format!(
        "{place}: the restored directory would start under its old invocation id, and its partners would ignore its \
         changes (USN rollback). Say how it gets a new one: --new-invocation-id by-registry, if you will set the \
         registry value that is written beside the database before NTDS starts; --new-invocation-id keep, if it never \
         replicates with another server again. Nothing was touched"
    )))
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

/// What became of the id. For an NTDS writes the registry value and the instructions into `folder`,
/// where that is on this computer; `is_new` says whether a Samba directory was given a new id.
///
/// # Errors
/// When they cannot be written: the restore itself is complete.
pub fn conclude(
    snapshot: &Restorable,
    how: Option<NewInvocationId>,
    folder: Option<&Path>,
    is_new: bool,
    report: Report,
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
    if let Some(folder) = folder {
        for (name, content) in [
            (REGISTRY_FILE, registry_file()),
            (
                INSTRUCTIONS_FILE,
                instructions(concluded.former.as_deref()).into_bytes(),
            ),
        ] {
            files::write_durably(folder, name, &content)
                .map_err(Failure::io("write", folder.join(name)))?;
        }
        concluded.registry_file = Some(folder.join(REGISTRY_FILE));
    }
    let id = concluded.former.as_deref().unwrap_or("that of the backup");
    report.warn(match (how, &concluded.registry_file) {
        (Some(NewInvocationId::Keep), _) => format!(
            "the directory keeps its old invocation id ({id}): it must never replicate with another server again"
        ),
        (_, Some(file)) => format!(
            "the directory still has its old invocation id ({id}). Before a directory service starts from it, in \
             directory services restore mode: reg import {} (see {INSTRUCTIONS_FILE} beside it)",
            file.display()
        ),
        (_, None) => format!(
            "the directory still has its old invocation id ({id}). Before NTDS starts, on the server, in directory \
             services restore mode: reg add \"HKLM\\{KEY}\" /v \"{VALUE}\" /t REG_DWORD /d 1"
        ),
    });
    Ok(concluded)
}

/// Whether the snapshot is of an NTDS. A database that was not shut down does not tell; its name does.
fn is_ntds(snapshot: &Restorable) -> bool {
    let manifest = &snapshot.manifest;
    let names = manifest.files.iter().map(|file| file.base_name());
    !manifest.is_tree()
        && (manifest.directory.is_some()
            || names
                .into_iter()
                .any(|name| name.eq_ignore_ascii_case("ntds.dit")))
}

/// The registry value, in the Registry Editor's format: UTF-16, little-endian, with its mark.
fn registry_file() -> Vec<u8> {
    let text = format!(
        "Windows Registry Editor Version 5.00\r\n\r\n[HKEY_LOCAL_MACHINE\\{KEY}]\r\n\"{VALUE}\"=dword:00000001\r\n"
    );
    std::iter::once(0xfeff)
        .chain(text.encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect()
}

fn instructions(former: Option<&str>) -> String {
    let former = former.unwrap_or("(the snapshot does not tell it)");
    format!(
        "This directory was restored from a backup and still has the invocation id of the backup:\r\n\
         {former}\r\n\r\n\
         If NTDS starts under it, the other domain controllers ignore its changes (USN rollback).\r\n\
         On the server, before NTDS starts:\r\n\r\n\
         1. Start Windows in directory services restore mode (bcdedit /set safeboot dsrepair).\r\n\
         2. In HKLM\\{KEY}\r\n   note \"DSA Previous Restore Count\"; if it is missing, it is 0.\r\n\
         3. reg import {REGISTRY_FILE}\r\n\
         4. Start Windows normally (bcdedit /deletevalue safeboot).\r\n\
         5. Event 1109 of the log Directory Service names the old and the new invocation id, and the\r\n\
            count of step 2 is one higher. If not, take the server off the network, and ask why.\r\n\r\n\
         A disk that is attached to another computer: reg load HKLM\\restored X:\\Windows\\System32\\config\\SYSTEM,\r\n\
         set the value below HKLM\\restored\\ControlSet001\\Services\\NTDS\\Parameters (Select\\Current names the\r\n\
         number), reg unload HKLM\\restored.\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_file_is_what_the_registry_editor_reads() {
        let bytes = registry_file();
        assert_eq!(bytes[..2], [0xff, 0xfe]);
        let (units, rest) = bytes[2..].as_chunks::<2>();
        assert!(rest.is_empty());
        let units: Vec<u16> = units.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
        let text = String::from_utf16(&units).expect("UTF-16");
        assert_eq!(
            text.lines().collect::<Vec<_>>(),
            [
                "Windows Registry Editor Version 5.00",
                "",
                "[HKEY_LOCAL_MACHINE\\SYSTEM\\CurrentControlSet\\Services\\NTDS\\Parameters]",
                "\"Database restored from backup\"=dword:00000001",
            ]
        );
    }

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
