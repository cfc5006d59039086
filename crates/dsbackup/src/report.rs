//! How commands speak: results on standard output, everything else on standard error.

use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};

use backup::Progress;
pub use backup::words::{bytes, count, short_id};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::cli::OutputOptions;
use crate::failure::{Failure, Result};

/// Speaks for a command, in words or in JSON.
#[derive(Debug, Clone, Copy)]
pub struct Report {
    options: OutputOptions,
}

impl Report {
    /// Speaks as the command line asks.
    pub fn new(options: OutputOptions) -> Self {
        Self { options }
    }

    /// A step of a walk-through, or another line that tells what is happening.
    pub fn step(&self, text: impl AsRef<str>) {
        if !self.options.quiet && !self.options.json {
            say(text.as_ref());
        }
    }

    /// Something that the user must see, even with `--quiet`.
    pub fn warn(&self, text: impl AsRef<str>) {
        warn(text);
    }

    /// The result: `words` for people, `value` for machines.
    ///
    /// # Errors
    /// When standard output takes no more, unless its reader has gone away.
    pub fn result(&self, value: &impl Serialize, words: impl FnOnce() -> String) -> Result<()> {
        let text = if self.options.json {
            serde_json::to_string_pretty(value).expect("results of strings and numbers become JSON")
        } else {
            words()
        };
        stream(|out| writeln!(out, "{text}").map_err(Failure::Output))
    }

    /// Whether results are for machines.
    pub fn is_json(&self) -> bool {
        self.options.json
    }

    /// A bar for long work on `total` bytes; hidden when standard error is no terminal.
    pub fn progress(&self, total: u64) -> ProgressBar {
        if self.options.quiet || self.options.json || !std::io::stderr().is_terminal() {
            return ProgressBar::hidden();
        }
        let style =
            "{msg:32!} {wide_bar} {bytes:>10} / {total_bytes} {binary_bytes_per_sec:>12} {eta:>4}";
        ProgressBar::new(total)
            .with_style(ProgressStyle::with_template(style).expect("the template is well-formed"))
    }
}

impl backup::Report for Report {
    fn step(&self, number: u8, of: u8, text: &str) {
        Report::step(self, format!("[{number}/{of}] {text}"));
    }

    fn detail(&self, text: &str) {
        Report::step(self, format!("      {text}"));
    }

    fn note(&self, text: &str) {
        Report::step(self, text);
    }

    fn warn(&self, text: &str) {
        Report::warn(self, text);
    }

    fn begin(&self, total: u64) -> Box<dyn Progress> {
        Box::new(Bar(self.progress(total)))
    }
}

/// A bar that is cleared when the work ends.
struct Bar(ProgressBar);

impl Progress for Bar {
    fn item(&self, name: &str) {
        self.0.set_message(name.to_owned());
    }

    fn set(&self, done: u64) {
        self.0.set_position(done);
    }

    fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }

    fn extend(&self, bytes: u64) {
        self.0.inc_length(bytes);
    }

    fn set_total(&self, bytes: u64) {
        self.0.set_length(bytes);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// [`Report::warn`] for what has no report.
pub fn warn(text: impl AsRef<str>) {
    say(&format!("warning: {}", text.as_ref()));
}

/// Writes to standard error. Nobody can be told that this failed, and the work goes on.
pub fn say(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Writes a result to standard output. Only a reader that has gone away, such as `head`, is no
/// failure.
///
/// # Errors
/// What `write` returns; [`Failure::Output`] when standard output takes no more.
pub fn stream(write: impl FnOnce(&mut (dyn Write + Send)) -> Result<()>) -> Result<()> {
    let mut out = BufWriter::with_capacity(64 << 10, io::stdout());
    let written = write(&mut out)
        .and_then(|()| out.flush().map_err(Failure::Output))
        .and_then(|()| io::stdout().flush().map_err(Failure::Output));
    match written {
        Err(Failure::Output(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
