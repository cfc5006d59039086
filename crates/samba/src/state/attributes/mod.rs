//! The attributes of a file: owner, mode, time, extended attributes.
//!
//! They are part of a domain controller's data: the shares' access rights are in `security.NTACL`
//! and in POSIX ACLs, which are extended attributes, too. Only Unix has them.

use std::collections::BTreeMap;
use std::path::Path;

use files::Folder;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(windows, path = "windows.rs")]
mod system;

/// The extended attributes of a domain controller's state, besides those of users (`user.`): access
/// rights of shares, and POSIX ACLs. Others protect the computer, or give a program privileges
/// (`security.capability`); a snapshot neither contains nor sets them.
const OF_THE_STATE: [&str; 3] = [
    "security.NTACL",
    "system.posix_acl_access",
    "system.posix_acl_default",
];
/// Owner, mode, time and extended attributes of a file, folder or link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// Permission bits, set-user-id and so on included; at most octal 7777.
    pub mode: u32,
    /// The number of the owner.
    pub uid: u32,
    /// The number of the owning group.
    pub gid: u32,
    /// Last modification, seconds since 1970-01-01 UTC.
    pub modified: i64,
    /// Its nanoseconds.
    pub modified_ns: u32,
    /// Extended attributes, with values in hexadecimal digits.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extended: BTreeMap<String, String>,
}

impl Attributes {
    /// The names of recorded extended attributes that are not restored.
    pub fn withheld(&self) -> impl Iterator<Item = &str> {
        let names = self.extended.keys().map(String::as_str);
        names.filter(|name| !is_of_the_state(name))
    }

    /// Sets the attributes of the entry at a path.
    ///
    /// # Errors
    /// Same as [`apply_beneath`](Self::apply_beneath).
    pub fn apply(&self, path: &Path, is_link: bool) -> Result<()> {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(Error::Refused(format!(
                "{}: expected a path with a name",
                path.display()
            )));
        };
        let folder = Folder::open(folder).map_err(Error::io("open the folder", folder))?;
        self.apply_beneath(&folder, Path::new(name), is_link)
    }
}

fn is_of_the_state(name: &str) -> bool {
    name.starts_with("user.") || OF_THE_STATE.contains(&name)
}
