//! A domain controller on this computer, for restores of single objects: its own tools, and its
//! files in SYSVOL.

use std::io::ErrorKind;
use std::path::PathBuf;

use object_restore::Local;
use objects::Guid;
use samba::Installation;

use crate::report::Report;
use crate::restore::Part;
use crate::snapshot::Snapshot;

/// The folder beside SYSVOL that keeps files of before.
const KEPT: &str = "dsbackup.kept";

/// A domain controller on this computer.
pub struct Beside<'b> {
    installation: &'b Installation,
    /// The snapshot from which files come.
    snapshot: Option<Snapshot>,
    report: &'b dyn Report,
}

impl<'b> Beside<'b> {
    /// The installed one, and the snapshot from which its files come back.
    pub fn new(
        installation: &'b Installation,
        snapshot: Option<Snapshot>,
        report: &'b dyn Report,
    ) -> Self {
        Self {
            installation,
            snapshot,
            report,
        }
    }

    fn part(&self, policy: &str) -> Result<Part<'_>, String> {
        let snapshot = self.snapshot.as_ref();
        let snapshot = snapshot.ok_or("the source is no snapshot with files")?;
        let part = Part::of(snapshot, &format!("sysvol/{policy}"));
        let part = part.map_err(|error| error.to_string())?;
        part.ok_or_else(|| "the snapshot has none".into())
    }

    fn place(&self, policy: &str) -> PathBuf {
        self.installation.sysvol.join(policy)
    }

    /// Where files are kept: on the same file system, and in no share.
    fn kept(&self, name: &str) -> Result<PathBuf, String> {
        let sysvol = &self.installation.sysvol;
        let folder = sysvol.parent().unwrap_or(sysvol).join(KEPT);
        match std::fs::create_dir(&folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                return Err(format!("{}: {error}", folder.display()));
            }
            _ => {}
        }
        platform::private::seclude(&folder)
            .map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(folder.join(name))
    }
}

impl Local for Beside<'_> {
    fn set_account_types(&self, objects: &[(Guid, i64)]) -> Result<(), String> {
        let done = samba::set_account_types(self.installation, objects);
        done.map(drop).map_err(|error| error.to_string())
    }

    fn differing_files(&self, policy: &str) -> Result<usize, String> {
        let differing = self.part(policy)?.differing(&self.place(policy));
        differing
            .map(|differing| differing.len())
            .map_err(|error| error.to_string())
    }

    fn restore_files(&self, policy: &str, aside: &str) -> Result<(), String> {
        let part = self.part(policy)?;
        let put = part.put(&self.place(policy), &self.kept(aside)?, self.report);
        put.map_err(|error| error.to_string())
    }

    fn take_files_back(&self, policy: &str, aside: &str) -> Result<(), String> {
        let place = self.place(policy);
        let before = self.kept(aside)?;
        let now = self.kept(&format!("{aside}-taken-back"))?;
        if now.exists() {
            return Ok(());
        }
        let moved = |from: &PathBuf, to: &PathBuf| match std::fs::rename(from, to) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(format!("{}: {error}", from.display()))
            }
            _ => Ok(()),
        };
        moved(&place, &now)?;
        moved(&before, &place)
    }
}
