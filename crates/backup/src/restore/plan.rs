//! Where each file of a snapshot goes, what has to make room for it, and whether it fits.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use contract::{FileType, Generations};
use ese::log_set::LogName;
use files::{Place, Space};
use model::manifest::{File, Manifest};

use crate::error::{Error, Result};
use crate::words::bytes;

/// The folders and the database path that a restore writes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The folder to which a tree's paths are relative; none where only a database and its logs can
    /// be restored.
    pub tree: Option<PathBuf>,
    /// The folder to which the paths of the files beside a database are relative, such as registry
    /// hives and SYSVOL; none where they are left out.
    pub state: Option<PathBuf>,
    /// The database file.
    pub database: PathBuf,
    /// The folder of the logs.
    pub logs: PathBuf,
    /// The folder of the checkpoint.
    pub checkpoint: PathBuf,
}

/// One file and its destination.
#[derive(Debug)]
pub struct PlannedFile<'a> {
    /// The file in the snapshot.
    pub file: &'a File,
    /// Where it is restored to.
    pub place: Place,
}

/// All that a restore will do.
#[derive(Debug)]
pub struct Plan<'a> {
    /// The files to write.
    pub files: Vec<PlannedFile<'a>>,
    /// The files of the directory that lie there now and are deleted first.
    pub doomed: Vec<Place>,
}

impl Places {
    /// Everything in one folder, the database under the name that it had.
    pub fn in_one_folder(manifest: &Manifest, folder: &Path) -> Self {
        Self {
            tree: manifest.is_tree().then(|| folder.to_path_buf()),
            state: Some(folder.to_path_buf()),
            database: folder.join(database_name(manifest)),
            logs: folder.to_path_buf(),
            checkpoint: folder.to_path_buf(),
        }
    }

    /// The database's folder.
    pub fn database_folder(&self) -> &Path {
        match self.database.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }

    /// The folders, each once.
    pub fn folders(&self) -> BTreeSet<&Path> {
        BTreeSet::from([self.database_folder(), &self.logs, &self.checkpoint])
    }

    fn destination(&self, file: &File) -> Result<PathBuf> {
        let name = file.base_name();
        match file.file_type() {
            FileType::DATABASE => Ok(self.database.clone()),
            FileType::FLUSH_MAP => Ok(self.database.with_extension("jfm")),
            FileType::CHECKPOINT => Ok(self.checkpoint.join(name)),
            file_type if file_type.belongs_to_database_directory() => {
                Ok(self.database_folder().join(name))
            }
            file_type if file_type.belongs_to_log_directory() => Ok(self.logs.join(name)),
            _ => Err(Error::Refused(format!(
                "the snapshot holds {} of type {:?}, and this release does not know where that \
                 goes: use the release that made the snapshot, or restore it with restic",
                file.path, file.file_type
            ))),
        }
    }
}

impl<'a> Plan<'a> {
    /// Plans the restore of a snapshot.
    ///
    /// # Errors
    /// When the snapshot does not fit the places, or a destination folder cannot be listed.
    pub fn new(manifest: &'a Manifest, places: &Places) -> Result<Self> {
        match (&places.tree, manifest.is_tree()) {
            (Some(tree), true) => Self::of_tree(manifest, tree),
            (None, false) => Self::of_database(manifest, places),
            (tree, _) => Err(Error::Refused(format!(
                "the snapshot is of the kind {}, and the service hosts {}: restore it into a \
                 service of its own kind",
                manifest.store,
                if tree.is_some() {
                    "the state of a whole server"
                } else {
                    "a database in a folder"
                }
            ))),
        }
    }

    /// Every file to its own path.
    fn of_tree(manifest: &'a Manifest, tree: &Path) -> Result<Self> {
        let files: Vec<PlannedFile<'a>> = manifest
            .files
            .iter()
            .map(|file| PlannedFile {
                place: Place::beneath(tree, &file.path),
                file,
            })
            .collect();
        refuse_doubles(&files)?;
        let doomed = files.iter().map(|planned| planned.place.clone());
        Ok(Self {
            doomed: doomed
                .filter(|place| place.path().symlink_metadata().is_ok())
                .collect(),
            files,
        })
    }

    fn of_database(manifest: &'a Manifest, places: &Places) -> Result<Self> {
        let databases = manifest.databases().count();
        if databases != 1 {
            return Err(Error::Refused(format!(
                "the snapshot holds {databases} databases; a directory has exactly one"
            )));
        }
        let mut files = Vec::new();
        for file in &manifest.files {
            let place = match (file.is_state(), &places.state) {
                (true, None) => continue,
                (true, Some(folder)) => Place::beneath(folder, &file.path),
                (false, _) => Place::of(&places.destination(file)?),
            };
            files.push(PlannedFile { file, place });
        }
        refuse_doubles(&files)?;
        let destinations: BTreeSet<PathBuf> =
            files.iter().map(|planned| planned.place.path()).collect();
        let state = (files.iter()).filter(|planned| planned.file.is_state());
        let mut doomed: BTreeSet<Place> = (state.map(|planned| planned.place.clone()))
            .filter(|place| place.path().symlink_metadata().is_ok())
            .collect();
        for folder in places.folders() {
            let entries = match std::fs::read_dir(folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(Error::io("list the folder", folder)(error)),
            };
            for entry in entries {
                let path = entry.map_err(Error::io("list the folder", folder))?.path();
                if belongs_to_directory(&path, places, &manifest.log_base_name)
                    || destinations.contains(&path)
                {
                    doomed.insert(Place::of(&path));
                }
            }
        }
        Ok(Self {
            doomed: doomed.into_iter().collect(),
            files,
        })
    }

    /// Makes sure that the files fit, once what is doomed is gone.
    ///
    /// # Errors
    /// When a disk is too small: nothing has been touched then.
    pub fn check_space(&self) -> Result<()> {
        let written = (self.files.iter()).map(|planned| (planned.place.path(), planned.file.size));
        let shortage = Space::shortage_for(written, self.doomed.iter().map(Place::path))
            .map_err(|(path, error)| Error::io("look at the free space", path)(error))?;
        match shortage {
            None => Ok(()),
            Some(disk) => Err(Error::Refused(format!(
                "{}: not enough space: the restore needs {}, and {} would be free; nothing was \
                 touched",
                disk.folder.display(),
                bytes(disk.needed),
                bytes(disk.free)
            ))),
        }
    }
}

/// The database's file name.
pub fn database_name(manifest: &Manifest) -> &str {
    (manifest.databases().next()).map_or("ntds.dit", |file| file.base_name())
}

/// A file must not take another's place.
fn refuse_doubles(files: &[PlannedFile<'_>]) -> Result<()> {
    let mut places = BTreeSet::new();
    match files.iter().find(|planned| !places.insert(&planned.place)) {
        None => Ok(()),
        Some(twice) => Err(Error::Refused(format!(
            "two files of the snapshot would become {}",
            twice.place.path().display()
        ))),
    }
}

/// The generations of the snapshot's logs, 0-0 where it has none.
pub fn generations(manifest: &Manifest) -> Generations {
    manifest
        .logs
        .map_or(Generations { low: 0, high: 0 }, Generations::from)
}

/// Whether a file in a destination folder is part of a directory, whatever its generation: logs,
/// checkpoint, reserved logs, the database with its flush map and patch file. Anything else there
/// is not ours to delete.
fn belongs_to_directory(path: &Path, places: &Places, log_base_name: &str) -> bool {
    if [
        places.database.clone(),
        places.database.with_extension("jfm"),
        places.database.with_extension("pat"),
    ]
    .iter()
    .any(|own| own == path)
    {
        return true;
    }
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
        return false;
    };
    let old_reserved_log = ["res1.log", "res2.log"].contains(&name);
    old_reserved_log
        || name == format!("{log_base_name}.chk")
        || LogName::parse(name, log_base_name).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(file_type: FileType, path: &str) -> serde_json::Value {
        serde_json::json!({
            "type": file_type.word(), "path": path, "original": path, "size": 1,
            "sha256": "00", "modified": "2026-11-27T10:00:00Z",
        })
    }

    /// A Windows domain controller: a database, hives, group policies.
    fn manifest() -> Manifest {
        let manifest = serde_json::json!({
            "format": 1, "tool": "test", "created": "", "expires": "",
            "tombstone_lifetime_days": 60, "server": "DC1", "store": "ntds",
            "database": {"signature": "", "state": "Clean Shutdown", "page_size": 8192},
            "log_base_name": "edb", "logs": null,
            "files": [
                file(FileType::DATABASE, "database/ntds.dit"),
                file(FileType::STATE, "registry/SYSTEM"),
                file(FileType::SHARED, "SYSVOL/corp.example/Policies/{A}/GPT.INI"),
                file(FileType::SHARED, "SYSVOL/corp.example/Policies/{B}/GPT.INI"),
            ],
            "damaged": false,
        });
        Manifest::from_json(manifest.to_string().as_bytes()).expect("a manifest")
    }

    fn paths(plan: &Plan<'_>, folder: &Path) -> Vec<String> {
        let paths = plan.files.iter().map(|planned| planned.place.path());
        let paths = paths.map(|path| path.strip_prefix(folder).expect("within").to_path_buf());
        paths.map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn the_files_beside_a_database_have_their_own_paths_in_a_folder() {
        let (folder, manifest) = (tempfile::tempdir().unwrap(), manifest());
        let places = Places::in_one_folder(&manifest, folder.path());
        let plan = Plan::new(&manifest, &places).unwrap();
        assert_eq!(
            paths(&plan, folder.path()),
            [
                "ntds.dit",
                "registry/SYSTEM",
                "SYSVOL/corp.example/Policies/{A}/GPT.INI",
                "SYSVOL/corp.example/Policies/{B}/GPT.INI",
            ]
        );
        // Those of a restore that was interrupted make room.
        std::fs::create_dir(folder.path().join("registry")).unwrap();
        std::fs::write(folder.path().join("registry/SYSTEM"), "").unwrap();
        let plan = Plan::new(&manifest, &places).unwrap();
        let doomed: Vec<PathBuf> = plan.doomed.iter().map(Place::path).collect();
        assert_eq!(doomed, [folder.path().join("registry/SYSTEM")]);
    }

    #[test]
    fn a_restore_in_place_leaves_them_out() {
        let (folder, manifest) = (tempfile::tempdir().unwrap(), manifest());
        let places = Places {
            state: None,
            ..Places::in_one_folder(&manifest, folder.path())
        };
        let plan = Plan::new(&manifest, &places).unwrap();
        assert_eq!(paths(&plan, folder.path()), ["ntds.dit"]);
        assert_eq!(crate::restore::files_in_place(&manifest).len(), 1);
    }
}
