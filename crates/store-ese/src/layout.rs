//! The layout of a directory: the names of its files, and the folder of each.

use std::path::{Path, PathBuf};

use contract::{Error, FileType, Result, ResultCode};
use ese::log_set::LogName;
use ese::recovery::archived_logs;
use files::UNFINISHED;
use store::{RESTORE_MARKER, distinct};

use crate::configuration::DirectoryConfiguration;

use crate::current_log::CURRENT_LOG_FILE;

/// The role of a file in the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Database,
    /// Pages that changed while an old engine's database was being copied.
    Patch,
    Log(LogName),
    Checkpoint,
    FlushMap,
}

/// A file that belongs to the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DirectoryFile {
    pub(crate) path: PathBuf,
    pub(crate) role: Role,
}

/// The contents of a directory's folders.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// The directory's files, in the order of a backup's lists.
    pub(crate) files: Vec<DirectoryFile>,
    /// All other files except our own.
    pub(crate) others: Vec<PathBuf>,
}

/// The folders and names of one directory. The folders are absolute, without symbolic links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) database_folder: PathBuf,
    pub(crate) log_folder: PathBuf,
    pub(crate) checkpoint_folder: PathBuf,
    pub(crate) database_file: String,
    pub(crate) log_base_name: String,
}

impl Layout {
    /// The configured folders, which must exist.
    ///
    /// # Errors
    /// `hrInvalidPath` with the folder that does not exist, or whose name is not UTF-8.
    pub(crate) fn new(configuration: &DirectoryConfiguration) -> Result<Self> {
        let database_folder = canonical(&configuration.database_folder)?;
        let or_database = |folder: &Option<PathBuf>| match folder {
            Some(folder) => canonical(folder),
            None => Ok(database_folder.clone()),
        };
        Ok(Self {
            log_folder: or_database(&configuration.log_folder)?,
            checkpoint_folder: or_database(&configuration.checkpoint_folder)?,
            database_file: configuration.database_file.clone(),
            log_base_name: configuration.log_base_name.clone(),
            database_folder,
        })
    }

    /// The database's path.
    pub(crate) fn database(&self) -> PathBuf {
        self.database_folder.join(&self.database_file)
    }

    /// The folders, each once.
    pub(crate) fn folders(&self) -> Vec<PathBuf> {
        distinct([
            &self.database_folder,
            &self.log_folder,
            &self.checkpoint_folder,
        ])
    }

    /// The folder that holds the logs: the log folder or, if it has none, the archive folder to
    /// which recovery moved the replayed logs.
    pub(crate) fn current_log_folder(&self) -> PathBuf {
        match self.replayed() {
            Some(name) => self.log_folder.join(name),
            None => self.log_folder.clone(),
        }
    }

    /// The name of the archive folders of the replayed logs and their checkpoint, while there are
    /// no newer logs.
    fn replayed(&self) -> Option<String> {
        let entries = std::fs::read_dir(&self.log_folder).ok()?.flatten();
        let has_logs = (entries.filter_map(|entry| entry.file_name().into_string().ok()))
            .filter_map(|name| LogName::parse(&name, &self.log_base_name))
            .any(|log| !matches!(log, LogName::Reserved { .. }));
        match has_logs {
            true => None,
            false => archived_logs(&self.database(), &self.log_folder, &self.log_base_name),
        }
    }

    /// The destination of a backup's file.
    ///
    /// # Errors
    /// `hrInvalidPath` for a type that no file of a directory has, and for a name with a folder in
    /// it.
    pub(crate) fn place_of(&self, file_type: FileType, name: &str) -> Result<PathBuf> {
        let plain = !name.is_empty() && !name.contains(['/', '\\', '\0']);
        let database = self.database();
        let (folder, path) = match file_type {
            FileType::DATABASE => (&self.database_folder, database),
            FileType::FLUSH_MAP => (&self.database_folder, database.with_extension("jfm")),
            FileType::CHECKPOINT => (&self.checkpoint_folder, self.checkpoint_folder.join(name)),
            _ => (&self.log_folder, self.log_folder.join(name)),
        };
        let role = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| self.role(folder, name));
        let is_ours = match file_type {
            FileType::DATABASE => role == Some(Role::Database),
            FileType::FLUSH_MAP => role == Some(Role::FlushMap),
            FileType::CHECKPOINT => role == Some(Role::Checkpoint),
            _ => matches!(role, Some(Role::Log(_) | Role::Patch)),
        };
        if plain && is_ours {
            return Ok(path);
        }
        Err(Error::new(
            ResultCode::INVALID_PATH,
            format!("{name:?}: a directory has no file of this name and type"),
        ))
    }

    /// Lists the folders.
    ///
    /// # Errors
    /// `hrDiskIO` if a folder cannot be read; `hrInvalidPath` if a file of the directory is not a
    /// regular file.
    pub(crate) fn contents(&self) -> Result<Contents> {
        let mut contents = Contents::default();
        let unreadable = |folder: &Path, error: std::io::Error| {
            Error::new(
                ResultCode::DISK_IO,
                format!("{}: cannot list the folder: {error}", folder.display()),
            )
        };
        let folders = self.folders();
        for folder in &folders {
            self.add_folder(folder, folder, &mut contents)
                .map_err(|error| unreadable(folder, error))?;
        }
        if let Some(name) = self.replayed() {
            let aside = |other: &PathBuf| folders.iter().any(|folder| folder.join(&name) == *other);
            contents.others.retain(|other| !aside(other));
            for folder in &folders {
                let replayed = folder.join(&name);
                if replayed.is_dir() {
                    self.add_folder(&replayed, folder, &mut contents)
                        .map_err(|error| unreadable(&replayed, error))?;
                }
                contents.files.retain(|file| {
                    matches!(file.role, Role::Log(_) | Role::Checkpoint)
                        || !file.path.starts_with(&replayed)
                });
            }
        }
        for file in &contents.files {
            if !file.path.is_file() {
                return Err(Error::new(
                    ResultCode::INVALID_PATH,
                    format!(
                        "{}: expected a regular file under this name; move it away",
                        file.path.display()
                    ),
                ));
            }
        }
        contents
            .files
            .sort_by_cached_key(|file| (file.role.order(), file.path.clone()));
        contents.others.sort();
        Ok(contents)
    }

    /// Adds the files in `folder`, by the names that files have in the folder `home`.
    fn add_folder(
        &self,
        folder: &Path,
        home: &Path,
        contents: &mut Contents,
    ) -> std::io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            match name.and_then(|name| self.role(home, name)) {
                Some(role) => contents.files.push(DirectoryFile { path, role }),
                None if name.is_some_and(is_ours) => {}
                None => contents.others.push(path),
            }
        }
        Ok(())
    }

    /// The role of a file by its name and folder.
    fn role(&self, folder: &Path, name: &str) -> Option<Role> {
        if folder == self.database_folder {
            if platform::file::is_same_name(name, &self.database_file) {
                return Some(Role::Database);
            }
            if self.is_beside_database(name, "jfm") {
                return Some(Role::FlushMap);
            }
        }
        if folder == self.log_folder {
            if let Some(log) = log_name(name, &self.log_base_name) {
                return Some(Role::Log(log));
            }
            if self.is_beside_database(name, "pat") {
                return Some(Role::Patch);
            }
        }
        let is_checkpoint = folder == self.checkpoint_folder
            && name.eq_ignore_ascii_case(&format!("{}.chk", self.log_base_name));
        is_checkpoint.then_some(Role::Checkpoint)
    }

    /// Whether the name is the database's with another extension.
    fn is_beside_database(&self, name: &str, extension: &str) -> bool {
        let stem = self
            .database_file
            .rsplit_once('.')
            .map_or(self.database_file.as_str(), |(stem, _)| stem);
        name.rsplit_once('.').is_some_and(|(start, end)| {
            start.eq_ignore_ascii_case(stem) && end.eq_ignore_ascii_case(extension)
        })
    }

    /// Whether a foreign file is an unfinished file of the directory, such as `ntds.dit.partial`.
    pub(crate) fn is_unfinished(&self, other: &Path) -> bool {
        let (Some(folder), Some(name)) = (other.parent(), other.file_name()) else {
            return false;
        };
        let name = name.to_string_lossy();
        let mut name = name.trim_start_matches('.');
        while let Some((start, _)) = name.rsplit_once('.') {
            if self.role(folder, start).is_some() {
                return true;
            }
            name = start;
        }
        false
    }
}

impl Role {
    /// The type under which a backup lists the file.
    pub(crate) fn file_type(self) -> FileType {
        match self {
            Self::Database => FileType::DATABASE,
            Self::Patch => FileType::PATCH_FILE,
            Self::Log(_) => FileType::LOG,
            Self::Checkpoint => FileType::CHECKPOINT,
            Self::FlushMap => FileType::FLUSH_MAP,
        }
    }

    /// Whether the file is read before the logs are listed.
    pub(crate) fn is_of_database(self) -> bool {
        matches!(self, Self::Database | Self::Patch)
    }

    fn order(self) -> (u32, u32) {
        match self {
            Self::Database => (0, 0),
            Self::Patch => (1, 0),
            Self::Log(LogName::Numbered { generation, .. }) => (2, generation),
            Self::Log(LogName::Current) => (3, 0),
            Self::Log(LogName::Temporary) => (4, 0),
            Self::Log(LogName::Reserved { number }) => (5, number),
            Self::Checkpoint => (6, 0),
            Self::FlushMap => (7, 0),
        }
    }
}

/// The role of a log by its name, also for the reserved logs of old engines, whose names lack the
/// base name.
fn log_name(name: &str, base: &str) -> Option<LogName> {
    LogName::parse(name, base).or_else(|| {
        [(1, "res1.log"), (2, "res2.log")]
            .into_iter()
            .find(|(_, reserved)| name.eq_ignore_ascii_case(reserved))
            .map(|(number, _)| LogName::Reserved { number })
    })
}

/// Whether the name is one of our own files in the database's folder, which no backup holds.
fn is_ours(name: &str) -> bool {
    let name = name.strip_suffix(UNFINISHED).unwrap_or(name);
    name == RESTORE_MARKER
        || name == CURRENT_LOG_FILE
        || name.starts_with(files::RESTORED_FROM_BACKUP)
}

/// A folder's absolute path without symbolic links.
pub(crate) fn canonical(folder: &Path) -> Result<PathBuf> {
    let refused = |reason: &dyn std::fmt::Display| {
        Error::new(
            ResultCode::INVALID_PATH,
            format!("{}: {reason}", folder.display()),
        )
    };
    let path = platform::file::canonical(folder).map_err(|error| refused(&error))?;
    if !path.is_dir() {
        return Err(refused(&"expected a folder"));
    }
    if path.to_str().is_none() {
        return Err(refused(&"expected a path in UTF-8"));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder_with(names: &[&str]) -> (tempfile::TempDir, Layout) {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let layout = Layout::new(&DirectoryConfiguration::for_folder(folder.path())).unwrap();
        (folder, layout)
    }

    fn names<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> Vec<String> {
        paths
            .into_iter()
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn files_are_listed_in_the_order_of_a_backup() {
        let expected = [
            "ntds.dit",
            "ntds.pat",
            "edb00002.log",
            "edb0000A.log",
            "edb00010.log",
            "edb.log",
            "edbtmp.log",
            "edbres00001.jrs",
            "res1.log",
            "res2.log",
            "edb.chk",
            "ntds.jfm",
        ];
        let mut all = vec!["temp.edb", "notes.txt", RESTORE_MARKER, CURRENT_LOG_FILE];
        all.extend(expected.iter().rev());
        let (_folder, layout) = folder_with(&all);
        let contents = layout.contents().unwrap();
        assert_eq!(
            names(contents.files.iter().map(|file| &file.path)),
            expected
        );
        assert_eq!(names(&contents.others), ["notes.txt", "temp.edb"]);
    }

    #[test]
    fn each_file_is_looked_for_in_its_own_folder() {
        let (folder, _) = folder_with(&["ntds.dit", "edb.log", "edb.chk"]);
        for (name, file) in [("logs", "edb00001.log"), ("checkpoint", "edb.chk")] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
            std::fs::write(folder.path().join(name).join(file), "").unwrap();
        }
        let layout = Layout::new(&DirectoryConfiguration {
            log_folder: Some(folder.path().join("logs")),
            checkpoint_folder: Some(folder.path().join("checkpoint")),
            ..DirectoryConfiguration::for_folder(folder.path())
        })
        .unwrap();
        let contents = layout.contents().unwrap();
        assert_eq!(
            names(contents.files.iter().map(|file| &file.path)),
            ["ntds.dit", "edb00001.log", "edb.chk"]
        );
        assert!(contents.files[2].path.ends_with("checkpoint/edb.chk"));
    }

    #[test]
    fn halves_of_files_are_known() {
        let (folder, layout) = folder_with(&[]);
        for (name, unfinished) in [
            ("ntds.dit.partial", true),
            (".ntds.dit.x7Gh2k", true),
            ("edb00001.log.dsbackup.tmp", true),
            ("notes.txt", false),
            ("temp.edb", false),
        ] {
            let path = folder.path().canonicalize().unwrap().join(name);
            assert_eq!(layout.is_unfinished(&path), unfinished, "{name}");
        }
    }

    #[test]
    fn a_folder_in_a_files_place_is_refused() {
        let (folder, layout) = folder_with(&["ntds.dit"]);
        std::fs::create_dir(folder.path().join("edb00001.log")).unwrap();
        let error = layout.contents().unwrap_err();
        assert_eq!(error.code, ResultCode::INVALID_PATH);
        assert!(error.reason.contains("edb00001.log"));
    }
}
