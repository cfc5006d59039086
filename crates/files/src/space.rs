//! The space on disks for files to be written.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::Result;
use std::path::{Path, PathBuf};

use platform::disk;

/// The free and the needed space of each disk.
#[derive(Debug, Default)]
pub struct Space {
    /// The disks by device number.
    disks: BTreeMap<u64, Disk>,
}

#[derive(Debug)]
struct Disk {
    folder: PathBuf,
    free: u64,
    needed: u64,
}

/// A disk that is too small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// A folder on it.
    pub folder: PathBuf,
    /// The needed bytes.
    pub needed: u64,
    /// The bytes that will be free.
    pub free: u64,
}

impl Space {
    /// The first disk that is too small for the files to be written (paths with sizes), after the
    /// deletion of the doomed ones. `None` if all fit.
    ///
    /// # Errors
    /// The system's, if a disk cannot be queried, with a path on it.
    pub fn shortage_for(
        written: impl IntoIterator<Item = (PathBuf, u64)>,
        doomed: impl IntoIterator<Item = PathBuf>,
    ) -> std::result::Result<Option<Shortage>, (PathBuf, std::io::Error)> {
        let mut space = Self::default();
        for (path, bytes) in written {
            if let Err(error) = space.need(&path, bytes) {
                return Err((path, error));
            }
        }
        for path in doomed {
            space.will_be_deleted(&path);
        }
        Ok(space.shortage())
    }

    /// Adds the size of a file to be written. Its folders need not exist yet.
    ///
    /// # Errors
    /// The system's, if the disk cannot be queried.
    fn need(&mut self, path: &Path, bytes: u64) -> Result<()> {
        let folder = path.ancestors().find(|folder| folder.is_dir());
        let folder = folder.unwrap_or(Path::new("."));
        let disk = match self
            .disks
            .entry(disk::of(&platform::file::canonical(folder)?)?)
        {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => entry.insert(Disk {
                folder: folder.to_path_buf(),
                free: disk::free(folder)?,
                needed: 0,
            }),
        };
        disk.needed = disk.needed.saturating_add(bytes);
        Ok(())
    }

    /// Adds the size of a file to be deleted, if its disk needs space.
    fn will_be_deleted(&mut self, path: &Path) {
        if let Ok(metadata) = path.symlink_metadata()
            && let Ok(number) = disk::of(path)
            && let Some(disk) = self.disks.get_mut(&number)
        {
            disk.free = disk.free.saturating_add(disk::taken(&metadata));
        }
    }

    /// The first disk that is too small, if any.
    fn shortage(&self) -> Option<Shortage> {
        let disk = self.disks.values().find(|disk| disk.needed > disk.free)?;
        Some(Shortage {
            folder: disk.folder.clone(),
            needed: disk.needed,
            free: disk.free,
        })
    }
}
