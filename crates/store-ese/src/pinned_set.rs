//! The files of one backup, all opened at its beginning.

use std::sync::Arc;

use contract::{Error, Generations, Result, ResultCode};
use ese::header::{Checkpoint, DatabaseHeaders, LogHeader};
use ese::log_set::{LogFile, LogName, LogSet};
use model::{DirectoryFacts, FileEntry};
use store::{BackupOptions, BackupSet, FileReader, Taken, Truncation};
use zerocopy::IntoBytes;

use crate::condition::{Condition, generations, in_words};
use crate::current_log::{self, Recorded, Start};
use crate::directory;
use crate::former_life::{self, Standing};
use crate::layout::Role;
use crate::needed_logs;
use crate::pinned_file::PinnedFile;
use crate::reader::Reader;
use crate::truncation;
use crate::{Hosted, STORE_KIND};

/// Bytes of a log's header, and of each of a checkpoint's two copies.
const HEADER: usize = 4096;

/// A consistent set of files: no other process uses the directory, and reading a file that changes
/// all the same fails.
pub(crate) struct PinnedSet {
    hosted: Arc<Hosted>,
    options: BackupOptions,
    /// In a backup of logs: the first generation that it holds.
    first_log: Option<u32>,
    files: Vec<Arc<PinnedFile>>,
    condition: Condition,
    _backup: Taken,
}

impl PinnedSet {
    /// Opens every file of the directory.
    ///
    /// # Errors
    /// `hrDatabaseNotFound`, `hrDatabaseCorrupted`, `hrDiskIO`, `ERROR_NOT_ENOUGH_MEMORY`.
    pub(crate) fn pin(
        hosted: Arc<Hosted>,
        options: BackupOptions,
        first_log: Option<u32>,
        backup: Taken,
    ) -> Result<Self> {
        let mut files = Vec::new();
        for found in &hosted.layout.contents()?.files {
            files.push(PinnedFile::open(found)?);
        }
        let logs = read_log_headers(&mut files)?;
        let database = files
            .iter()
            .find(|file| file.role == Role::Database)
            .ok_or_else(|| {
                Error::new(
                    ResultCode::DATABASE_NOT_FOUND,
                    format!(
                        "{}: the database is gone",
                        hosted.layout.database().display()
                    ),
                )
            })?;
        let start = database.read_at(0, DatabaseHeaders::START)?;
        let last = |length: usize| {
            let offset = database.size().saturating_sub(length as u64);
            database.read_at(offset, length)
        };
        let condition = Condition::judge(&database.path, &start, last, logs)?;
        Ok(Self {
            hosted,
            options,
            first_log,
            files: files.into_iter().map(Arc::new).collect(),
            condition,
            _backup: backup,
        })
    }

    /// Warnings about anything that keeps the files from becoming a consistent directory again.
    fn warnings(&self) -> Vec<String> {
        let unusable = self.condition.logs.unusable.iter();
        let mut warnings: Vec<String> = unusable.map(ToString::to_string).collect();
        let missing = self.condition.missing();
        if !missing.is_empty() {
            warnings.push(format!(
                "{}: the logs of generation {} are missing, and the database ({}) needs them: \
                 without them this backup cannot be made consistent",
                self.hosted.layout.log_folder.display(),
                in_words(&missing),
                self.condition.state()
            ));
        }
        if let Standing::MustChange(warning) | Standing::RolledBack(warning) = self.standing() {
            warnings.push(warning);
        }
        warnings
    }

    /// The facts of the database's directory.
    fn directory(&self) -> Option<&ntds::Facts> {
        let facts = &self.hosted.facts;
        facts
            .get_or_init(|| directory::facts(&self.hosted.layout.database()))
            .as_ref()
    }

    /// The directory's relation to its former life.
    fn standing(&self) -> Standing {
        let id = (self.directory()).map(|facts| facts.invocation_id.to_string());
        let folder = &self.hosted.layout.database_folder;
        former_life::standing(folder, &self.condition.header, id.as_deref())
    }

    fn entries(&self, of_database: bool) -> Vec<FileEntry> {
        self.files
            .iter()
            .filter(|file| file.role.is_of_database() == of_database && self.holds(file))
            .map(|file| file.entry())
            .collect()
    }

    /// Whether the backup holds the file. A backup of logs holds only logs: not the checkpoint,
    /// which belongs to the files of one moment, and no prepared logs.
    fn holds(&self, file: &PinnedFile) -> bool {
        let Some(first_log) = self.first_log else {
            return true;
        };
        let is_log = matches!(
            file.role,
            Role::Log(LogName::Current | LogName::Numbered { .. })
        );
        is_log && file.generation >= first_log
    }

    /// The checkpoint, if it exists and is readable.
    fn checkpoint(&self) -> Result<Option<Checkpoint>> {
        let Some(file) = self.files.iter().find(|file| file.role == Role::Checkpoint) else {
            return Ok(None);
        };
        Ok(Checkpoint::parse(&file.read_at(0, 2 * HEADER)?).ok())
    }
}

impl BackupSet for PinnedSet {
    fn facts(&self) -> DirectoryFacts {
        let header = &self.condition.header;
        let logs = self.condition.generations().map(|logs| Generations {
            low: logs.low.max(self.first_log.unwrap_or_default()),
            ..logs
        });
        DirectoryFacts {
            store_kind: STORE_KIND.into(),
            server: self.hosted.server.clone(),
            database_signature: header.database_signature.as_bytes().to_vec(),
            state: self.condition.state(),
            page_size: header.page_size().bytes() as u32,
            required: self.condition.required().map(generations),
            logs,
            tombstone_lifetime_days: self.hosted.tombstone_lifetime_days,
            warnings: self.warnings(),
            log_base_name: self.hosted.layout.log_base_name.clone(),
            directory: self.directory().map(store::identity),
        }
    }

    fn database_files(&mut self) -> Result<Vec<FileEntry>> {
        Ok(self.entries(true))
    }

    fn log_files(&mut self) -> Result<Vec<FileEntry>> {
        Ok(self.entries(false))
    }

    fn open(&self, name: &str) -> Result<Box<dyn FileReader>> {
        let file = self
            .files
            .iter()
            .find(|file| file.name() == name)
            .ok_or(ResultCode::FILE_NOT_FOUND)?;
        let reader = Reader::begin(file.clone(), self.options.allow_corrupt)?;
        Ok(Box::new(reader))
    }

    fn truncate_logs(&mut self) -> Result<Truncation> {
        if let Standing::RolledBack(reason) = self.standing() {
            return Ok(Truncation {
                deleted: Vec::new(),
                kept_because: format!("nothing was deleted: {reason}"),
            });
        }
        let checkpoint = self.checkpoint()?;
        let sequence = &self.condition.header.log_signature;
        let neighbours = needed_logs::neighbours(&self.hosted.layout, sequence)?;
        let bound = truncation::first_kept(&self.condition, checkpoint.as_ref(), &neighbours);
        let truncation = match bound {
            Ok(bound) => {
                let files: Vec<_> = (self.files.iter().filter(|file| self.holds(file)))
                    .cloned()
                    .collect();
                truncation::delete_below(&bound, &files)?
            }
            Err(kept_because) => Truncation {
                deleted: Vec::new(),
                kept_because,
            },
        };
        // The start of the next backup of logs. A folder without a log in use is a copy of a
        // directory, or was recovered: the engine will begin another sequence of logs there.
        let log_folder = self.hosted.layout.log_folder.as_path();
        let current = (self.condition.logs.current())
            .filter(|log| log.path.parent().is_some_and(|folder| folder == log_folder));
        let recorded = match current {
            None => Recorded::Nothing,
            Some(log) => Recorded::Since(Start::at(log.generation(), Some(log))),
        };
        current_log::record(&self.hosted.layout.database_folder, recorded)?;
        Ok(truncation)
    }
}

/// Reads the logs' headers from the pinned files and notes the generations.
fn read_log_headers(files: &mut [PinnedFile]) -> Result<LogSet> {
    let mut logs = LogSet::default();
    for file in files {
        let Role::Log(name @ (LogName::Current | LogName::Numbered { .. })) = file.role else {
            continue;
        };
        if let LogName::Numbered { generation, .. } = name {
            file.generation = generation;
        }
        match LogHeader::parse(&file.read_at(0, HEADER)?) {
            Ok(header) => match name {
                LogName::Numbered { generation, .. } if header.generation.get() != generation => {
                    logs.unusable.push(ese::Error::Damaged {
                        file: file.path.clone(),
                        offset: 4,
                        structure: "log file header".into(),
                        expected: format!("generation {generation:#x}, as in the file's name"),
                        found: format!("generation {:#x}", header.generation.get()),
                    });
                }
                _ => {
                    file.generation = header.generation.get();
                    logs.logs.push(LogFile {
                        path: file.path.clone(),
                        name,
                        header,
                    });
                }
            },
            Err(fault) => logs.unusable.push(fault.in_file(&file.path)),
        }
    }
    logs.logs.sort_by_key(LogFile::generation);
    Ok(logs)
}
