//! Where lines of an audit log go: a file, or the systemd journal.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use platform::file::{self, Identity};

use crate::journal::{self, Journal};

/// The name of the audit log in the journal: `journalctl -t dsbackup-audit`.
pub const IDENTIFIER: &str = "dsbackup-audit";

/// An audit log, and whether it can be written.
pub struct AuditLog {
    sink: Sink,
    /// Whether the last line could not be written.
    failed: AtomicBool,
}

/// Where lines go.
pub enum Sink {
    /// The configured file.
    File(LogFile),
    /// Without a file, under systemd: the journal, apart from the program's own log. It adds the
    /// time.
    Journal(Journal),
    /// Without either: the program's own log, at debug level.
    OwnLog,
}

/// A file of lines, opened again when log rotation has moved it away.
pub struct LogFile {
    path: PathBuf,
    open: Mutex<Option<File>>,
}

impl AuditLog {
    /// Opens the file, created with mode 0600. Without a file: the journal, if standard error goes
    /// there.
    ///
    /// # Errors
    /// If the file cannot be written, or the journal not be reached.
    pub fn open(file: Option<&Path>) -> io::Result<Self> {
        let because = |what: String, error: io::Error| {
            io::Error::new(error.kind(), format!("{what}: {error}"))
        };
        let sink = match file {
            Some(path) => Sink::File(LogFile::new(path).map_err(|error| {
                because(
                    format!("{}: cannot write the audit log", path.display()),
                    error,
                )
            })?),
            None if journal::has_standard_error() => {
                Sink::Journal(Journal::of_the_system().map_err(|error| {
                    because("cannot reach the journal for the audit log".into(), error)
                })?)
            }
            None => Sink::OwnLog,
        };
        Ok(Self {
            sink,
            failed: AtomicBool::new(false),
        })
    }

    /// Where lines go.
    pub fn sink(&self) -> &Sink {
        &self.sink
    }

    /// Whether lines can be written: what cannot be recorded is to be refused. After a failure `try_one`
    /// adds a line, which tells.
    pub fn works(&self, try_one: impl FnOnce()) -> bool {
        if self.failed.load(Ordering::Relaxed) {
            try_one();
        }
        !self.failed.load(Ordering::Relaxed)
    }

    /// Adds a line. The journal gets `fields` with it, and the priority of a warning if `failed`. If
    /// the sink does not take it, the program's own log says why, and [`Self::works`] remembers it.
    pub fn append(&self, line: &str, failed: bool, fields: &[(&str, &str)]) {
        let written = self.sink.append(line, failed, fields);
        if let Err(error) = &written {
            tracing::error!(sink = %self.sink, %error, "cannot write the audit log");
        }
        self.failed.store(written.is_err(), Ordering::Relaxed);
    }
}

impl Sink {
    fn append(&self, line: &str, failed: bool, fields: &[(&str, &str)]) -> io::Result<()> {
        match self {
            Self::File(file) => file.append(line),
            Self::Journal(journal) => {
                let priority = if failed { "4" } else { "6" };
                let first = [
                    ("MESSAGE", line),
                    ("PRIORITY", priority),
                    ("SYSLOG_IDENTIFIER", IDENTIFIER),
                ];
                journal.send(&[&first, fields].concat())
            }
            Self::OwnLog => {
                tracing::debug!("{line}");
                Ok(())
            }
        }
    }
}

impl fmt::Display for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => file.path.display().fmt(f),
            Self::Journal(_) => f.write_str("the journal"),
            Self::OwnLog => f.write_str("the program's own log"),
        }
    }
}

impl LogFile {
    fn new(path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_path_buf(),
            open: Mutex::new(Some(open(path)?)),
        })
    }

    fn append(&self, line: &str) -> io::Result<()> {
        let mut open_file = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // Log rotation moves the file away.
        let in_place = open_file.as_ref().is_some_and(|file| {
            match (Identity::of(file), Identity::of_entry(&self.path)) {
                (Ok(ours), Ok(there)) => ours == there,
                _ => false,
            }
        });
        if !in_place {
            *open_file = None;
            *open_file = Some(open(&self.path)?);
        }
        match open_file.as_mut() {
            // One write for each line, so that lines do not interleave.
            Some(file) => file.write_all(format!("{line}\n").as_bytes()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    file::refuse_links(options.append(true).create(true));
    let file = platform::private::open(&mut options, path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    Ok(file)
}
