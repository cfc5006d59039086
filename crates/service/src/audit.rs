//! The audit log: one JSON line for each call and for each refused connection, with the caller, its
//! address, the call, the files, the bytes and the result. Never a secret: no handle, token,
//! password or content.
//!
//! A file that is read has one line, written when its end or an error was sent. It stands for the
//! calls that open and close the file, too.

use std::path::Path;
use std::sync::Arc;

use contract::{Error, Result, ResultCode};
use serde::Serialize;
use tonic::{Response, Status};

use crate::audit_log::{AuditLog, IDENTIFIER, Sink};
use crate::caller::{Caller, Origin};

/// Files that a journal entry names at most: a datagram is limited. Only a truncation of logs can
/// exceed it.
const FILES_IN_JOURNAL: usize = 500;

/// The log of the calls.
pub(crate) struct Audit(AuditLog);

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
        let log = AuditLog::open(file)
            .map_err(|error| Error::new(ResultCode::INVALID_PATH, error.to_string()))?;
        match log.sink() {
            sink @ Sink::File(_) => tracing::info!(file = %sink, "calls are audited"),
            Sink::Journal(_) => {
                tracing::info!("calls are audited in the journal: journalctl -t {IDENTIFIER}")
            }
            Sink::OwnLog => tracing::info!(
                "calls are not audited: name a file for it ([audit] in the configuration, or \
                 --audit-log)"
            ),
        }
        Ok(Arc::new(Self(log)))
    }

    /// Checks that lines can be written: a call that cannot be recorded is refused.
    ///
    /// # Errors
    /// `hrDiskIO` as long as writing to the file fails.
    pub(crate) fn check(&self) -> Result<()> {
        let try_one = || {
            self.write(
                "service",
                "",
                "AuditResumed",
                &[],
                None,
                ResultCode::OK,
                None,
            );
        };
        match self.0.works(try_one) {
            true => Ok(()),
            false => Err(Error::new(
                ResultCode::DISK_IO,
                "the service cannot write its audit log, and refuses calls that it cannot record; \
                 see its own log",
            )),
        }
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
        match self.0.sink() {
            Sink::File(_) => line.time = Some(jiff::Timestamp::now().to_string()),
            Sink::Journal(_) => {
                if let Some((named, more @ [_, ..])) = files.split_at_checked(FILES_IN_JOURNAL) {
                    (line.files, line.more_files) = (named, Some(more.len()));
                }
            }
            Sink::OwnLog => {}
        }
        let fields = [
            ("DSBACKUP_CALLER", caller),
            ("DSBACKUP_FROM", from),
            ("DSBACKUP_CALL", call),
            ("DSBACKUP_CODE", &line.code),
        ];
        let failed = code != ResultCode::OK;
        self.0.append(&line.to_json(), failed, &fields);
    }
}

impl Line<'_> {
    fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_else(|error| error.to_string())
    }
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
