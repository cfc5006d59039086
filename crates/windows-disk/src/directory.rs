//! The directory on a server's disks: its database, its logs, and how they were found.

use std::ops::ControlFlow;

use disk_image::{Error, Result};

use crate::disks::{Disks, Place};
use crate::hive::Hive;
use crate::letters;
use crate::names::equal_but_for_case;
use crate::ntfs::{Entry, Stream};

/// The registry of a Windows.
const SYSTEM: &str = r"Windows\System32\config\SYSTEM";
/// Where the directory is unless a registry says otherwise.
const DEFAULT: &str = r"Windows\NTDS\ntds.dit";
/// What is read of a folder of logs: how the names of logs and of the checkpoint end.
const OF_LOGS: [&str; 3] = ["log", "jtx", "chk"];
/// The most files of a folder of logs: more than generations that a disk has room for.
const MOST_FILES: usize = 1 << 20;
/// What to do where the directory is not found.
const NAME_IT: &str =
    "name the database's path in the image, such as --in-image 'D:\\NTDS\\ntds.dit'";

/// A directory on a server's disks.
pub struct Found {
    /// The database.
    pub database: FileInImage,
    /// The logs and the checkpoint.
    pub others: Vec<FileInImage>,
    /// The path of the database with that of its volume, and how it was found.
    pub description: String,
    /// What a user should know before relying on it.
    pub warnings: Vec<String>,
}

/// A file on a volume.
pub struct FileInImage {
    /// Its name without a folder.
    pub name: String,
    /// Its bytes.
    pub bytes: Stream,
}

/// Where a registry, or the user, says that the directory is.
struct Paths {
    database: String,
    /// The folder of the logs; that of the database if it is not said.
    logs: Option<String>,
    /// How it was found.
    by: String,
}

/// A registry, with the position of its volume.
struct Registry {
    hive: Hive,
    /// `None` if it holds no directory.
    paths: Option<Paths>,
}

impl Disks {
    /// Finds the directory: at the path `inside`, or where the registry of a Windows on the disks
    /// says, or else at its default place.
    ///
    /// # Errors
    /// Where there is none, or several, and where a volume or a registry is damaged.
    pub fn directory(&self, inside: Option<&str>) -> Result<Found> {
        if self.volumes.is_empty() {
            return Err(self.not_found(
                "no NTFS volume is on the disk",
                "name the image of the disk with the database",
            ));
        }
        let needs_registry = inside.is_none_or(|path| letters::split(path).0.is_some());
        let registries = match needs_registry {
            true => self.registries()?,
            false => Vec::new(),
        };
        let mut warnings = Vec::new();
        for registry in &registries {
            if registry.hive.is_dirty {
                warnings.push(format!(
                    "{}: the registry was not closed; it is read without its logs",
                    registry.hive.name()
                ));
            }
        }
        if let Some(inside) = inside {
            let paths = Paths {
                database: inside.to_owned(),
                logs: None,
                by: "as named".into(),
            };
            let registry = registries.first().map(|registry| &registry.hive);
            return self.at(&paths, registry, warnings);
        }
        let with_directory: Vec<_> = (registries.iter())
            .filter_map(|registry| Some((&registry.hive, registry.paths.as_ref()?)))
            .collect();
        match &with_directory[..] {
            [] => {
                let paths = Paths {
                    database: DEFAULT.into(),
                    logs: None,
                    by: "at its default place".into(),
                };
                let registry = registries.first().map(|registry| &registry.hive);
                self.at(&paths, registry, warnings)
            }
            [(hive, paths)] => self.at(paths, Some(hive), warnings),
            several => {
                let places: Vec<String> = (several.iter())
                    .map(|(hive, paths)| format!("{} ({})", paths.database, hive.name()))
                    .collect();
                Err(Error::refused(
                    self.path.display(),
                    format_args!(
                        "several directories are on the disks: {}",
                        places.join(", ")
                    ),
                    NAME_IT,
                ))
            }
        }
    }

    /// The registries of all Windows on the disks.
    fn registries(&self) -> Result<Vec<Registry>> {
        let mut registries = Vec::new();
        for place in &self.volumes {
            let Some(entry) = place.volume.find(SYSTEM)?.filter(|entry| !entry.is_folder) else {
                continue;
            };
            let bytes = place.volume.open_file(entry.file, SYSTEM)?;
            let hive = Hive::open(std::sync::Arc::new(bytes))?;
            let paths = paths_in(&hive)?;
            registries.push(Registry { hive, paths });
        }
        Ok(registries)
    }

    /// The directory at a path.
    fn at(&self, paths: &Paths, hive: Option<&Hive>, mut warnings: Vec<String>) -> Result<Found> {
        let (place, entry, path) = self.resolve(&paths.database, hive, false, &mut warnings)?;
        let volume = &place.volume;
        let name = entry.name.clone();
        let database = FileInImage {
            bytes: volume.open_file(entry.file, path)?,
            name,
        };
        warnings.extend(volume.warnings()?);
        let beside = path
            .trim_end_matches(['\\', '/'])
            .rsplit_once(['\\', '/'])
            .map_or("", |(folder, _)| folder);
        let others = match &paths.logs {
            None => files_in(place, beside)?,
            Some(folder) => {
                let (logs, _, folder) = self.resolve(folder, hive, true, &mut warnings)?;
                if logs.volume.name() != volume.name() {
                    warnings.extend(logs.volume.warnings()?);
                }
                files_in(logs, folder)?
            }
        };
        Ok(Found {
            description: format!("{} ({})", database.bytes.name, paths.by),
            database,
            others,
            warnings,
        })
    }

    /// The volume and the entry of a path, and the path without its letter.
    fn resolve<'d, 'p>(
        &'d self,
        path: &'p str,
        hive: Option<&Hive>,
        is_folder: bool,
        warnings: &mut Vec<String>,
    ) -> Result<(&'d Place, Entry, &'p str)> {
        let (letter, rest) = letters::split(path);
        let mut known = None;
        if let (Some(letter), Some(hive)) = (letter, hive) {
            known = letters::volume_of(hive, letter, &self.volumes)?;
        }
        let candidates: Vec<&Place> = match known {
            Some(position) => vec![&self.volumes[position]],
            None => self.volumes.iter().collect(),
        };
        let mut found = Vec::new();
        for place in candidates {
            let entry = place.volume.find(rest)?;
            let fits = entry.filter(|entry| entry.is_folder == is_folder);
            found.extend(fits.map(|entry| (place, entry, rest)));
        }
        let what = if is_folder { "folder" } else { "file" };
        match found.len() {
            0 => Err(self.not_found(&format!("no volume has the {what} {path}"), NAME_IT)),
            1 => {
                let only = found.remove(0);
                if let (Some(letter), None, Some(_)) = (letter, known, hive) {
                    warnings.push(format!(
                        "the registry does not say which volume here is {letter}:; {rest} is on one \
                         of them only, {}, and is read there",
                        only.0.volume.name()
                    ));
                }
                Ok(only)
            }
            _ => {
                let names: Vec<&str> = found
                    .iter()
                    .map(|(place, ..)| place.volume.name())
                    .collect();
                Err(Error::refused(
                    self.path.display(),
                    format_args!(
                        "several volumes have the {what} {path}: {}",
                        names.join("; ")
                    ),
                    "name an image with one of them only",
                ))
            }
        }
    }
}

/// Where a registry says that the directory is.
fn paths_in(hive: &Hive) -> Result<Option<Paths>> {
    let Some(select) = hive.key("Select")? else {
        return Ok(None);
    };
    let current = hive.value(&select, "Current")?;
    let Some(current) = current.and_then(|value| value.number()) else {
        return Ok(None);
    };
    let key = format!(r"ControlSet{current:03}\Services\NTDS\Parameters");
    let Some(parameters) = hive.key(&key)? else {
        return Ok(None);
    };
    let text = |name: &str| -> Result<Option<String>> {
        let value = hive.value(&parameters, name)?;
        Ok(value
            .and_then(|value| value.text())
            .filter(|text| !text.is_empty()))
    };
    let Some(database) = text("DSA Database file")? else {
        return Ok(None);
    };
    Ok(Some(Paths {
        by: format!("{database} by the registry"),
        logs: text("Database log files path")?,
        database,
    }))
}

/// The logs and the checkpoint in a folder.
fn files_in(place: &Place, folder: &str) -> Result<Vec<FileInImage>> {
    let file = match place.volume.find(folder)? {
        Some(entry) => entry.file,
        // The path has no folder.
        None => crate::ntfs::ROOT,
    };
    let mut entries: Vec<Entry> = Vec::new();
    place.volume.entries(file, folder, &mut |entry| {
        let ending = entry.name.rsplit_once('.').map_or("", |(_, ending)| ending);
        let fits = OF_LOGS
            .iter()
            .any(|known| equal_but_for_case(ending, known));
        if fits && !entry.is_folder && !entry.is_short_name {
            entries.push(entry);
        }
        match entries.len() < MOST_FILES {
            true => ControlFlow::Continue(()),
            false => ControlFlow::Break(()),
        }
    })?;
    if entries.len() >= MOST_FILES {
        return Err(Error::refused(
            place.volume.name(),
            format_args!("{folder} has more than {MOST_FILES} logs"),
            "copy those that are needed out, and name their folder",
        ));
    }
    entries.sort_by(|left, right| left.name.cmp(&right.name));
    entries.dedup_by(|left, right| left.name == right.name);
    (entries.into_iter())
        .map(|entry| {
            let path = match folder.is_empty() {
                true => entry.name.clone(),
                false => format!("{folder}\\{}", entry.name),
            };
            Ok(FileInImage {
                bytes: place.volume.open_file(entry.file, &path)?,
                name: entry.name,
            })
        })
        .collect()
}
