//! The volumes on the disks of a server.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use disk_image::{Error, Image, Part, ReadAt, Result, array};

use crate::boot::{self, Kind};
use crate::images::images_at;
use crate::ntfs::Volume;
use crate::partitions::{Partition, PartitionId, partitions};

/// The volumes on the disks of a server.
pub struct Disks {
    /// What was named.
    pub(crate) path: PathBuf,
    /// All files that the disks are made of.
    pub files: Vec<PathBuf>,
    pub(crate) volumes: Vec<Place>,
    /// Partitions that cannot be read, and why.
    pub(crate) notes: Vec<String>,
    /// Why the first of them cannot.
    failed: Option<Error>,
}

/// A volume, and what a registry calls it.
pub(crate) struct Place {
    pub(crate) volume: Volume,
    pub(crate) id: PartitionId,
    /// Its first byte of its disk.
    pub(crate) start: u64,
}

impl Disks {
    /// Opens the image at a path, or the images in a folder, such as that of Windows Server Backup;
    /// `None` if there is none.
    ///
    /// # Errors
    /// For a damaged image or partition table, and for a form that is not read.
    pub fn open(path: &Path) -> Result<Option<Self>> {
        let paths = images_at(path)?;
        let mut images = Vec::new();
        for path in &paths {
            images.extend(Image::open(path)?.map(|image| (path.clone(), image)));
        }
        let others: Vec<PathBuf> = (images.iter())
            .flat_map(|(_, image)| image.others.iter().cloned())
            .collect();
        // Extents, and what a snapshot differs from, are no disks of their own.
        images.retain(|(path, _)| !others.contains(path));
        if images.is_empty() {
            return Ok(None);
        }
        let mut disks = Self {
            path: path.to_path_buf(),
            files: others,
            volumes: Vec::new(),
            notes: Vec::new(),
            failed: None,
        };
        for (path, image) in images {
            disks.files.push(path);
            disks.add(&image.disk)?;
        }
        disks.files.sort();
        disks.checked().map(Some)
    }

    /// The volumes on one disk.
    ///
    /// # Errors
    /// As [`Disks::open`].
    pub fn on(disk: &Arc<dyn ReadAt>) -> Result<Self> {
        let mut disks = Self {
            path: PathBuf::from(disk.name()),
            files: Vec::new(),
            volumes: Vec::new(),
            notes: Vec::new(),
            failed: None,
        };
        disks.add(disk)?;
        disks.checked()
    }

    fn add(&mut self, disk: &Arc<dyn ReadAt>) -> Result<()> {
        for partition in partitions(&**disk)? {
            let name = match partition.number {
                0 => disk.name().to_owned(),
                number => format!("{}, partition {number}", disk.name()),
            };
            match (partition.note, volume_on(disk, &partition, &name)) {
                (Some(note), _) => self.notes.push(format!("{name}: {note}")),
                (None, Ok(Some(volume))) => self.volumes.push(Place {
                    volume,
                    id: partition.id,
                    start: partition.start,
                }),
                (None, Ok(None)) => {}
                // The others may hold the directory.
                (None, Err(error)) => {
                    self.notes.push(error.to_string());
                    self.failed.get_or_insert(error);
                }
            }
        }
        Ok(())
    }

    /// Fails if there was a volume, and none that can be read.
    fn checked(mut self) -> Result<Self> {
        match self.failed.take() {
            Some(error) if self.volumes.is_empty() => Err(error),
            _ => Ok(self),
        }
    }

    /// An error that also tells which partitions could not be read.
    pub(crate) fn not_found(&self, what: &str, next: &str) -> Error {
        let mut what = what.to_owned();
        for note in &self.notes {
            what += &format!(" ({note})");
        }
        Error::not_found(self.path.display(), what, next)
    }
}

/// The NTFS volume on a partition, which messages call `name`; `None` for another file system.
fn volume_on(disk: &Arc<dyn ReadAt>, partition: &Partition, name: &str) -> Result<Option<Volume>> {
    let (start, length) = (partition.start, partition.length);
    let part = Part::new(Arc::clone(disk), start, length, name.to_owned())?;
    if part.size() < 512 {
        return Ok(None);
    }
    let refused = |what: &str, next: &str| Err(Error::refused(name, what, next));
    match boot::kind_of(&array(&part, 0)?) {
        Some(Kind::Ntfs) => Volume::open(Arc::new(part)).map(Some),
        Some(Kind::BitLocker) => refused(
            "it is encrypted with BitLocker",
            "unlock it (with dislocker, or manage-bde -unlock on Windows), and name an image of the \
             unlocked volume, or the folder of the database in it",
        ),
        Some(Kind::Refs) => refused(
            "it is a ReFS, which is not read",
            "copy the database and its logs out with Windows, and name their folder",
        ),
        None => Ok(None),
    }
}
