//! Archives logs: moves those over which the engine would not start (see [`ending`](super::ending))
//! into a folder of their own, with the checkpoint. Nothing is deleted. Without logs the engine
//! begins a new sequence with the clean database.

use std::path::{Path, PathBuf};

use super::error::Result;
use crate::Error;
use crate::header::DatabaseHeaders;
use crate::io::sync_folder;
use crate::log_set::{LogName, LogSet};

/// The name of the archive folder; further ones have a number behind it.
const FOLDER: &str = "replayed-logs";

/// Returns the name of the archive folder, inside the log folder, with the logs that led to the
/// clean `database`; `None` if there is none. These logs still continue older backups.
pub fn archived_logs(database: &Path, logs: &Path, base: &str) -> Option<String> {
    let header = DatabaseHeaders::read(database).ok()?.header;
    if !header.is_clean() {
        return None;
    }
    let holds_its_end = |name: &str| {
        let set = LogSet::in_folder(&logs.join(name), base);
        let end = header.last_consistent.generation();
        set.is_ok_and(|set| set.get(end, &header.log_signature).is_some())
    };
    let names = std::fs::read_dir(logs).ok()?.flatten();
    let mut numbered: Vec<(u32, String)> = names
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let number = match name.strip_prefix(FOLDER)? {
                "" => 1,
                number => number.strip_prefix('-')?.parse().ok()?,
            };
            Some((number, name))
        })
        .collect();
    numbered.sort();
    let mut newest_first = numbered.into_iter().rev().map(|(_, name)| name);
    newest_first.find(|name| holds_its_end(name))
}

/// The logs to archive, and their destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogArchive {
    base: String,
    /// The folder of the logs, and that of the checkpoint if it is another one.
    folders: Vec<PathBuf>,
    /// The name of the archive folder inside each of them.
    target: String,
}

impl LogArchive {
    /// Archives the logs with this base name and their checkpoint, into folders that are empty or
    /// do not exist yet.
    pub fn new(logs: &Path, checkpoint: &Path, base: &str) -> Result<Self> {
        let mut folders = Vec::new();
        for folder in [logs, checkpoint] {
            let folder = folder.canonicalize().map_err(Error::io(folder))?;
            if folder.to_str().is_none() {
                let error = std::io::Error::other("the folder's name is not Unicode");
                return Err(Error::io(&folder)(error).into());
            }
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        let names = (1..).map(|number: u32| match number {
            1 => FOLDER.to_owned(),
            number => format!("{FOLDER}-{number}"),
        });
        let is_empty = |folder: PathBuf| match std::fs::read_dir(&folder) {
            Ok(mut entries) => entries.next().is_none(),
            Err(_) => folder.symlink_metadata().is_err(),
        };
        let is_free = |name: &String| folders.iter().all(|folder| is_empty(folder.join(name)));
        let target = names.into_iter().find(is_free);
        Ok(LogArchive {
            base: base.into(),
            folders,
            target: target.unwrap_or_default(),
        })
    }

    /// The archive folder of the logs.
    pub fn target(&self) -> PathBuf {
        let logs = self.folders.first().map(PathBuf::as_path);
        logs.unwrap_or(Path::new("")).join(&self.target)
    }

    /// Encodes it as a journal's note: base name, target and folders, each with a terminating zero.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\0{}\0", self.base, self.target);
        for folder in &self.folders {
            text.push_str(folder.to_str().unwrap_or_default());
            text.push('\0');
        }
        text.into_bytes()
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut names = std::str::from_utf8(bytes).ok()?.split_terminator('\0');
        let (base, target) = (names.next()?, names.next()?);
        let folders: Vec<PathBuf> = names.map(PathBuf::from).collect();
        (!folders.is_empty()).then(|| LogArchive {
            base: base.into(),
            target: target.into(),
            folders,
        })
    }

    /// Moves the files. Can be repeated: files moved before are no longer in their folders.
    pub fn apply(&self) -> Result<()> {
        for (index, folder) in self.folders.iter().enumerate() {
            let is_only = self.folders.len() == 1;
            let concerns = |name: &str| match index {
                0 => self.is_log(name) || (is_only && self.is_checkpoint(name)),
                _ => self.is_checkpoint(name),
            };
            move_files(folder, &folder.join(&self.target), concerns)?;
        }
        Ok(())
    }

    fn is_log(&self, name: &str) -> bool {
        matches!(
            LogName::parse(name, &self.base),
            Some(LogName::Current | LogName::Numbered { .. } | LogName::Temporary)
        )
    }

    fn is_checkpoint(&self, name: &str) -> bool {
        ["chk", "jcp"]
            .iter()
            .any(|kind| name.eq_ignore_ascii_case(&format!("{}.{kind}", self.base)))
    }
}

fn move_files(folder: &Path, target: &Path, concerns: impl Fn(&str) -> bool) -> Result<()> {
    std::fs::create_dir_all(target).map_err(Error::write(target))?;
    let entries = std::fs::read_dir(folder);
    for entry in entries.map_err(Error::write(folder))? {
        let entry = entry.map_err(Error::write(folder))?;
        let name = entry.file_name();
        if name.to_str().is_some_and(&concerns) && entry.path().is_file() {
            let path = entry.path();
            std::fs::rename(&path, target.join(name)).map_err(Error::write(&path))?;
        }
    }
    sync_folder(&target.join("."))?;
    Ok(sync_folder(target)?)
}
