//! A line for each action in the audit log: when, who, from where, what, and what came of it.

use std::path::Path;

use serde::Serialize;
use service::audit_log::{AuditLog, Sink};

use crate::error::{Error, Result};

/// The audit log of the console.
pub struct Audit(AuditLog);

#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    caller: &'a str,
    from: &'a str,
    call: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    what: &'a str,
    result: &'a str,
}

/// What is recorded.
#[derive(Debug, Clone, Copy)]
pub struct Action<'a> {
    /// The user, or the name that was tried.
    pub user: &'a str,
    /// The address of the browser.
    pub from: &'a str,
    /// The action, such as `POST /login`.
    pub call: &'a str,
    /// What it was done with.
    pub what: &'a str,
    /// `ok`, or why not.
    pub result: &'a str,
}

impl Audit {
    /// Opens the log: a file, created with mode 0600, or without one the journal.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn open(file: Option<&Path>) -> Result<Self> {
        let opened = AuditLog::open(file);
        opened
            .map(Self)
            .map_err(|error| Error::Refused(error.to_string()))
    }

    /// Whether lines can be written: an action that cannot be recorded is refused.
    pub fn works(&self) -> bool {
        self.0.works(|| {
            self.write(Action {
                user: "console",
                from: "",
                call: "AuditResumed",
                what: "",
                result: "ok",
            });
        })
    }

    /// Writes the line of a work that has ended: its beginning has one of its own.
    pub fn ended(
        &self,
        user: &str,
        call: &str,
        what: &str,
        done: &std::result::Result<String, String>,
    ) {
        self.write(Action {
            user,
            from: "",
            call: &format!("{call} ended"),
            what,
            result: match done {
                Ok(_) => "ok",
                Err(reason) => reason,
            },
        });
    }

    /// Writes a line.
    pub fn write(&self, action: Action<'_>) {
        let line = Line {
            time: match self.0.sink() {
                Sink::Journal(_) => None,
                _ => Some(jiff::Timestamp::now().to_string()),
            },
            caller: action.user,
            from: action.from,
            call: action.call,
            what: action.what,
            result: action.result,
        };
        let json = serde_json::to_string(&line).unwrap_or_else(|error| error.to_string());
        let fields = [
            ("DSBACKUP_CALLER", action.user),
            ("DSBACKUP_FROM", action.from),
            ("DSBACKUP_CALL", action.call),
        ];
        self.0.append(&json, action.result != "ok", &fields);
    }
}
