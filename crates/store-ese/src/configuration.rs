//! The configuration of a hosted folder.

use std::path::PathBuf;

use contract::Result;
use serde::Deserialize;
use store::unusable;

/// The folders and settings of the directory.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectoryConfiguration {
    /// The folder with the database.
    pub database_folder: PathBuf,
    /// The folder of the logs; the database's folder when absent.
    #[serde(default)]
    pub log_folder: Option<PathBuf>,
    /// The folder of the checkpoint; the database's folder when absent.
    #[serde(default)]
    pub checkpoint_folder: Option<PathBuf>,
    /// The name of the database file.
    #[serde(default = "default_database_file")]
    pub database_file: String,
    /// The base name of logs and checkpoint.
    #[serde(default = "default_log_base_name")]
    pub log_base_name: String,
    /// Whether a directory that was not shut down is recovered before it goes online. If not, it is
    /// hosted as it is.
    #[serde(default = "default_recover")]
    pub recover: bool,
    /// The forest's tombstone lifetime, in days; used if the database itself does not hold it.
    #[serde(default = "default_tombstone_lifetime")]
    pub tombstone_lifetime_days: u32,
    /// The server's name in snapshots; the host name when absent.
    #[serde(default)]
    pub server_name: Option<String>,
    /// Whether a restored directory takes a new invocation id when it next starts, because who hosts it has
    /// set the registry value.
    #[serde(skip)]
    pub takes_new_invocation_id: bool,
}

impl DirectoryConfiguration {
    /// A folder with all names at their defaults.
    pub fn for_folder(database_folder: impl Into<PathBuf>) -> Self {
        Self {
            database_folder: database_folder.into(),
            log_folder: None,
            checkpoint_folder: None,
            database_file: default_database_file(),
            log_base_name: default_log_base_name(),
            recover: default_recover(),
            tombstone_lifetime_days: default_tombstone_lifetime(),
            server_name: None,
            takes_new_invocation_id: false,
        }
    }

    /// Checks that every value is usable.
    ///
    /// # Errors
    /// `hrInvalidParam` with the key and the expected value.
    pub fn check(&self) -> Result<()> {
        for (key, name) in [
            ("database_file", &self.database_file),
            ("log_base_name", &self.log_base_name),
        ] {
            if name.is_empty() || name.contains(['/', '\0']) || name == "." || name == ".." {
                return Err(unusable(key, name, "the name of a file, without a folder"));
            }
        }
        if self.tombstone_lifetime_days == 0 {
            return Err(unusable("tombstone_lifetime_days", 0, "at least 1 day"));
        }
        Ok(())
    }
}

fn default_database_file() -> String {
    "ntds.dit".into()
}

fn default_log_base_name() -> String {
    "edb".into()
}

fn default_recover() -> bool {
    true
}

fn default_tombstone_lifetime() -> u32 {
    60
}
