//! What belongs to a file beside its content: owner, mode, time, extended attributes.
//!
//! On a domain controller they are part of the data: the shares' access rights live in `security.NTACL` and in POSIX
//! ACLs, which are extended attributes too.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use ids::hex;
use rustix::fs::{AtFlags, CWD, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Attributes that describe the machine's own protection, not the domain controller's: they are the machine's to set.
const MACHINE_ATTRIBUTES: [&str; 5] = [
    "security.selinux",
    "security.ima",
    "security.evm",
    "security.apparmor",
    "trusted.",
];
/// The longest attribute, and the longest list of names, that Linux has.
const LONGEST: usize = 64 << 10;

/// Owner, mode, time and extended attributes of a file, folder or link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// Permission bits, with set-user-id and so on; octal 7777 at most.
    pub mode: u32,
    /// The owning user's number.
    pub uid: u32,
    /// The owning group's number.
    pub gid: u32,
    /// Last modification, seconds since 1970-01-01 UTC.
    pub modified: i64,
    /// And nanoseconds.
    pub modified_ns: u32,
    /// Extended attributes, their values in hexadecimal digits.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extended: BTreeMap<String, String>,
}

impl Attributes {
    /// Reads them; `metadata` is that of the entry itself, not of what a link points to.
    ///
    /// # Errors
    /// When the system refuses, or a name is not Unicode.
    pub fn read(path: &Path, metadata: &Metadata) -> Result<Self> {
        Ok(Self {
            mode: metadata.mode() & 0o7777,
            uid: metadata.uid(),
            gid: metadata.gid(),
            modified: metadata.mtime(),
            modified_ns: u32::try_from(metadata.mtime_nsec()).unwrap_or(0),
            extended: read_extended(path)?,
        })
    }

    /// Gives them to an entry, in the order that loses none: a change of owner takes bits of the mode, a change of
    /// mode takes bits of an ACL.
    ///
    /// # Errors
    /// When the system refuses: most need root, and a file system with extended attributes.
    pub fn apply(&self, path: &Path, is_link: bool) -> Result<()> {
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        rustix::fs::chownat(CWD, path, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)
            .map_err(Error::os("set the owner", path))?;
        if !is_link {
            rustix::fs::chmodat(CWD, path, Mode::from_raw_mode(self.mode), AtFlags::empty())
                .map_err(Error::os("set the mode", path))?;
        }
        for name in read_extended(path)?.into_keys() {
            if !self.extended.contains_key(&name) {
                rustix::fs::lremovexattr(path, &*name)
                    .map_err(Error::os("remove an attribute", path))?;
            }
        }
        for (name, value) in &self.extended {
            let value = hex::decode(value).ok_or_else(|| {
                Error::damaged(
                    path,
                    format!("the value of its attribute {name} is not hexadecimal"),
                )
            })?;
            rustix::fs::lsetxattr(path, &**name, &value, XattrFlags::empty()).map_err(|errno| {
                let doing = match errno {
                    Errno::NOTSUP => {
                        "set its extended attributes (its file system does not keep them)"
                    }
                    _ => "set its extended attributes",
                };
                Error::os(doing, path)(errno)
            })?;
        }
        let time = Timespec {
            tv_sec: self.modified,
            tv_nsec: self.modified_ns.into(),
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(Error::os("set its time", path))
    }
}

fn read_extended(path: &Path) -> Result<BTreeMap<String, String>> {
    let mut list = vec![0; LONGEST];
    let length = match rustix::fs::llistxattr(path, &mut list[..]) {
        Ok(length) => length,
        Err(Errno::NOTSUP) => return Ok(BTreeMap::new()),
        Err(errno) => return Err(Error::os("list its attributes", path)(errno)),
    };
    let names = list
        .get(..length)
        .unwrap_or_default()
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty());
    let mut extended = BTreeMap::new();
    let mut value = vec![0; LONGEST];
    for name in names {
        let name = std::str::from_utf8(name).map_err(|_| {
            Error::damaged(path, "the name of one of its attributes is not Unicode")
        })?;
        if MACHINE_ATTRIBUTES.iter().any(|own| name.starts_with(own)) {
            continue;
        }
        match rustix::fs::lgetxattr(path, name, &mut value[..]) {
            Ok(length) => extended.insert(
                name.to_owned(),
                hex::encode(value.get(..length).unwrap_or_default()),
            ),
            Err(Errno::NODATA) => continue,
            Err(errno) => return Err(Error::os("read its attributes", path)(errno)),
        };
    }
    Ok(extended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_can_be_given_to_another_file() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        std::fs::write(&one, "1").unwrap();
        std::fs::write(&other, "2").unwrap();
        rustix::fs::chmod(&one, Mode::from_raw_mode(0o2750)).unwrap();
        let value = [0u8, 0xff, 7];
        if let Err(errno) =
            rustix::fs::lsetxattr(&one, "user.DOSATTRIB", &value, XattrFlags::empty())
        {
            eprintln!(
                "note: no extended attributes in {}: {errno}",
                folder.path().display()
            );
        }
        let read = |path: &Path| {
            Attributes::read(path, &std::fs::symlink_metadata(path).unwrap()).unwrap()
        };
        let attributes = read(&one);
        assert_eq!(attributes.mode, 0o2750);
        attributes.apply(&other, false).unwrap();
        assert_eq!(read(&other), attributes);

        let json = serde_json::to_string(&attributes).unwrap();
        assert_eq!(
            serde_json::from_str::<Attributes>(&json).unwrap(),
            attributes
        );
    }
}
