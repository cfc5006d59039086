//! Whether files fit on the disks that they go to.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::io::Result;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What each disk gains and needs.
#[derive(Debug, Default)]
pub struct Space {
    /// By device number.
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
    /// Bytes that are needed.
    pub needed: u64,
    /// Bytes that will be free.
    pub free: u64,
}

impl Space {
    /// The first disk that is too small for what is written, paths with their bytes, once what is
    /// doomed is deleted; `None` if all fits.
    ///
    /// # Errors
    /// The system's, when a disk cannot be asked, with the path that would be on it.
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

    /// Counts bytes that will be written to a path, whose folders need not exist yet.
    ///
    /// # Errors
    /// The system's, when the disk cannot be asked.
    fn need(&mut self, path: &Path, bytes: u64) -> Result<()> {
        let folder = path.ancestors().find(|folder| folder.is_dir());
        let folder = folder.unwrap_or(Path::new("."));
        let disk = match self.disks.entry(folder.metadata()?.dev()) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let state = rustix::fs::statvfs(folder)?;
                entry.insert(Disk {
                    folder: folder.to_path_buf(),
                    free: state.f_bavail.saturating_mul(state.f_frsize),
                    needed: 0,
                })
            }
        };
        disk.needed = disk.needed.saturating_add(bytes);
        Ok(())
    }

    /// Counts the space of a file that will be deleted first, on a disk that something is needed of.
    fn will_be_deleted(&mut self, path: &Path) {
        if let Ok(metadata) = path.symlink_metadata()
            && let Some(disk) = self.disks.get_mut(&metadata.dev())
        {
            let freed = metadata.blocks().saturating_mul(512);
            disk.free = disk.free.saturating_add(freed);
        }
    }

    /// The first disk that is too small, if any is.
    fn shortage(&self) -> Option<Shortage> {
        let disk = self.disks.values().find(|disk| disk.needed > disk.free)?;
        Some(Shortage {
            folder: disk.folder.clone(),
            needed: disk.needed,
            free: disk.free,
        })
    }
}
