//! A folder, and files beneath it.
//!
//! Linux resolves the names itself if it can (`openat2` with `RESOLVE_BENEATH` and
//! `RESOLVE_NO_SYMLINKS`). On a kernel before 5.6, or if a container's filter blocks the call, they
//! are resolved one by one, and each folder is opened with `O_NOFOLLOW`.

use std::fs::File;
use std::io::{ErrorKind, Result};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use super::{check_plain, not_plain, through_link};

/// The flags for opening a folder.
const FOLDER: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// An open folder. Paths given to its methods are relative to it: names joined by `/`, without `.`
/// and `..`. No symbolic link in them is followed, not even one that stays beneath the folder.
#[derive(Debug)]
pub struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

impl Folder {
    /// Opens a folder. Links in this path are followed, because the user chose it.
    ///
    /// # Errors
    /// The system's, for example `NotADirectory`.
    pub fn open(path: &Path) -> Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self {
            fd: rustix::fs::open(path, flags, Mode::empty())?,
            path: path.to_path_buf(),
        })
    }

    /// The path with which the folder was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a folder beneath this one. An empty path means this folder.
    ///
    /// # Errors
    /// `InvalidInput` for a path that is not plain or contains a link; the system's.
    pub fn folder(&self, relative: &Path) -> Result<Self> {
        check_plain(relative)?;
        let fd = match relative.as_os_str().is_empty() {
            true => rustix::fs::openat(&self.fd, ".", FOLDER, Mode::empty())?,
            false => self.open_beneath(relative, FOLDER)?,
        };
        Ok(Self {
            fd,
            path: self.path.join(relative),
        })
    }

    /// Opens a folder beneath this one, and makes the missing ones with mode 0700.
    ///
    /// # Errors
    /// Same as [`folder`](Self::folder).
    pub fn make_folders(&self, relative: &Path) -> Result<Self> {
        match self.folder(relative) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            opened => return opened,
        }
        let mut folder = self.folder(Path::new(""))?;
        for name in relative.components() {
            let name = Path::new(name.as_os_str());
            match rustix::fs::mkdirat(&folder.fd, name, Mode::RWXU) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
            folder = folder.folder(name)?;
        }
        Ok(folder)
    }

    /// Opens a file for reading, or a folder to change its attributes.
    ///
    /// # Errors
    /// Same as [`folder`](Self::folder).
    pub fn open_file(&self, relative: &Path) -> Result<File> {
        check_plain(relative)?;
        // A named pipe must not block.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        self.open_beneath(relative, flags).map(File::from)
    }

    /// Creates a file with mode 0600 in an existing folder.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is in use, even by a link; same as [`folder`](Self::folder).
    pub fn create_new(&self, relative: &Path) -> Result<File> {
        let (folder, name) = self.parent(relative)?;
        let flags = OFlags::WRONLY
            | OFlags::CREATE
            | OFlags::EXCL
            | OFlags::NOFOLLOW
            | OFlags::NOCTTY
            | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&folder.fd, &name, flags, Mode::RUSR | Mode::WUSR)?;
        Ok(File::from(fd))
    }

    /// Makes a symbolic link in an existing folder.
    ///
    /// # Errors
    /// Same as [`create_new`](Self::create_new).
    pub fn create_link(&self, relative: &Path, target: &str) -> Result<()> {
        let (folder, name) = self.parent(relative)?;
        Ok(rustix::fs::symlinkat(target, &folder.fd, &name)?)
    }

    /// The target of a symbolic link.
    ///
    /// # Errors
    /// `InvalidInput` if it is no link; same as [`folder`](Self::folder).
    pub fn read_link(&self, relative: &Path) -> Result<Vec<u8>> {
        let (folder, name) = self.parent(relative)?;
        Ok(rustix::fs::readlinkat(&folder.fd, &name, Vec::new())?.into_bytes())
    }

    /// The metadata of a name; of a link itself.
    ///
    /// # Errors
    /// Same as [`folder`](Self::folder).
    pub fn look_at(&self, relative: &Path) -> Result<Stat> {
        let (folder, name) = self.parent(relative)?;
        Ok(rustix::fs::statat(
            &folder.fd,
            &name,
            AtFlags::SYMLINK_NOFOLLOW,
        )?)
    }

    /// Removes a file or link. A missing one is no error.
    ///
    /// # Errors
    /// Same as [`folder`](Self::folder).
    pub fn remove_file(&self, relative: &Path) -> Result<()> {
        let removed = self.parent(relative).and_then(|(folder, name)| {
            Ok(rustix::fs::unlinkat(&folder.fd, &name, AtFlags::empty())?)
        });
        match removed {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    /// Renames a file in this folder, and replaces one with the new name.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn rename(&self, from: &str, to: &str) -> Result<()> {
        Ok(rustix::fs::renameat(&self.fd, from, &self.fd, to)?)
    }

    /// Gives a file to the owner of this folder.
    ///
    /// # Errors
    /// The system's.
    pub(crate) fn give(&self, file: &File) -> Result<()> {
        let owner = rustix::fs::fstat(&self.fd)?;
        std::os::unix::fs::fchown(file, Some(owner.st_uid), Some(owner.st_gid))
    }

    /// Makes the names in the folder durable.
    ///
    /// # Errors
    /// The system's.
    pub fn sync(&self) -> Result<()> {
        Ok(rustix::fs::fsync(&self.fd)?)
    }

    /// The folder of a path, and the name in it.
    ///
    /// # Errors
    /// Same as [`folder`](Self::folder).
    pub fn parent(&self, relative: &Path) -> Result<(Self, PathBuf)> {
        check_plain(relative)?;
        match (relative.parent(), relative.file_name()) {
            (Some(parent), Some(name)) => Ok((self.folder(parent)?, PathBuf::from(name))),
            _ => Err(not_plain(relative)),
        }
    }

    fn open_beneath(&self, relative: &Path, flags: OFlags) -> Result<OwnedFd> {
        let resolve =
            ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        let opened = match rustix::fs::openat2(&self.fd, relative, flags, Mode::empty(), resolve) {
            // EPERM: a system call filter that is older than this call.
            Err(Errno::NOSYS | Errno::PERM) => self.open_by_components(relative, flags),
            opened => opened,
        };
        opened.map_err(|errno| match errno {
            Errno::LOOP => through_link(&self.path.join(relative)),
            errno => errno.into(),
        })
    }

    /// Same as [`open_beneath`](Self::open_beneath), without `openat2`.
    fn open_by_components(&self, relative: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let open = |folder: BorrowedFd<'_>, name: &Path, flags: OFlags| {
            match rustix::fs::openat(folder, name, flags, Mode::empty()) {
                // Linux reports this for a link in the position of a folder.
                Err(Errno::NOTDIR) if is_link(folder, name) => Err(Errno::LOOP),
                opened => opened,
            }
        };
        let mut names = relative
            .components()
            .map(|name| Path::new(name.as_os_str()));
        let mut name = names.next().ok_or(Errno::INVAL)?;
        let mut folder: Option<OwnedFd> = None;
        for next in names {
            let inner = open(folder.as_ref().unwrap_or(&self.fd).as_fd(), name, FOLDER)?;
            folder = Some(inner);
            name = next;
        }
        open(folder.as_ref().unwrap_or(&self.fd).as_fd(), name, flags)
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

fn is_link(folder: BorrowedFd<'_>, name: &Path) -> bool {
    rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok_and(|found| {
        rustix::fs::FileType::from_raw_mode(found.st_mode) == rustix::fs::FileType::Symlink
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A folder `in` and, beside it, a folder `out` with a file that must not be reachable from
    /// `in`.
    fn scene() -> (tempfile::TempDir, Folder) {
        let scene = tempfile::tempdir().unwrap();
        for folder in ["in/real", "out"] {
            std::fs::create_dir_all(scene.path().join(folder)).unwrap();
        }
        std::fs::write(scene.path().join("out/file"), "untouched").unwrap();
        std::fs::write(scene.path().join("in/real/file"), "ours").unwrap();
        let out = scene.path().join("out");
        symlink(&out, scene.path().join("in/link")).unwrap();
        symlink("../../out", scene.path().join("in/real/relative")).unwrap();
        symlink("real", scene.path().join("in/inside")).unwrap();
        symlink(out.join("file"), scene.path().join("in/file-link")).unwrap();
        let folder = Folder::open(&scene.path().join("in")).unwrap();
        (scene, folder)
    }

    #[test]
    fn nothing_is_opened_made_or_removed_through_a_link_or_outside() {
        let (scene, folder) = scene();
        for path in [
            "link/file",
            "link/new",
            "real/relative/file",
            "inside/file",
            "../out/file",
            "real/../../out/file",
            "/etc/passwd",
            "",
        ] {
            let path = Path::new(path);
            assert!(folder.open_file(path).is_err(), "{path:?}");
            assert!(folder.create_new(path).is_err(), "{path:?}");
            assert!(folder.create_link(path, "x").is_err(), "{path:?}");
            assert!(folder.remove_file(path).is_err(), "{path:?}");
            assert!(folder.look_at(path).is_err(), "{path:?}");
        }
        assert!(folder.make_folders(Path::new("link/folder")).is_err());
        assert!(folder.open_file(Path::new("file-link")).is_err());
        assert!(folder.create_new(Path::new("file-link")).is_err());
        let out = scene.path().join("out");
        assert_eq!(
            std::fs::read_to_string(out.join("file")).unwrap(),
            "untouched"
        );
        assert_eq!(std::fs::read_dir(&out).unwrap().count(), 1);
    }

    #[test]
    fn what_is_beneath_is_reached_with_either_call() {
        let (_scene, folder) = scene();
        folder.open_file(Path::new("real/file")).unwrap();
        let made = folder.make_folders(Path::new("real/a/b")).unwrap();
        made.create_new(Path::new("c")).unwrap();
        folder.open_file(Path::new("real/a/b/c")).unwrap();
        folder.remove_file(Path::new("real/a/b/c")).unwrap();
        folder.remove_file(Path::new("real/a/b/c")).unwrap();

        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let by_components = |path: &str| folder.open_by_components(Path::new(path), flags);
        by_components("real/file").unwrap();
        for path in [
            "link/file",
            "inside/file",
            "real/relative/file",
            "file-link",
        ] {
            assert_eq!(by_components(path).err(), Some(Errno::LOOP), "{path}");
        }
    }
}
