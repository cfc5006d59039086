//! Setting the replayed logs aside.
//!
//! Logs that were replayed outside the engine do not end with the mark of a shutdown. An engine that finds them beside
//! the database would replay them once more, see that the database is ahead of where it was attached, and refuse to start
//! (JET_errAttachedDatabaseMismatch). Without them it begins a new sequence of logs with the clean database. So they are
//! moved into a folder of their own, with the checkpoint; nothing is deleted.

use std::path::{Path, PathBuf};

use super::error::{Error, Result};
use crate::log_set::LogName;

/// The logs to set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Aside {
    folder: PathBuf,
    base: String,
    /// The name of the folder inside `folder` that they go to.
    target: String,
}

impl Aside {
    /// Sets aside the logs in `folder` with this base name, into a folder that does not exist yet.
    pub fn new(folder: &Path, base: &str) -> Result<Self> {
        let io = |source| {
            Error::Read(crate::Error::Io {
                file: folder.to_path_buf(),
                source,
            })
        };
        let folder = folder.canonicalize().map_err(io)?;
        if folder.to_str().is_none() {
            let error = std::io::Error::other("the folder's name is not Unicode");
            return Err(io(error));
        }
        let names = (1..).map(|number: u32| match number {
            1 => "replayed-logs".to_owned(),
            number => format!("replayed-logs-{number}"),
        });
        let target = names.into_iter().find(|name| !folder.join(name).exists());
        Ok(Aside {
            folder,
            base: base.into(),
            target: target.unwrap_or_default(),
        })
    }

    /// The folder that they go to.
    pub fn target(&self) -> PathBuf {
        self.folder.join(&self.target)
    }

    /// As it stands in a journal: three names, each ending at a zero.
    pub fn to_bytes(&self) -> Vec<u8> {
        let folder = self.folder.to_str().unwrap_or_default();
        format!("{folder}\0{}\0{}\0", self.base, self.target).into_bytes()
    }

    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut names = std::str::from_utf8(bytes).ok()?.split_terminator('\0');
        let (folder, base, target) = (names.next()?, names.next()?, names.next()?);
        Some(Aside {
            folder: folder.into(),
            base: base.into(),
            target: target.into(),
        })
    }

    /// Moves them; those that were moved before are no longer there.
    pub fn apply(&self) -> Result<()> {
        let write = |file: &Path, source| Error::Write {
            file: file.to_path_buf(),
            source,
        };
        let target = self.target();
        std::fs::create_dir_all(&target).map_err(|source| write(&target, source))?;
        let entries = std::fs::read_dir(&self.folder);
        for entry in entries.map_err(|source| write(&self.folder, source))? {
            let entry = entry.map_err(|source| write(&self.folder, source))?;
            let name = entry.file_name();
            if name.to_str().is_some_and(|name| self.concerns(name)) {
                let path = entry.path();
                std::fs::rename(&path, target.join(name)).map_err(|source| write(&path, source))?;
            }
        }
        super::finish::sync_folder(&target.join("."))?;
        super::finish::sync_folder(&target)
    }

    fn concerns(&self, name: &str) -> bool {
        let is_log = matches!(
            LogName::parse(name, &self.base),
            Some(LogName::Current | LogName::Numbered { .. } | LogName::Temporary)
        );
        is_log || name.eq_ignore_ascii_case(&format!("{}.chk", self.base))
    }
}
