//! One backup: its listed files, the open one, and those read to their end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use contract::{Error, Result, ResultCode, check_read_size};
use model::FileEntry;
use tokio_util::sync::CancellationToken;

use crate::sessions::life::Life;
use crate::transfer::download::{Progress, SharedProgress, Transfer};
use crate::transfer::rate_limiter::RateLimiter;
use store::{BackupSet, FileReader, Truncation};

/// The longest file name, in bytes; the system's own limit.
const LONGEST_NAME: usize = 4096;

/// The context behind a backup's handle.
pub(crate) struct BackupContext {
    set: Box<dyn BackupSet>,
    database_files: Option<Vec<FileEntry>>,
    log_files: Option<Vec<FileEntry>>,
    open: Option<OpenFile>,
    /// The files read to their end, with the number of damages in each.
    read: BTreeMap<String, u64>,
}

struct OpenFile {
    name: String,
    /// Present until the file is read.
    reader: Option<Box<dyn FileReader>>,
    progress: SharedProgress,
    closed: CancellationToken,
}

impl Drop for OpenFile {
    fn drop(&mut self) {
        self.closed.cancel();
    }
}

impl BackupContext {
    pub(crate) fn new(set: Box<dyn BackupSet>) -> Self {
        Self {
            set,
            database_files: None,
            log_files: None,
            open: None,
            read: BTreeMap::new(),
        }
    }

    /// The database files, listed once.
    pub(crate) fn database_files(&mut self) -> Result<&[FileEntry]> {
        if self.database_files.is_none() {
            self.database_files = Some(self.set.database_files()?);
        }
        Ok(self.database_files.as_deref().unwrap_or_default())
    }

    /// The logs and the rest of the set, listed once.
    pub(crate) fn log_files(&mut self) -> Result<&[FileEntry]> {
        if self.log_files.is_none() {
            self.log_files = Some(self.set.log_files()?);
        }
        Ok(self.log_files.as_deref().unwrap_or_default())
    }

    /// Opens a listed file and returns its size.
    ///
    /// # Errors
    /// `ERROR_INVALID_PARAMETER` for the hint, `hrAlreadyOpen`, `hrFileNotFound`, and the store's
    /// errors.
    pub(crate) fn open(&mut self, name: &str, hint: u32, life: &Life) -> Result<u64> {
        check_read_size(hint)?;
        if let Some(open) = &self.open {
            return Err(Error::new(
                ResultCode::ALREADY_OPEN,
                format!("{} is open on this handle; close it first", open.name),
            ));
        }
        if name.len() > LONGEST_NAME {
            return Err(Error::new(
                ResultCode::FILE_NOT_FOUND,
                format!(
                    "a name of {} bytes is none of those that this backup lists",
                    name.len()
                ),
            ));
        }
        let listed = self.database_files()?.iter().any(|file| file.name == name)
            || self.log_files()?.iter().any(|file| file.name == name);
        if !listed {
            return Err(Error::new(
                ResultCode::FILE_NOT_FOUND,
                format!(
                    "{name:?} is not one of the names that this backup lists; give one exactly as \
                     listed"
                ),
            ));
        }
        let reader = self.set.open(name)?;
        let size = reader.size();
        self.open = Some(OpenFile {
            name: name.to_owned(),
            reader: Some(reader),
            progress: Arc::new(Mutex::new(Progress::BrokenOff)),
            closed: life.released().child_token(),
        });
        Ok(size)
    }

    /// Begins to stream the open file. Returns its name, too.
    ///
    /// # Errors
    /// - `hrInvalidHandle`: no file is open, or its stream broke off, so that it must be closed and
    ///   reopened.
    /// - `hrAlreadyOpen`: the file is being read.
    /// - `ERROR_HANDLE_EOF`: the file was read to its end.
    pub(crate) fn read(
        &mut self,
        life: Arc<Life>,
        rate_limiter: Option<Arc<RateLimiter>>,
    ) -> Result<(String, Transfer)> {
        let open = self.open.as_mut().ok_or_else(no_file_open)?;
        let Some(reader) = open.reader.take() else {
            let (code, reason) = match &*progress(open) {
                Progress::Reading => (ResultCode::ALREADY_OPEN, "is being read"),
                Progress::Ended(_) => (ResultCode::HANDLE_EOF, "was read to its end"),
                Progress::BrokenOff => (
                    ResultCode::INVALID_HANDLE,
                    "was not read to its end; close it and open it again",
                ),
            };
            return Err(Error::new(code, format!("{} {reason}", open.name)));
        };
        *progress(open) = Progress::Reading;
        let transfer = Transfer::begin(
            reader,
            life,
            open.closed.clone(),
            open.progress.clone(),
            rate_limiter,
        );
        Ok((open.name.clone(), transfer))
    }

    /// Closes the open file.
    ///
    /// # Errors
    /// `hrInvalidHandle`: no file is open.
    pub(crate) fn close(&mut self) -> Result<()> {
        self.note_progress();
        self.open.take().map(drop).ok_or_else(no_file_open)
    }

    /// Deletes logs, if this backup holds the whole directory undamaged.
    ///
    /// # Errors
    /// `hrFullBackupNotTaken` if it does not. Then nothing was deleted.
    pub(crate) fn truncate_logs(&mut self) -> Result<Truncation> {
        self.note_progress();
        self.database_files()?;
        self.log_files()?;
        let files = self.database_files.iter().chain(&self.log_files).flatten();
        let (mut unread, mut damaged) = (Vec::new(), Vec::new());
        for file in files {
            match self.read.get(&file.name) {
                None => unread.push(file.name.as_str()),
                Some(0) => {}
                Some(_) => damaged.push(file.name.as_str()),
            }
        }
        let missing = match (unread.first(), damaged.first()) {
            (Some(first), _) => format!(
                "{} of its files were not read to their end (first: {first})",
                unread.len()
            ),
            (None, Some(first)) => format!(
                "{} of its files are damaged (first: {first})",
                damaged.len()
            ),
            (None, None) => return self.set.truncate_logs(),
        };
        Err(Error::new(
            ResultCode::FULL_BACKUP_NOT_TAKEN,
            format!(
                "no log was deleted, because this backup does not hold the whole directory: \
                 {missing}"
            ),
        ))
    }

    fn note_progress(&mut self) {
        if let Some(open) = &self.open
            && let Progress::Ended(damage) = &*progress(open)
        {
            self.read.insert(open.name.clone(), damage.count);
        }
    }
}

fn progress(open: &OpenFile) -> std::sync::MutexGuard<'_, Progress> {
    open.progress.lock().unwrap_or_else(PoisonError::into_inner)
}

fn no_file_open() -> Error {
    Error::new(ResultCode::INVALID_HANDLE, "no file is open on this handle")
}
