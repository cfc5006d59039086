//! Moves, removes and copies files and folders, and makes them durable.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use crate::error::{Error, Result};
use crate::{state, system};

/// Makes a folder for root only, if it does not exist.
pub(super) fn make_folder(path: &Path) -> Result<()> {
    platform::private::make_folders(path).map_err(Error::io("make the folder", path))
}

/// Renames within a file system.
pub(super) fn rename(from: &Path, to: &Path) -> Result<()> {
    #[cfg(test)]
    super::tests::power_may_fail(from)?;
    std::fs::rename(from, to).map_err(Error::io("move it aside or into place", from))
}

/// Removes a file or folder, if it exists.
pub(super) fn remove(path: &Path) -> Result<()> {
    #[cfg(test)]
    super::tests::power_may_fail(path)?;
    let removed = match path.symlink_metadata() {
        Err(error) => Err(error),
        Ok(metadata) if metadata.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
    };
    match removed {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(Error::io("remove", path)),
    }
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(path: &Path) -> Result<()> {
    let synced = File::open(path).and_then(|folder| folder.sync_all());
    synced.map_err(Error::io("make the folder durable", path))
}

/// Makes everything on a folder's file system durable.
pub(super) fn sync_all(path: &Path) -> Result<()> {
    let folder = File::open(path).map_err(Error::io("open the folder", path))?;
    system::sync_file_system(&folder).map_err(Error::io("make the restored files durable", path))
}

/// Copies a folder with its content and attributes.
pub(super) fn copy(from: &Path, to: &Path) -> Result<()> {
    let mut waiting = vec![(from.to_path_buf(), to.to_path_buf())];
    let mut done = Vec::new();
    while let Some((from, to)) = waiting.pop() {
        let metadata = from
            .symlink_metadata()
            .map_err(Error::io("look at", &from))?;
        let copied = Error::io("copy to another file system", &from);
        if metadata.is_dir() {
            std::fs::create_dir(&to).map_err(copied)?;
            let list = |error| Error::io("list the folder", &from)(error);
            for child in std::fs::read_dir(&from).map_err(list)? {
                let child = child.map_err(list)?;
                waiting.push((child.path(), to.join(child.file_name())));
            }
        } else if metadata.is_symlink() {
            std::fs::read_link(&from)
                .and_then(|target| system::make_link(&target, &to))
                .map_err(copied)?;
        } else {
            std::fs::copy(&from, &to).map_err(copied)?;
        }
        done.push((
            state::Attributes::read(&from, &metadata)?,
            to,
            metadata.is_symlink(),
        ));
    }
    for (attributes, path, is_link) in done.into_iter().rev() {
        attributes.apply(&path, is_link)?;
    }
    Ok(())
}
