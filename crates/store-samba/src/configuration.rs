//! The configuration of a hosted domain controller.

use std::path::PathBuf;

use contract::Result;
use serde::Deserialize;
use store::unusable;

/// The settings of a Samba domain controller.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SambaConfiguration {
    /// Its configuration file.
    pub smb_conf: PathBuf,
    /// The folder for copies of databases that cannot be read later: those of the backend tdb, and
    /// small ones.
    #[serde(default = "default_spool_folder")]
    pub spool_folder: PathBuf,
    /// The longest wait of a backup for the domain controller's locks, in milliseconds.
    #[serde(default = "default_lock_wait")]
    pub lock_wait_ms: u32,
    /// Whether `samba-tool dbcheck` runs once a day, so that backups record its findings.
    #[serde(default = "default_dbcheck")]
    pub dbcheck: bool,
    /// Of a restore: the objects that win, with all beneath them, over what partners did to them
    /// since the backup.
    #[serde(skip)]
    pub authoritative: Vec<String>,
}

impl SambaConfiguration {
    /// A domain controller with all other settings at their defaults.
    pub fn for_smb_conf(smb_conf: impl Into<PathBuf>) -> Self {
        Self {
            smb_conf: smb_conf.into(),
            spool_folder: default_spool_folder(),
            lock_wait_ms: default_lock_wait(),
            dbcheck: default_dbcheck(),
            authoritative: Vec::new(),
        }
    }
}

impl SambaConfiguration {
    /// Checks that every value is usable.
    ///
    /// # Errors
    /// `hrInvalidParam` with the key and the expected value.
    pub fn check(&self) -> Result<()> {
        if !self.spool_folder.is_absolute() {
            return Err(unusable(
                "spool_folder",
                self.spool_folder.display(),
                "an absolute path",
            ));
        }
        if self.lock_wait_ms == 0 {
            return Err(unusable("lock_wait_ms", 0, "at least 1 millisecond"));
        }
        Ok(())
    }
}

fn default_spool_folder() -> PathBuf {
    "/var/lib/dsbackup".into()
}

fn default_dbcheck() -> bool {
    true
}

fn default_lock_wait() -> u32 {
    60_000
}
