//! A domain controller on this computer, for restores of single objects: its own tools, and its
//! files in SYSVOL.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use live::{Control, How, Operation};
use object_restore::{Failed, Local, Transactions};
use objects::Guid;
use samba::Installation;
use samba::transactions::{self, Change, Digits, Kind};
use zeroize::Zeroizing;

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
    fn transactions(&self, journal: &Path) -> Result<Box<dyn Transactions + '_>, String> {
        let begun = samba::transactions::Transactions::begin(self.installation, journal);
        let begun = begun.map_err(|error| error.to_string())?;
        Ok(Box::new(OwnTransactions(begun)))
    }

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

/// Transactions by Samba's own library.
struct OwnTransactions(transactions::Transactions);

impl Transactions for OwnTransactions {
    fn write(&mut self, changes: &[object_restore::Change]) -> Result<(), Failed> {
        let changes: Vec<Change<'_>> = changes.iter().map(change).collect();
        match self.0.write(&changes) {
            Ok(None) => Ok(()),
            Ok(Some(reason)) => Err(Failed::Refused(reason)),
            Err(error @ samba::Error::Unavailable { .. }) => {
                Err(Failed::Unavailable(error.to_string()))
            }
            Err(error) => Err(Failed::Broken(error.to_string())),
        }
    }
}

fn digits(values: &[Zeroizing<Vec<u8>>]) -> Vec<Digits<'_>> {
    values.iter().map(|value| Digits(value)).collect()
}

/// A change as Samba's library takes it.
fn change((operation, with): &object_restore::Change) -> Change<'_> {
    let controls = with.iter().flat_map(|control| match control {
        Control::Deleted => &["show_deleted:1", "show_recycled:1"][..],
        Control::WholeDescriptor => &["sd_flags:1:15"],
        Control::AccessList => &["sd_flags:1:4"],
        Control::Permissive => &["permissive_modify:1"],
        Control::Relax => &["relax:0"],
        // DSDB_CONTROL_BYPASS_PASSWORD_HASH_OID
        Control::PasswordHashes => &["local_oid:1.3.6.1.4.1.7165.4.3.12:1"],
    });
    let controls = controls.copied().collect();
    let (kind, object, name, values) = match operation {
        Operation::Add { dn, attributes } => {
            let values = attributes.iter();
            let values = values
                .map(|(name, values)| (transactions::How::Add, name.as_str(), digits(values)));
            (Kind::Add, dn, None, values.collect())
        }
        Operation::Modify { object, changes } => {
            let values = changes.iter().map(|change| {
                let how = match change.how {
                    How::Add => transactions::How::Add,
                    How::Delete => transactions::How::Delete,
                    How::Replace => transactions::How::Replace,
                };
                (how, change.attribute.as_str(), digits(&change.values))
            });
            (Kind::Modify, object, None, values.collect())
        }
        Operation::Rename {
            object,
            rdn,
            parent,
        } => {
            let name = format!("{rdn},{parent}");
            (Kind::Rename, object, Some(name), Vec::new())
        }
        Operation::Delete { object } => (Kind::Delete, object, None, Vec::new()),
    };
    Change {
        kind,
        object,
        name,
        values,
        controls,
    }
}
