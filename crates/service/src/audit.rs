//! The audit log: one JSON line for each call, and for each connection that was refused. Who, from where, what call,
//! which files and how many bytes, how it ended. Never a secret: no handle, token, password or content.

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

/// The file, or the service's own log where none is configured.
pub(crate) struct Audit {
    file: Option<LogFile>,
    /// Whether the last line could not be written.
    failed: AtomicBool,
}

struct LogFile {
    path: PathBuf,
    open: Mutex<Option<File>>,
}

/// One line.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    caller: &'a str,
    from: &'a str,
    call: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    files: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    code: String,
    result: String,
}

impl Audit {
    /// Opens the file, which is created with mode 0600.
    ///
    /// # Errors
    /// `hrInvalidPath` when it cannot be written.
    pub(crate) fn new(file: Option<&Path>) -> Result<Arc<Self>> {
        let file = file
            .map(|path| {
                let open = open(path).map_err(|error| {
                    Error::new(
                        ResultCode::INVALID_PATH,
                        format!("{}: cannot write the audit log: {error}", path.display()),
                    )
                })?;
                Ok::<_, Error>(LogFile {
                    path: path.to_path_buf(),
                    open: Mutex::new(Some(open)),
                })
            })
            .transpose()?;
        Ok(Arc::new(Self {
            file,
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
        let line = Line {
            time: jiff::Timestamp::now().to_string(),
            caller,
            from,
            call,
            files,
            bytes,
            code: format!("{:#010x}", code.0),
            result: reason.map_or_else(|| code.to_string(), str::to_owned),
        };
        let mut text = match serde_json::to_vec(&line) {
            Ok(text) => text,
            Err(error) => error.to_string().into_bytes(),
        };
        let Some(file) = &self.file else {
            tracing::info!(target: "audit", "{}", String::from_utf8_lossy(&text));
            return;
        };
        text.push(b'\n');
        let written = file.append(&text);
        if let Err(error) = &written {
            tracing::error!(file = %file.path.display(), %error, "cannot write the audit log");
        }
        self.failed.store(written.is_err(), Ordering::Relaxed);
    }
}

impl LogFile {
    fn append(&self, line: &[u8]) -> io::Result<()> {
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
            Some(file) => file.write_all(line),
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

    /// Ends a call that leaves no line when all is well, such as a life sign.
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
