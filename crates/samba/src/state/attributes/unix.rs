//! Reads and sets the attributes of files.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use files::Folder;
use ids::hex;
use rustix::fs::{AtFlags, Gid, Mode, Timespec, Timestamps, Uid, XattrFlags};
use rustix::io::Errno;

use super::{Attributes, is_of_the_state};
use crate::error::{Error, Result};

/// The size limit of Linux for an attribute and for a list of names.
const LONGEST: usize = 64 << 10;

impl Attributes {
    /// Reads the attributes of an entry; `metadata` is that of the entry itself, even for a link.
    ///
    /// # Errors
    /// Fails if the system refuses, or a name is not Unicode.
    pub fn read(path: &Path, metadata: &Metadata) -> Result<Self> {
        Ok(Self {
            mode: metadata.mode() & 0o7777,
            uid: metadata.uid(),
            gid: metadata.gid(),
            modified: metadata.mtime(),
            modified_ns: u32::try_from(metadata.mtime_nsec()).unwrap_or(0),
            extended: read_extended(&Extended::At(path), path)?,
        })
    }

    /// Sets the attributes of an entry beneath a folder, in an order that loses none: a change of
    /// owner clears bits of the mode, a change of mode clears bits of an ACL. Follows no link.
    /// Never sets set-user-id and set-group-id on a file.
    ///
    /// # Errors
    /// Fails if the system refuses: most attributes require root, and a file system with extended
    /// attributes.
    pub fn apply_beneath(&self, root: &Folder, relative: &Path, is_link: bool) -> Result<()> {
        let path = root.path().join(relative);
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        let time = Timespec {
            tv_sec: self.modified,
            tv_nsec: self.modified_ns.into(),
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        if is_link {
            let (folder, name) = root.parent(relative).map_err(Error::io("open", &path))?;
            rustix::fs::chownat(
                &folder,
                &name,
                Some(uid),
                Some(gid),
                AtFlags::SYMLINK_NOFOLLOW,
            )
            .map_err(os_error("set the owner", &path))?;
            // No system call sets extended attributes of a link relative to an open folder.
            let link = format!("/proc/self/fd/{}", folder.as_fd().as_raw_fd());
            self.apply_extended(Extended::At(&Path::new(&link).join(&name)), &path)?;
            return rustix::fs::utimensat(&folder, &name, &times, AtFlags::SYMLINK_NOFOLLOW)
                .map_err(os_error("set its time", &path));
        }
        let file = root.open_file(relative).map_err(Error::io("open", &path))?;
        let is_folder = file
            .metadata()
            .map_err(Error::io("look at", &path))?
            .is_dir();
        rustix::fs::fchown(&file, Some(uid), Some(gid))
            .map_err(os_error("set the owner", &path))?;
        let mode = match is_folder {
            true => self.mode,
            false => self.mode & 0o1777,
        };
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))
            .map_err(os_error("set the mode", &path))?;
        self.apply_extended(Extended::Of(&file), &path)?;
        rustix::fs::futimens(&file, &times).map_err(os_error("set its time", &path))
    }

    /// Sets the recorded extended attributes, and removes others of the state.
    fn apply_extended(&self, entry: Extended<'_>, path: &Path) -> Result<()> {
        for name in read_extended(&entry, path)?.into_keys() {
            if !self.extended.contains_key(&name) {
                entry
                    .remove(&name)
                    .map_err(os_error("remove an attribute", path))?;
            }
        }
        for (name, value) in &self.extended {
            if !is_of_the_state(name) {
                continue;
            }
            let value = hex::decode(value).ok_or_else(|| {
                Error::damaged(
                    path,
                    format!("the value of its attribute {name} is not hexadecimal"),
                )
            })?;
            entry.set(name, &value).map_err(|errno| {
                let doing = match errno {
                    Errno::NOTSUP => {
                        "set its extended attributes (its file system does not keep them)"
                    }
                    _ => "set its extended attributes",
                };
                os_error(doing, path)(errno)
            })?;
        }
        Ok(())
    }
}

/// For `map_err` on raw system calls.
fn os_error(doing: &'static str, path: impl AsRef<Path>) -> impl FnOnce(Errno) -> Error {
    let failed = Error::io(doing, path);
    move |errno| failed(errno.into())
}

/// The entry whose extended attributes are read or changed.
enum Extended<'a> {
    /// An open file or folder.
    Of(&'a File),
    /// The entry at this path; a link itself.
    At(&'a Path),
}

impl Extended<'_> {
    fn list(&self, names: &mut [u8]) -> rustix::io::Result<usize> {
        match self {
            Self::Of(file) => rustix::fs::flistxattr(file, names),
            Self::At(path) => rustix::fs::llistxattr(*path, names),
        }
    }

    fn get(&self, name: &str, value: &mut [u8]) -> rustix::io::Result<usize> {
        match self {
            Self::Of(file) => rustix::fs::fgetxattr(file, name, value),
            Self::At(path) => rustix::fs::lgetxattr(*path, name, value),
        }
    }

    fn set(&self, name: &str, value: &[u8]) -> rustix::io::Result<()> {
        match self {
            Self::Of(file) => rustix::fs::fsetxattr(file, name, value, XattrFlags::empty()),
            Self::At(path) => rustix::fs::lsetxattr(*path, name, value, XattrFlags::empty()),
        }
    }

    fn remove(&self, name: &str) -> rustix::io::Result<()> {
        match self {
            Self::Of(file) => rustix::fs::fremovexattr(file, name),
            Self::At(path) => rustix::fs::lremovexattr(*path, name),
        }
    }
}

fn read_extended(entry: &Extended<'_>, path: &Path) -> Result<BTreeMap<String, String>> {
    let mut list = vec![0; LONGEST];
    let length = match entry.list(&mut list[..]) {
        Ok(length) => length,
        Err(Errno::NOTSUP) => return Ok(BTreeMap::new()),
        Err(errno) => return Err(os_error("list its attributes", path)(errno)),
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
        if !is_of_the_state(name) {
            continue;
        }
        match entry.get(name, &mut value[..]) {
            Ok(length) => extended.insert(
                name.to_owned(),
                hex::encode(value.get(..length).unwrap_or_default()),
            ),
            Err(Errno::NODATA) => continue,
            Err(errno) => return Err(os_error("read its attributes", path)(errno)),
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
        rustix::fs::chmod(&one, Mode::from_raw_mode(0o750)).unwrap();
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
        assert_eq!(attributes.mode, 0o750);
        attributes.apply(&other, false).unwrap();
        assert_eq!(read(&other), attributes);

        let json = serde_json::to_string(&attributes).unwrap();
        assert_eq!(
            serde_json::from_str::<Attributes>(&json).unwrap(),
            attributes
        );
    }

    #[test]
    fn neither_links_nor_privileges_come_out_of_a_snapshot() {
        let scene = tempfile::tempdir().unwrap();
        let (inside, outside) = (scene.path().join("inside"), scene.path().join("outside"));
        std::fs::create_dir(&inside).unwrap();
        std::fs::write(&outside, "").unwrap();
        std::fs::write(inside.join("file"), "").unwrap();
        std::os::unix::fs::symlink(&outside, inside.join("link")).unwrap();
        std::os::unix::fs::symlink("..", inside.join("up")).unwrap();
        let read = |path: &Path| {
            Attributes::read(path, &std::fs::symlink_metadata(path).unwrap()).unwrap()
        };
        let before = read(&outside);
        let mut attributes = read(&inside.join("file"));
        attributes.mode = 0o6755;
        for name in ["security.capability", "trusted.overlay.opaque"] {
            attributes
                .extended
                .insert(name.into(), "0100000200000000".into());
        }
        let folder = Folder::open(&inside).unwrap();
        for through_link in ["link", "up/outside"] {
            assert!(
                attributes
                    .apply_beneath(&folder, Path::new(through_link), false)
                    .is_err()
            );
        }
        assert_eq!(read(&outside), before);

        attributes
            .apply_beneath(&folder, Path::new("file"), false)
            .unwrap();
        assert_eq!(read(&inside.join("file")).mode, 0o755);
        assert_eq!(attributes.withheld().count(), 2);
        let mut names = [0; 4096];
        let length = rustix::fs::llistxattr(inside.join("file"), &mut names[..]).unwrap_or(0);
        let names = String::from_utf8_lossy(&names[..length]);
        assert!(!names.contains("security.capability") && !names.contains("trusted."));
    }
}
