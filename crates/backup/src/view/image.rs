//! A directory in an image of a disk: its database and logs are copied into the cache, and the logs
//! are replayed.

use std::path::{Path, PathBuf};

use ese::recovery::{self, Options, Summary};
use ids::hex;
use platform::file;
use sha2::{Digest, Sha256};
use windows_disk::{Disks, Found};

use super::cache::Cache;
use super::{View, keep_only};
use crate::error::{Error, Result};
use crate::report::{Report, of_recovery};

/// The disks of a server, and the directory on them.
pub struct DiskImage {
    disks: Disks,
    found: Found,
    /// What the user named.
    path: PathBuf,
    /// The path that the user named in the image.
    inside: Option<String>,
}

impl DiskImage {
    /// Opens the image at a path, or the images in a folder such as that of Windows Server Backup, and
    /// finds the directory: at the path `inside`, or where the registry says. `None` if nothing there
    /// is an image.
    ///
    /// # Errors
    /// Where no directory is found, and for damaged images and those of a form that is not read.
    pub fn open(path: &Path, inside: Option<&str>, report: &dyn Report) -> Result<Option<Self>> {
        let Some(disks) = Disks::open(path)? else {
            return Ok(None);
        };
        let found = disks.directory(inside)?;
        report.note(&found.description);
        for warning in &found.warnings {
            report.warn(warning);
        }
        Ok(Some(Self {
            disks,
            found,
            path: path.to_path_buf(),
            inside: inside.map(str::to_owned),
        }))
    }

    /// The file name of the database.
    pub fn database(&self) -> &str {
        &self.found.database.name
    }

    /// Copies the database into a folder, and the logs into another one, which may be the same.
    ///
    /// # Errors
    /// Where there is no room for them, where they are damaged, and where they cannot be written.
    pub fn copy_into(&self, folder: &Path, logs: &Path, report: &dyn Report) -> Result<()> {
        let files = || std::iter::once(&self.found.database).chain(&self.found.others);
        let bar = report.begin(files().map(|file| file.size()).sum());
        for file in files() {
            bar.item(&file.name);
            let is_database = std::ptr::eq(file, &self.found.database);
            let folder = if is_database { folder } else { logs };
            file.copy_into(folder, &mut |bytes| bar.advance(bytes))?;
        }
        Ok(())
    }

    /// Replays the logs into the copy of the database.
    ///
    /// # Errors
    /// As [`recovery::recover`].
    pub fn recover(&self, options: Options) -> Result<Summary> {
        recovery::recover(options).map_err(|error| match &error {
            recovery::Error::MissingRequiredLogs { missing, .. }
            | recovery::Error::MissingCommittedLogs { missing, .. } => {
                let missing = missing.iter().map(|range| contract::Generations {
                    low: *range.start(),
                    high: *range.end(),
                });
                let missing: Vec<String> = missing.map(|range| range.to_string()).collect();
                Error::LogsNotInImage {
                    image: self.path.display().to_string(),
                    missing: missing.join(", "),
                }
            }
            _ => error.into(),
        })
    }

    /// What the copy in the cache is called: a hash of what the image's files are, and of the path in
    /// it.
    fn id(&self) -> Result<String> {
        let mut hash = Sha256::new();
        for path in &self.disks.files {
            let absolute = std::path::absolute(path).map_err(Error::io("look at", path))?;
            let found = path.metadata().map_err(Error::io("look at", path))?;
            hash.update(absolute.as_os_str().as_encoded_bytes());
            let identity = file::Identity::at(path).map_err(Error::io("look at", path))?;
            for number in [identity.disk, identity.number, found.len()] {
                hash.update(number.to_le_bytes());
            }
            for time in file::changed(&found) {
                hash.update(time.to_le_bytes());
            }
        }
        hash.update(self.inside.as_deref().unwrap_or("\0"));
        Ok(format!("image-{}", hex::encode(&hash.finalize())))
    }
}

impl View {
    /// Opens the directory in an image of a disk.
    ///
    /// # Errors
    /// Fails if its files cannot be read, if its logs cannot be replayed, and if the cache has no room
    /// for the copy.
    pub fn of_image(image: &DiskImage, cache: &Cache, report: &dyn Report) -> Result<Self> {
        let database = image.database();
        let copy = cache.copy(&image.id()?, |folder| {
            report.note(&format!(
                "the database and its logs are copied into {}, and the logs are replayed",
                cache.place()
            ));
            image.copy_into(folder, folder, report)?;
            let options = Options::new(folder).database(database);
            image.recover(options.progress(of_recovery(report.begin(0))))?;
            keep_only(folder, database)
        })?;
        Self::of_recovered(copy, database)
    }
}
