//! The audit log: one JSON line for each call and for each refused connection, with the caller, its
//! address, the call, the files, the bytes and the result. Never a secret: no handle, token,
//! password or content.
//!
//! A file that is read has one line, written when its end or an error was sent. It stands for the
//! calls that open and close the file, too.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use contract::{Error, Result, ResultCode};
use serde::Serialize;
use tonic::{Response, Status};

use crate::caller::{Caller, Origin};
use crate::journal::{self, Journal};

/// The name of the audit log in the journal: `journalctl -t dsbackup-audit`.
const IDENTIFIER: &str = "dsbackup-audit";

/// Files that a journal entry names at most: a datagram is limited. Only a truncation of logs can
/// exceed it.
const FILES_IN_JOURNAL: usize = 500;

/// The sink of the lines, and its state.
pub(crate) struct Audit {
    sink: Sink,
    /// Whether the last line could not be written.
    failed: AtomicBool,
}

enum Sink {
    /// The configured file.
    File(LogFile),
    /// Without a file, under systemd: the journal, apart from the service's own log.
    Journal(Journal),
    /// Without either: the service's own log, at debug level.
    OwnLog,
}

struct LogFile {
    path: PathBuf,
    open: Mutex<Option<File>>,
}

/// One line.
#[derive(Serialize)]
struct Line<'a> {
    /// `None` if the sink adds the time.
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    caller: &'a str,
    from: &'a str,
    call: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    files: &'a [String],
    /// The number of files that are not named.
    #[serde(skip_serializing_if = "Option::is_none")]
    more_files: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    code: String,
    result: String,
}

impl Audit {
    /// Opens the file, created with mode 0600. Without a file: the journal, if there is one.
    ///
    /// # Errors
    /// `hrInvalidPath` if the file cannot be written.
    pub(crate) fn new(file: Option<&Path>) -> Result<Arc<Self>> {
        let sink = match file {
            Some(path) => Sink::File(LogFile::new(path).map_err(|error| {
                Error::new(
                    ResultCode::INVALID_PATH,
                    format!("{}: cannot write the audit log: {error}", path.display()),
                )
            })?),
            None if journal::has_standard_error() => {
                Sink::Journal(Journal::of_the_system().map_err(|error| {
                    let reason = format!("cannot reach the journal for the audit log: {error}");
                    Error::new(ResultCode::INVALID_PATH, reason)
                })?)
            }
            None => Sink::OwnLog,
        };
        match &sink {
            Sink::File(file) => tracing::info!(file = %file.path.display(), "calls are audited"),
            Sink::Journal(_) => {
                tracing::info!("calls are audited in the journal: journalctl -t {IDENTIFIER}")
            }
            Sink::OwnLog => tracing::info!(
                "calls are not audited: name a file for it ([audit] in the configuration, or \
                 --audit-log)"
            ),
        }
        Ok(Arc::new(Self {
            sink,
            failed: AtomicBool::new(false),
        }))
    }

    /// Checks that lines can be written: a call that cannot be recorded is refused.
    ///
    /// # Errors
    /// `hrDiskIO` as long as writing to the file fails.
    pub(crate) fn check(&self) -> Result<()> {
        if self.failed.load(Ordering::Relaxed) {
            self.write(
                "service",
                "",
                "AuditResumed",
                &[],
                None,
                ResultCode::OK,
                None,
            );
        }
        if self.failed.load(Ordering::Relaxed) {
            return Err(Error::new(
                ResultCode::DISK_IO,
                "the service cannot write its audit log, and refuses calls that it cannot record; \
                 see its own log",
            ));
        }
        Ok(())
    }

    /// Records a connection that was refused, or whose caller is unknown.
    pub(crate) fn connection(&self, caller: &str, from: &str, call: &'static str, reason: &str) {
        let code = ResultCode::ACCESS_DENIED;
        self.write(caller, from, call, &[], None, code, Some(reason));
    }

    /// Records a successful authentication.
    pub(crate) fn authenticated(&self, caller: &str, from: &Origin) {
        let from = from.to_string();
        self.write(
            caller,
            &from,
            "Authenticate",
            &[],
            None,
            ResultCode::OK,
            None,
        );
    }

    #[allow(clippy::too_many_arguments, reason = "the columns of a line")]
    fn write(
        &self,
        caller: &str,
        from: &str,
        call: &str,
        files: &[String],
        bytes: Option<u64>,
        code: ResultCode,
        reason: Option<&str>,
    ) {
        let mut line = Line {
            time: None,
            caller,
            from,
            call,
            files,
            more_files: None,
            bytes,
            code: format!("{:#010x}", code.0),
            result: reason.map_or_else(|| code.to_string(), str::to_owned),
        };
        let written = match &self.sink {
            Sink::File(file) => {
                line.time = Some(jiff::Timestamp::now().to_string());
                file.append(&line.to_json())
            }
            Sink::Journal(journal) => {
                if let Some((named, more @ [_, ..])) = files.split_at_checked(FILES_IN_JOURNAL) {
                    (line.files, line.more_files) = (named, Some(more.len()));
                }
                let failed = code != ResultCode::OK;
                journal.send(&[
                    ("MESSAGE", &line.to_json()),
                    ("PRIORITY", if failed { "4" } else { "6" }),
                    ("SYSLOG_IDENTIFIER", IDENTIFIER),
                    ("DSBACKUP_CALLER", caller),
                    ("DSBACKUP_FROM", from),
                    ("DSBACKUP_CALL", call),
                    ("DSBACKUP_CODE", &line.code),
                ])
            }
            Sink::OwnLog => {
                tracing::debug!("{}", line.to_json());
                Ok(())
            }
        };
        if let Err(error) = &written {
            tracing::error!(sink = %self.sink, %error, "cannot write the audit log");
        }
        self.failed.store(written.is_err(), Ordering::Relaxed);
    }
}

impl Line<'_> {
    fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|error| error.to_string())
    }
}

impl fmt::Display for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => file.path.display().fmt(f),
            Self::Journal(_) => f.write_str("the journal"),
            Self::OwnLog => f.write_str("the service's own log"),
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
            match (file.metadata(), std::fs::symlink_metadata(&self.path)) {
                (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
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
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags((rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::CLOEXEC).bits() as i32)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    Ok(file)
}

/// A call under way. It writes one line when it ends, whatever its result.
pub(crate) struct Visit {
    audit: Arc<Audit>,
    caller: Caller,
    call: &'static str,
    files: Vec<String>,
    bytes: Option<u64>,
    ended: bool,
}

impl Visit {
    pub(crate) fn new(audit: Arc<Audit>, caller: Caller, call: &'static str) -> Self {
        Self {
            audit,
            caller,
            call,
            files: Vec::new(),
            bytes: None,
            ended: false,
        }
    }

    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Adds a file to the call's line.
    pub(crate) fn file(&mut self, name: impl Into<String>) {
        self.files.push(name.into());
    }

    /// Sets the bytes that went over the connection.
    pub(crate) fn bytes(&mut self, bytes: u64) {
        self.bytes = Some(bytes);
    }

    /// Writes the line, and returns the answer.
    pub(crate) fn answer<T>(mut self, result: Result<T, Status>) -> Result<Response<T>, Status> {
        match &result {
            Ok(_) => self.end(ResultCode::OK),
            Err(status) => self.end(wire::from_status(status).code),
        }
        result.map(Response::new)
    }

    /// Ends a call that writes no line on success: a life sign, or an open or close that the line
    /// of its file stands for.
    pub(crate) fn answer_quietly<T>(
        mut self,
        result: Result<T, Status>,
    ) -> Result<Response<T>, Status> {
        self.ended = result.is_ok();
        self.answer(result)
    }

    /// Leaves the line to another visit, which knows more.
    pub(crate) fn leave_no_line(&mut self) {
        self.ended = true;
    }

    /// Writes the line with the call's result.
    pub(crate) fn end(&mut self, code: ResultCode) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let identity = self.caller.identity();
        let from = self.caller.origin.to_string();
        let (files, bytes) = (&self.files, self.bytes);
        self.audit
            .write(&identity.name, &from, self.call, files, bytes, code, None);
    }
}

impl Drop for Visit {
    /// The caller disconnected during the call.
    fn drop(&mut self) {
        self.end(ResultCode::COMMUNICATION_ERROR);
    }
}
