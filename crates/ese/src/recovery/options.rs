//! The options of a recovery.

use std::fmt;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::redo::Counts;

/// The progress of a recovery.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// The current generation.
    pub generation: u32,
    /// The first generation to replay.
    pub first: u32,
    /// The last generation to replay.
    pub last: u32,
    /// The bytes of logs that are replayed, by the sizes of the files.
    pub done_bytes: u64,
    /// The bytes of all logs to replay.
    pub total_bytes: u64,
    /// The work done so far.
    pub counts: Counts,
    /// Time since the recovery began.
    pub elapsed: Duration,
}

/// The end of the replay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stop {
    /// After the last log.
    #[default]
    End,
    /// After this generation.
    Generation(u32),
    /// Before the first log that may hold changes from after this moment: after the last log whose
    /// successor was created no later.
    Time(SystemTime),
}

type Report = Box<dyn FnMut(Progress) -> ControlFlow<()>>;

/// The options of a recovery.
pub struct Options {
    pub(super) folder: PathBuf,
    pub(super) database: Option<String>,
    pub(super) logs: Option<PathBuf>,
    pub(super) checkpoint: Option<PathBuf>,
    pub(super) base: String,
    pub(super) output: Option<PathBuf>,
    pub(super) archive_logs: bool,
    pub(super) stop: Stop,
    pub(super) allow_loss: bool,
    pub(super) cache_bytes: usize,
    pub(super) progress: Option<Report>,
}

impl Options {
    /// Recovers the only database in `folder` in place, with the logs beside it.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Options {
            folder: folder.into(),
            database: None,
            logs: None,
            checkpoint: None,
            base: "edb".into(),
            output: None,
            archive_logs: false,
            stop: Stop::End,
            allow_loss: false,
            cache_bytes: 128 << 20,
            progress: None,
        }
    }

    /// Sets the file name of the database; needed if the folder holds several.
    pub fn database(mut self, name: impl Into<String>) -> Self {
        self.database = Some(name.into());
        self
    }

    /// Sets the folder of the logs, if it is not that of the database.
    pub fn logs_in(mut self, folder: impl Into<PathBuf>) -> Self {
        self.logs = Some(folder.into());
        self
    }

    /// Sets the folder of the checkpoint, if it is not that of the logs. Recovery does not need the
    /// checkpoint, but [archives it](Self::archive_logs) with the logs.
    pub fn checkpoint_in(mut self, folder: impl Into<PathBuf>) -> Self {
        self.checkpoint = Some(folder.into());
        self
    }

    /// Sets the base name of the logs; `edb` by default.
    pub fn log_base_name(mut self, base: impl Into<String>) -> Self {
        self.base = base.into();
        self
    }

    /// Writes the recovered database into this folder, under its own name, and leaves all input
    /// unchanged.
    pub fn into_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.output = Some(folder.into());
        self
    }

    /// Sets whether a recovery in place archives logs that would keep the engine from starting:
    /// moves them, and the checkpoint, into a folder of their own beside them.
    ///
    /// The engine does not start with a clean database and logs that end while it is attached, as
    /// the logs replayed here do; without logs it begins a new sequence. Logs that the engine
    /// itself ended with a shutdown stay. All logs stay while another database in the folder still
    /// needs them. By default they stay, for tools that read them.
    pub fn archive_logs(mut self, archive: bool) -> Self {
        self.archive_logs = archive;
        self
    }

    pub(super) fn archives_logs(&self) -> bool {
        self.archive_logs && self.output.is_none()
    }

    pub(super) fn log_folder(&self) -> &Path {
        self.logs.as_ref().unwrap_or(&self.folder)
    }

    pub(super) fn checkpoint_folder(&self) -> &Path {
        self.checkpoint.as_deref().unwrap_or(self.log_folder())
    }

    /// Sets the end of the replay.
    pub fn until(mut self, stop: Stop) -> Self {
        self.stop = stop;
        self
    }

    /// Sets whether to continue if logs with committed changes are missing or damaged, as far as
    /// the other logs reach. The summary lists the lost generations. Logs that the database needs
    /// to be consistent must always be there.
    pub fn allow_loss(mut self, allow: bool) -> Self {
        self.allow_loss = allow;
        self
    }

    /// Sets the memory for pages, in bytes; 128 MiB by default.
    pub fn cache_bytes(mut self, bytes: usize) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// Sets a function that receives the progress. It can end the recovery, which leaves the
    /// database unchanged.
    pub fn progress(mut self, report: impl FnMut(Progress) -> ControlFlow<()> + 'static) -> Self {
        self.progress = Some(Box::new(report));
        self
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("folder", &self.folder)
            .field("database", &self.database)
            .field("logs", &self.logs)
            .field("output", &self.output)
            .field("stop", &self.stop)
            .field("allow_loss", &self.allow_loss)
            .finish_non_exhaustive()
    }
}
