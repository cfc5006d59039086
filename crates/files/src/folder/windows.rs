//! A folder, and files beneath it.
//!
//! The folders on the way are opened one by one, as themselves should they be links or junctions,
//! which are refused. They stay open, shared for everything but deletion: as long as they are open
//! nobody can put another folder or a link into their place.

use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io::{ErrorKind, Result};
use std::os::windows::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use platform::{file, private};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_ATTRIBUTE_REPARSE_POINT, FILE_FLAG_BACKUP_SEMANTICS, FILE_FLAG_OPEN_REPARSE_POINT,
    FILE_LIST_DIRECTORY, FILE_READ_ATTRIBUTES, FILE_SHARE_READ, FILE_SHARE_WRITE,
};

use super::{check_plain, not_plain, through_link};

/// What a name may hold on no file system of Windows: a stream of a file, wild cards, separators.
const NEVER_IN_A_NAME: [char; 9] = [':', '*', '?', '"', '<', '>', '|', '/', '\\'];

/// An open folder. Paths given to its methods are relative to it: names joined by `/` or `\`, without
/// `.` and `..`. No symbolic link or junction in them is followed, not even one that stays beneath
/// the folder.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// The folders from the one that the user named down to this one.
    held: Vec<Arc<File>>,
}

impl Folder {
    /// Opens a folder. Links in this path are followed, because the user chose it.
    ///
    /// # Errors
    /// The system's, for example `NotADirectory`.
    pub fn open(path: &Path) -> Result<Self> {
        // What it leads to is opened, and its own path used from here on.
        let resolved = file::canonical(path)?;
        let folder = hold(&resolved)?;
        Ok(Self {
            path: resolved,
            held: vec![Arc::new(folder)],
        })
    }

    /// The path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a folder beneath this one. An empty path means this folder.
    ///
    /// # Errors
    /// `InvalidInput` for a path that is not plain or contains a link; the system's.
    pub fn folder(&self, relative: &Path) -> Result<Self> {
        check_names(relative)?;
        let mut folder = Self {
            path: self.path.clone(),
            held: self.held.clone(),
        };
        for name in relative.components() {
            folder.path.push(name.as_os_str());
            let inner = hold(&folder.path)?;
            folder.held.push(Arc::new(inner));
        }
        Ok(folder)
    }

    /// Opens a folder beneath this one, and makes the missing ones, private.
    ///
    /// # Errors
    /// Same as [`folder`](Self::folder).
    pub fn make_folders(&self, relative: &Path) -> Result<Self> {
        check_names(relative)?;
        let mut folder = self.folder(Path::new(""))?;
        for name in relative.components() {
            let name = Path::new(name.as_os_str());
            match private::make_folder(&folder.path.join(name)) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
                _ => folder = folder.folder(name)?,
            }
        }
        Ok(folder)
    }

    /// Opens a file for reading, or a folder to change its attributes.
    ///
    /// # Errors
    /// Same as [`folder`](Self::folder).
    pub fn open_file(&self, relative: &Path) -> Result<File> {
        let (folder, name) = self.parent(relative)?;
        let path = folder.path.join(name);
        let mut options = File::options();
        let flags = FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT;
        let file = options.read(true).custom_flags(flags).open(&path)?;
        refuse_link(&file, &path)?;
        Ok(file)
    }

    /// Creates a private file in an existing folder.
    ///
    /// # Errors
    /// `AlreadyExists` if the name is in use, even by a link; same as [`folder`](Self::folder).
    pub fn create_new(&self, relative: &Path) -> Result<File> {
        let (folder, name) = self.parent(relative)?;
        private::create_new(&folder.path.join(name))
    }

    /// Makes a symbolic link in an existing folder.
    ///
    /// # Errors
    /// Same as [`create_new`](Self::create_new).
    pub fn create_link(&self, relative: &Path, target: &str) -> Result<()> {
        let (folder, name) = self.parent(relative)?;
        std::os::windows::fs::symlink_file(target, folder.path.join(name))
    }

    /// The target of a symbolic link.
    ///
    /// # Errors
    /// `InvalidInput` if it is no link; same as [`folder`](Self::folder).
    pub fn read_link(&self, relative: &Path) -> Result<Vec<u8>> {
        let (folder, name) = self.parent(relative)?;
        let target = std::fs::read_link(folder.path.join(name))?;
        Ok(target.into_os_string().into_encoded_bytes())
    }

    /// The metadata of a name; of a link itself.
    ///
    /// # Errors
    /// Same as [`folder`](Self::folder).
    pub fn look_at(&self, relative: &Path) -> Result<Metadata> {
        let (folder, name) = self.parent(relative)?;
        folder.path.join(name).symlink_metadata()
    }

    /// Removes a file or link. A missing one is no error.
    ///
    /// # Errors
    /// Same as [`folder`](Self::folder).
    pub fn remove_file(&self, relative: &Path) -> Result<()> {
        let removed = self.parent(relative).and_then(|(folder, name)| {
            let path = folder.path.join(name);
            // A link to a folder is removed as a folder.
            match path.symlink_metadata()?.file_type().is_symlink_dir() {
                true => std::fs::remove_dir(path),
                false => std::fs::remove_file(path),
            }
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
        std::fs::rename(self.path.join(from), self.path.join(to))
    }

    /// Gives a file to the owner of this folder: on Windows access lists decide who may read it.
    ///
    /// # Errors
    /// None.
    pub(crate) fn give(&self, _: &File) -> Result<()> {
        Ok(())
    }

    /// Makes the names in the folder durable.
    ///
    /// # Errors
    /// The system's.
    pub fn sync(&self) -> Result<()> {
        file::sync_folder(&self.path)
    }

    /// The folder of a path, and the name in it.
    ///
    /// # Errors
    /// Same as [`folder`](Self::folder).
    pub fn parent(&self, relative: &Path) -> Result<(Self, PathBuf)> {
        check_names(relative)?;
        match (relative.parent(), relative.file_name()) {
            (Some(parent), Some(name)) => Ok((self.folder(parent)?, PathBuf::from(name))),
            _ => Err(not_plain(relative)),
        }
    }
}

/// Opens a folder so that it stays where it is; no link to one.
fn hold(path: &Path) -> Result<File> {
    let folder = File::options()
        .access_mode(FILE_LIST_DIRECTORY | FILE_READ_ATTRIBUTES)
        .share_mode(FILE_SHARE_READ | FILE_SHARE_WRITE)
        .custom_flags(FILE_FLAG_BACKUP_SEMANTICS | FILE_FLAG_OPEN_REPARSE_POINT)
        .open(path)?;
    refuse_link(&folder, path)?;
    match folder.metadata()?.is_dir() {
        true => Ok(folder),
        false => Err(ErrorKind::NotADirectory.into()),
    }
}

fn refuse_link(file: &File, path: &Path) -> Result<()> {
    match file.metadata()?.file_attributes() & FILE_ATTRIBUTE_REPARSE_POINT {
        0 => Ok(()),
        _ => Err(through_link(path)),
    }
}

/// Checks that a path has plain names only, none of which means something else to Windows.
fn check_names(relative: &Path) -> Result<()> {
    check_plain(relative)?;
    match relative.components().all(|name| is_name(name.as_os_str())) {
        true => Ok(()),
        false => Err(not_plain(relative)),
    }
}

/// A name that the file has on disk, too: Windows takes a dot or a blank from the end, and reads
/// `NUL`, `CON` and others as devices.
fn is_name(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else {
        return false;
    };
    let stem = name.split('.').next().unwrap_or_default().trim_end();
    let is_device = match stem.to_ascii_uppercase().as_str() {
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" => true,
        port => {
            let number = port
                .strip_prefix("COM")
                .or_else(|| port.strip_prefix("LPT"));
            number.is_some_and(|number| number.chars().count() == 1)
        }
    };
    !is_device
        && !name.ends_with(['.', ' '])
        && !name.contains(NEVER_IN_A_NAME)
        && !name.contains(|character: char| character.is_control())
}
