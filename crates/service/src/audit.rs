//! The audit log: one JSON line for each call, and for each connection that was refused. Who, from
//! where, what call, which files and how many bytes, how it ended. Never a secret: no handle,
//! token, password or content.
//!
//! Of each file that is read there is one line, when its end or an error was sent. It says what the
//! calls that open and close it would say.

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

/// How many files an entry of the journal names. A datagram has its limit; only truncated logs can
/// be so many.
const FILES_IN_JOURNAL: usize = 500;

/// Where lines go, and whether they arrive.
pub(crate) struct Audit {
    sink: Sink,
    /// Whether the last line could not be written.
    failed: AtomicBool,
}

enum Sink {
    /// The configured file.
    File(LogFile),
    /// Without one, under systemd: the journal, apart from the service's own log.
    Journal(Journal),
    /// Without either: the service's own log, where debugging messages are shown.
    OwnLog,
}

struct LogFile {
    path: PathBuf,
    open: Mutex<Option<File>>,
}

/// One line.
#[derive(Serialize)]
struct Line<'a> {
    /// None where the sink stamps the time itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    caller: &'a str,
    from: &'a str,
    call: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    files: &'a [String],
    /// How many more there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    more_files: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    code: String,
    result: String,
}

impl Audit {
    /// Opens the file, which is created with mode 0600; without one, the journal where there is
    /// one.
    ///
    /// # Errors
    /// `hrInvalidPath` when it cannot be written.
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
                "calls are not audited: name a file for it ([audit] in the configuration, or --audit-log)"
            ),
        }
        Ok(Arc::new(Self {
            sink,
            failed: AtomicBool::new(false),
        }))
    }

    /// Whether lines can be written. What cannot be recorded is not done.
    ///
    /// # Errors
    /// `hrDiskIO` as long as the file takes nothing.
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
                "the service cannot write its audit log, and does nothing that it cannot record; see its own log",
            ));
        }
        Ok(())
    }

    /// Notes a connection that was refused, or whose owner is not known.
    pub(crate) fn connection(&self, caller: &str, from: &str, call: &'static str, reason: &str) {
        let code = ResultCode::ACCESS_DENIED;
        self.write(caller, from, call, &[], None, code, Some(reason));
    }

    /// Notes that a caller has proven who it is.
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
        // Whoever rotates logs moves the file away.
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
            // In one call, so that no line is torn by another.
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

/// A call under way, which leaves one line when it ends, however it ends.
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

    /// Names a file that the call is about.
    pub(crate) fn file(&mut self, name: impl Into<String>) {
        self.files.push(name.into());
    }

    /// Says how many bytes of it went over the connection.
    pub(crate) fn bytes(&mut self, bytes: u64) {
        self.bytes = Some(bytes);
    }

    /// The answer to the call, noted.
    pub(crate) fn answer<T>(mut self, result: Result<T, Status>) -> Result<Response<T>, Status> {
        match &result {
            Ok(_) => self.end(ResultCode::OK),
            Err(status) => self.end(wire::from_status(status).code),
        }
        result.map(Response::new)
    }

    /// Ends a call that leaves no line when all is well: a life sign, or what the line of a file
    /// will say.
    pub(crate) fn answer_quietly<T>(
        mut self,
        result: Result<T, Status>,
    ) -> Result<Response<T>, Status> {
        self.ended = result.is_ok();
        self.answer(result)
    }

    /// Leaves the line to somebody who can say more.
    pub(crate) fn leave_no_line(&mut self) {
        self.ended = true;
    }

    /// Notes how the call ended.
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
    /// A call whose caller went away.
    fn drop(&mut self) {
        self.end(ResultCode::COMMUNICATION_ERROR);
    }
}
