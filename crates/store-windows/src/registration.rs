//! A domain controller that is locked for a restore.
//!
//! The registry's values are written before the first file is changed: whatever NTDS starts from
//! after that, it takes a new invocation id. A restore that is not completed leaves them; an
//! unchanged directory that starts with them takes a new id, too, which does no harm.

use std::path::PathBuf;

use contract::{Result, ResultCode};
use model::{FileEntry, RestoredFile};
use store::{FileWriter, RegisteredRestore};

use crate::system;

pub(crate) struct Registration {
    /// The files, at the registered places.
    pub(crate) files: Box<dyn RegisteredRestore>,
}

impl RegisteredRestore for Registration {
    fn complete(&mut self) -> Result<Vec<PathBuf>> {
        let ready = system::check_offline().and_then(|()| system::mark_restored());
        if let Err(error) = ready {
            self.files.fail(error.code)?;
            return Err(error);
        }
        self.files.complete()
    }

    fn fail(&mut self, state: ResultCode) -> Result<()> {
        self.files.fail(state)
    }

    fn clear(&mut self, needed: u64) -> Result<Vec<FileEntry>> {
        system::check_offline()?;
        self.files.clear(needed)
    }

    fn create_file(&mut self, file: RestoredFile) -> Result<FileWriter> {
        self.files.create_file(file)
    }

    fn keep_locked(&mut self) {
        self.files.keep_locked();
    }
}
