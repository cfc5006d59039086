//! Proves an unpacked snapshot: its databases open, its partitions belong together, they are whose the snapshot says,
//! and Samba's own check finds no more than it did in the source.

use crate::dbcheck::Dbcheck;
use crate::error::{Error, Result};
use crate::tree::{StoredIdentity, Tree};

/// What a drill found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drill {
    /// What is wrong, in words; empty for a snapshot that is proven.
    pub findings: Vec<String>,
    /// What dbcheck finds and is no damage of the snapshot.
    pub notes: Vec<String>,
    /// Why it is not known whether the snapshot is sound, although nothing is known to be wrong.
    pub not_proven: Option<String>,
    /// Entries in all partitions.
    pub entries: u64,
}

impl Tree {
    /// Proves the snapshot. The tree is given its owners and access rights, and is not changed otherwise.
    ///
    /// # Errors
    /// When the drill itself cannot be done. What is wrong with the snapshot is a finding.
    pub fn drill(&self) -> Result<Drill> {
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
            self.dbcheck(&mut drill)?;
        }
        Ok(drill)
    }

    /// What the databases say of themselves, beside what the snapshot says of them.
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

    /// Compares what dbcheck finds with what the snapshot says of its source.
    fn dbcheck(&self, drill: &mut Drill) -> Result<()> {
        let sam = self.root().join("private").join("sam.ldb");
        let found =
            self.with_configuration(|configuration| Dbcheck::of_copy(&sam, configuration))?;
        let comparison = found.compare(self.listing().dbcheck.as_ref());
        drill.findings.extend(comparison.damage);
        drill.notes = comparison.notes;
        if !comparison.unknown.is_empty() {
            drill.not_proven = Some(format!(
                "{}; the snapshot does not say whether its source had the same: run samba-tool dbcheck there; \
                 later backups record it",
                comparison.unknown.join("; ")
            ));
        }
        Ok(())
    }
}
