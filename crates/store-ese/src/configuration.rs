//! Which folder is hosted, and how.

use std::path::PathBuf;

use contract::Result;
use serde::Deserialize;
use store::unusable;

/// Where the directory lies.
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
    /// What the names of logs and checkpoint start with.
    #[serde(default = "default_log_base_name")]
    pub log_base_name: String,
    /// Whether a directory that was not shut down is recovered before it goes online; otherwise it
    /// is hosted as it is.
    #[serde(default = "default_recover")]
    pub recover: bool,
    /// The forest's tombstone lifetime, in days; counts where the database itself does not tell it.
    #[serde(default = "default_tombstone_lifetime")]
    pub tombstone_lifetime_days: u32,
    /// The server's name in snapshots; the host name when absent.
    #[serde(default)]
    pub server_name: Option<String>,
}

impl DirectoryConfiguration {
    /// A folder with everything at its default names.
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
        }
    }

    /// Whether every value can be used.
    ///
    /// # Errors
    /// `hrInvalidParam` with the key and what it should hold.
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
