//! The files of a backup: the database, and logs if the copy has them, as [`store_ese`] reads and
//! verifies them; and hives and SYSVOL beside them.

use contract::{Error, Result, ResultCode};
use model::{DirectoryFacts, FileEntry};
use store::{BackupOptions, BackupSet, DirectoryStore, FileReader, Mode, Truncation};
use store_ese::{DirectoryConfiguration, EseFolder};

use crate::STORE_KIND;
use crate::state_file::StateFile;

/// A consistent copy of a domain controller.
pub struct CopiedSet {
    inner: Box<dyn BackupSet>,
    /// Hosts the copied database.
    _store: EseFolder,
    state: Vec<StateFile>,
    warnings: Vec<String>,
    /// The listed names, and those that the copy's files have.
    names: Vec<(String, String)>,
    original: Box<dyn Fn(&str) -> String + Send>,
    /// Removes the copy. Dropped last.
    _copy: Box<dyn Send>,
}

/// A copy that a tool of the system made.
pub struct Copied {
    /// The folders of the copied database.
    pub database: DirectoryConfiguration,
    /// Hives and SYSVOL.
    pub state: Vec<StateFile>,
    /// What could not be copied, in words.
    pub warnings: Vec<String>,
    /// The path on the server of a path in the copy.
    pub original: Box<dyn Fn(&str) -> String + Send>,
    /// Removes the copy when dropped.
    pub remove: Box<dyn Send>,
}

impl CopiedSet {
    /// Opens a copy.
    ///
    /// # Errors
    /// Those of [`EseFolder`]; `hrDatabaseCorrupted` for a database in clean shutdown that holds no
    /// directory.
    pub fn open(copied: Copied, options: BackupOptions) -> Result<Self> {
        let store = EseFolder::host(&copied.database, Mode::Normal)?;
        let inner = store.begin_backup(options)?;
        let facts = inner.facts();
        if facts.directory.is_none() && facts.required.is_none() {
            return Err(Error::new(
                ResultCode::DATABASE_CORRUPTED,
                format!(
                    "{}: the copy cannot be read as a directory",
                    copied.database.database_folder.display()
                ),
            ));
        }
        Ok(Self {
            inner,
            _store: store,
            state: copied.state,
            warnings: copied.warnings,
            names: Vec::new(),
            original: copied.original,
            _copy: copied.remove,
        })
    }

    /// The files under the names that they have on the server.
    fn renamed(&mut self, files: Vec<FileEntry>) -> Vec<FileEntry> {
        let Self {
            original, names, ..
        } = self;
        let renamed = files.into_iter().map(|file| {
            let name = original(&file.name);
            names.push((name.clone(), file.name.clone()));
            FileEntry { name, ..file }
        });
        renamed.collect()
    }
}

impl BackupSet for CopiedSet {
    fn facts(&self) -> DirectoryFacts {
        let mut facts = self.inner.facts();
        facts.store_kind = STORE_KIND.into();
        facts.warnings.extend(self.warnings.iter().cloned());
        facts
    }

    fn database_files(&mut self) -> Result<Vec<FileEntry>> {
        let files = self.inner.database_files()?;
        let mut files = self.renamed(files);
        files.extend(self.state.iter().map(StateFile::entry));
        Ok(files)
    }

    fn log_files(&mut self) -> Result<Vec<FileEntry>> {
        let files = self.inner.log_files()?;
        Ok(self.renamed(files))
    }

    fn open(&self, wanted: &str) -> Result<Box<dyn FileReader>> {
        if let Some((_, name)) = self.names.iter().find(|(listed, _)| listed == wanted) {
            return self.inner.open(name);
        }
        let file = self.state.iter().find(|file| file.original == wanted);
        file.ok_or(ResultCode::FILE_NOT_FOUND)?.open()
    }

    fn truncate_logs(&mut self) -> Result<Truncation> {
        Ok(Truncation {
            deleted: Vec::new(),
            kept_because: "NTDS deletes its logs itself".into(),
        })
    }
}
