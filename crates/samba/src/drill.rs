//! Proves an unpacked snapshot: its databases open, its partitions belong together, they are whose the snapshot says,
//! and Samba's own check finds nothing.

use std::process::Command;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::tools;
use crate::tree::{StoredIdentity, Tree};

/// How long Samba's check of all partitions may take.
const CHECK_LIMIT: Duration = Duration::from_secs(4 * 3600);

/// What a drill found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drill {
    /// What is wrong, in words; empty for a snapshot that is proven.
    pub findings: Vec<String>,
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
            Err(error) => drill
                .findings
                .push(format!("the databases do not open: {error}")),
        }
        if drill.findings.is_empty() {
            drill.findings.extend(self.dbcheck()?);
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
                "partitions: {} entries are of a later moment than their common USN {}",
                found.beyond, found.highest_usn
            ));
        }
        findings
    }

    /// `samba-tool dbcheck` of all partitions.
    fn dbcheck(&self) -> Result<Vec<String>> {
        self.with_configuration(|configuration| {
            let mut command = Command::new("samba-tool");
            command
                .args(["dbcheck", "--cross-ncs", "-H"])
                .arg(self.root().join("private").join("sam.ldb"))
                .arg(format!("--configfile={}", configuration.display()));
            let output = tools::run(command, CHECK_LIMIT)?;
            let mut findings: Vec<String> = output
                .stdout
                .lines()
                .filter(|line| {
                    line.starts_with("ERROR")
                        || line.starts_with("WARNING")
                        || line.contains("Please use --fix")
                })
                .map(|line| format!("dbcheck: {line}"))
                .collect();
            if !output.success && findings.is_empty() {
                findings.push(format!("dbcheck: {}", output.last_words()));
            }
            match output.success {
                true => Ok(Vec::new()),
                false => Ok(findings),
            }
        })
    }
}
