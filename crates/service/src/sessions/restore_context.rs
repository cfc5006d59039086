//! One restore: its token and its registration.

use std::path::PathBuf;
use std::sync::Arc;

use contract::{Error, ExpiryToken, HIGHEST_REGISTERED_GENERATION, Result, ResultCode};
use model::{FileEntry, RestoredFile};
use store::{DirectoryStore, FileWriter, RegisteredRestore, RestorePlan};

/// The context behind a restore's handle.
pub(crate) struct RestoreContext {
    /// Absent on a restricted handle.
    token: Option<ExpiryToken>,
    registered: Option<Box<dyn RegisteredRestore>>,
    /// Shared with every file that is being written.
    writing: Arc<()>,
}

impl RestoreContext {
    pub(crate) fn new(token: Option<ExpiryToken>) -> Self {
        Self {
            token,
            registered: None,
            writing: Arc::default(),
        }
    }

    /// Locks the directory for this restore.
    ///
    /// # Errors
    /// - `hrMissingExpiryToken`: restricted handle.
    /// - `hrRestoreMapExists`: registered already.
    /// - `ERROR_INVALID_PARAMETER`: generations or map.
    /// - the errors of [`DirectoryStore::register_restore`].
    pub(crate) fn register(
        &mut self,
        store: &dyn DirectoryStore,
        plan: impl FnOnce(ExpiryToken) -> RestorePlan,
    ) -> Result<()> {
        let plan = plan(self.token()?.clone());
        if self.registered.is_some() {
            return Err(ResultCode::RESTORE_MAP_EXISTS.into());
        }
        let (low, high) = (plan.generations.low, plan.generations.high);
        if low > high || high > HIGHEST_REGISTERED_GENERATION {
            return Err(Error::new(
                ResultCode::INVALID_PARAMETER,
                format!(
                    "log generations {low:#x} to {high:#x}: expected a range within 0 to \
                     {HIGHEST_REGISTERED_GENERATION:#x}"
                ),
            ));
        }
        if plan.databases.is_empty() {
            return Err(Error::new(
                ResultCode::INVALID_PARAMETER,
                "the restore map is empty: it must say where the database goes",
            ));
        }
        self.registered = Some(store.register_restore(plan)?);
        Ok(())
    }

    /// Deletes the existing files at the destinations of the restore.
    ///
    /// # Errors
    /// `hrMissingExpiryToken` on a restricted handle, `hrInvalidHandle` without registration,
    /// `hrAlreadyOpen` while a file is being written, and the store's errors.
    pub(crate) fn clear(&mut self, needed: u64) -> Result<Vec<FileEntry>> {
        self.refuse_while_writing()?;
        self.registered()?.clear(needed)
    }

    /// Begins to write a file.
    ///
    /// # Errors
    /// As [`clear`](Self::clear).
    pub(crate) fn create_file(&mut self, file: RestoredFile) -> Result<FileWriter> {
        self.refuse_while_writing()?;
        let writing = self.writing.clone();
        Ok(self.registered()?.create_file(file)?.noted_by(writing))
    }

    /// Ends the registration. After success the restored files are checked and the directory is
    /// unlocked. Returns the files that the store wrote beside it.
    ///
    /// # Errors
    /// `hrMissingExpiryToken` on a restricted handle, `hrInvalidHandle` without registration, and
    /// the findings of the check.
    pub(crate) fn complete(&mut self, state: ResultCode) -> Result<Vec<PathBuf>> {
        self.refuse_while_writing()?;
        let registered = self.registered()?;
        let mut written = Vec::new();
        if state.is_ok() {
            // If the check fails, the registration stays, so that the application can repair and
            // complete again.
            written = registered.complete()?;
        } else {
            registered.fail(state)?;
        }
        self.registered = None;
        Ok(written)
    }

    fn registered(&mut self) -> Result<&mut Box<dyn RegisteredRestore>> {
        self.token()?;
        self.registered.as_mut().ok_or_else(|| {
            Error::new(
                ResultCode::INVALID_HANDLE,
                "no restore is registered on this handle",
            )
        })
    }

    fn refuse_while_writing(&self) -> Result<()> {
        if Arc::strong_count(&self.writing) == 1 {
            return Ok(());
        }
        Err(Error::new(
            ResultCode::ALREADY_OPEN,
            "a file is being written on this handle; let that end first",
        ))
    }

    pub(crate) fn keep_locked(&mut self) {
        if let Some(registered) = &mut self.registered {
            registered.keep_locked();
        }
    }

    fn token(&self) -> Result<&ExpiryToken> {
        self.token.as_ref().ok_or_else(|| {
            Error::new(
                ResultCode::MISSING_EXPIRY_TOKEN,
                "the restore was prepared without an expiry token: its handle allows only \
                 HrRRestoreGetDatabaseLocations",
            )
        })
    }
}
