//! The configuration of a Windows domain controller. Where its directory lies the registry says.

use std::path::PathBuf;

use contract::Result;
use serde::Deserialize;
use store::unusable;

/// How the directory is backed up, and where.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NtdsConfiguration {
    /// An existing private folder for the copy of a backup, as large as the directory.
    pub scratch_folder: PathBuf,
    /// The tool that makes a consistent copy.
    #[serde(default)]
    pub way: Way,
    /// The longest time in which a tool of the system neither says nor writes anything, in seconds.
    #[serde(default = "default_silence_limit")]
    pub silence_limit_s: u32,
    /// The forest's tombstone lifetime, in days; used if the database itself does not tell it.
    #[serde(default = "default_tombstone_lifetime")]
    pub tombstone_lifetime_days: u32,
}

/// The tool that makes a consistent copy of the directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// `ntdsutil`: an "Install From Media" folder. The database needs no logs then.
    #[default]
    Ifm,
    /// `diskshadow`: a shadow copy of the volumes, with the logs.
    ShadowCopy,
}

impl NtdsConfiguration {
    /// The defaults, with a folder for copies.
    pub fn with_scratch(scratch_folder: impl Into<PathBuf>) -> Self {
        Self {
            scratch_folder: scratch_folder.into(),
            way: Way::default(),
            silence_limit_s: default_silence_limit(),
            tombstone_lifetime_days: default_tombstone_lifetime(),
        }
    }

    /// Checks that every value is usable.
    ///
    /// # Errors
    /// `hrInvalidParam` with the key and the expected value.
    pub fn check(&self) -> Result<()> {
        if !self.scratch_folder.is_absolute() {
            let folder = self.scratch_folder.display();
            return Err(unusable("scratch_folder", folder, "an absolute path"));
        }
        if self.silence_limit_s == 0 {
            return Err(unusable("silence_limit_s", 0, "at least 1 second"));
        }
        if self.tombstone_lifetime_days == 0 {
            return Err(unusable("tombstone_lifetime_days", 0, "at least 1 day"));
        }
        Ok(())
    }
}

/// A shadow copy waits for all writers of the system, and copying a large hive says nothing.
fn default_silence_limit() -> u32 {
    900
}

fn default_tombstone_lifetime() -> u32 {
    60
}
