//! The drill of an unpacked snapshot: its databases open, its partitions are consistent, its
//! identity is the recorded one, and dbcheck finds no more than in the source.

use crate::dbcheck::Dbcheck;
use crate::error::{Error, Result};
use crate::tree::{StoredIdentity, Tree};

/// The result of a drill.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drill {
    /// What is wrong, in words. Empty for a proven snapshot.
    pub findings: Vec<String>,
    /// Findings of dbcheck that are no damage of the snapshot.
    pub notes: Vec<String>,
    /// The reason why the drill could not prove the snapshot, although it found no damage.
    pub not_proven: Option<String>,
    /// The number of entries in all partitions.
    pub entries: u64,
}

impl Tree {
    /// Proves the snapshot. Restores the tree's owners and access rights, and changes nothing else.
    /// Calls `checked` with the number of objects that dbcheck has checked, and of all.
    ///
    /// # Errors
    /// Fails if the drill cannot be done. Damage of the snapshot is a finding, not an error.
    pub fn drill(&self, checked: &mut (dyn FnMut(u64, u64) + Send)) -> Result<Drill> {
        let mut drill = Drill::default();
        if let Err(error) = self.verify() {
            return match error {
                Error::Damaged { .. } | Error::Refused(_) => {
                    drill.findings.push(error.to_string());
                    Ok(drill)
                }
                error => Err(error),
            };
        }
        self.shape()?;
        match self.identity() {
            Ok(identity) => {
                drill.entries = identity.entries;
                drill.findings.extend(self.compare(&identity));
            }
            Err(error @ Error::Unavailable { .. }) => return Err(error),
            Err(error) => drill
                .findings
                .push(format!("the databases do not open: {error}")),
        }
        if drill.findings.is_empty() {
            self.dbcheck(&mut drill, checked)?;
        }
        Ok(drill)
    }

    /// Compares the identity in the databases with the one in the listing.
    fn compare(&self, found: &StoredIdentity) -> Vec<String> {
        let listing = self.listing();
        let identity = &listing.identity;
        let mut findings = Vec::new();
        let mut same = |what: &str, found: String, recorded: String| {
            if found != recorded {
                findings.push(format!(
                    "{what}: the databases say {found}, the snapshot says {recorded}"
                ));
            }
        };
        same(
            "domain",
            found.domain_sid.to_string(),
            identity.domain_sid.to_string(),
        );
        same(
            "domain controller",
            found.dsa_guid.to_string(),
            identity.dsa_guid.to_string(),
        );
        same(
            "invocation id",
            found.invocation_id.to_string(),
            identity.invocation_id.to_string(),
        );
        let sorted = |names: &[String]| {
            let mut names: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
            names.sort();
            names.join(" ")
        };
        same(
            "partitions",
            sorted(&found.naming_contexts),
            sorted(&listing.naming_contexts),
        );
        if found.highest_usn < listing.usn_before {
            findings.push(format!(
                "highest USN: the databases say {}, and {} was reached before the backup",
                found.highest_usn, listing.usn_before
            ));
        }
        if found.beyond > 0 {
            findings.push(format!(
                "partitions: {} entries are later than their common USN {}",
                found.beyond, found.highest_usn
            ));
        }
        findings
    }

    /// Compares dbcheck's findings with those recorded for the source.
    fn dbcheck(&self, drill: &mut Drill, checked: &mut (dyn FnMut(u64, u64) + Send)) -> Result<()> {
        let sam = self.root().join("private").join("sam.ldb");
        let found = self
            .with_configuration(|configuration| Dbcheck::of_copy(&sam, configuration, checked))?;
        let comparison = found.compare(self.listing().dbcheck.as_ref());
        drill.findings.extend(comparison.damage);
        drill.notes = comparison.notes;
        if !comparison.unknown.is_empty() {
            drill.not_proven = Some(format!(
                "{}; the snapshot does not say whether its source had the same: run samba-tool \
                 dbcheck there; later backups record it",
                comparison.unknown.join("; ")
            ));
        }
        Ok(())
    }
}
