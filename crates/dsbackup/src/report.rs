//! How commands speak: results on standard output, everything else on standard error.

use std::fmt;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::sync::LazyLock;

use backup::Progress;
pub use backup::words::{bytes, count, short_id};
use indicatif::{
    HumanCount, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle,
};
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

    /// A bar for long work on `total` bytes, 0 if that is not known; hidden when standard error is
    /// no terminal. It is cleared when dropped.
    pub fn progress(&self, total: u64) -> Bar {
        match total {
            0 => self.bar(None, WITHOUT_END),
            total => self.bar(Some(total), WITH_END),
        }
    }

    /// As [`Report::progress`], for things of this name instead of bytes.
    pub fn progress_of(&self, name: &str, total: u64) -> Bar {
        let bar = match total {
            0 => self.bar(None, COUNTED_WITHOUT_END),
            total => self.bar(Some(total), COUNTED),
        };
        bar.item(name);
        bar
    }

    fn bar(&self, total: Option<u64>, template: &str) -> Bar {
        if self.options.quiet || self.options.json || !io::stderr().is_terminal() {
            return Bar(ProgressBar::hidden());
        }
        // Drawn nowhere before it is one of all.
        let hidden = ProgressDrawTarget::hidden();
        let bar = ProgressBar::with_draw_target(total, hidden).with_style(style_of(template));
        let bar = BARS.add(bar);
        // The time passes even where the work says nothing.
        bar.enable_steady_tick(TICK);
        Bar(bar)
    }

    /// As [`Report::progress`], for work whose results go to standard output; hidden when that is a
    /// terminal, since they would overwrite each other.
    pub fn progress_of_stream(&self, total: u64) -> Bar {
        match io::stdout().is_terminal() {
            true => Bar(ProgressBar::hidden()),
            false => self.progress(total),
        }
    }
}

/// All bars that are shown: one within the work of another is drawn below it, text above both.
static BARS: LazyLock<MultiProgress> =
    LazyLock::new(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(DRAWN)));

/// How often a second they are drawn at most, all together: the bar of a short piece of work is not passed over
/// because the one before it was just drawn.
const DRAWN: u8 = 200;

/// With and without a known end.
const WITH_END: &str =
    "{msg:32!} {wide_bar} {bytes:>10} / {total_bytes} {binary_bytes_per_sec:>12} {eta:>4}";
const WITHOUT_END: &str = "{spinner} {msg} {elapsed}";

/// For work on things that are counted, such as objects.
const COUNTED: &str = "{msg:32!} {wide_bar} {human_pos:>10} / {human_len} {rate:>12} {eta:>4}";
const COUNTED_WITHOUT_END: &str = "{spinner} {msg} {human_pos} {rate} {elapsed}";

/// How often a bar is drawn anew.
const TICK: std::time::Duration = std::time::Duration::from_millis(250);

fn style_of(template: &str) -> ProgressStyle {
    // Indicatif's own rate has as many decimal places as a number can have.
    let rate = |state: &ProgressState, out: &mut dyn fmt::Write| {
        // Nobody can be told that this failed.
        let _ = write!(out, "{}/s", HumanCount(state.per_sec() as u64));
    };
    let style = ProgressStyle::with_template(template).expect("the template is well-formed");
    style.with_key("rate", rate)
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
        Box::new(self.progress(total))
    }

    fn count(&self, total: u64) -> Box<dyn Progress> {
        Box::new(self.progress_of("", total))
    }
}

/// A bar that is cleared when the work ends.
pub struct Bar(ProgressBar);

impl Bar {
    /// Counts things of this name instead of bytes; how many there are is not known.
    pub fn counting(self, name: &str) -> Self {
        self.0.set_style(style_of(COUNTED_WITHOUT_END));
        self.item(name);
        self
    }

    /// How many were counted.
    pub fn done(&self) -> u64 {
        self.0.position()
    }

    /// Whether anybody sees it.
    pub fn is_shown(&self) -> bool {
        !self.0.is_hidden()
    }

    /// Counts them once more, now that their number is known.
    pub fn count_anew(&self, total: u64) {
        self.0.reset();
        self.0.set_length(total);
        self.0.set_style(style_of(COUNTED));
        self.0.force_draw();
    }
}

impl Progress for Bar {
    fn item(&self, name: &str) {
        self.0.set_message(name.to_owned());
    }

    fn set(&self, done: u64) {
        self.0.set_position(done);
    }

    fn advance(&self, bytes: u64) {
        // Some work reads a part again.
        let most = self.0.length().unwrap_or(u64::MAX);
        self.0
            .set_position(self.0.position().saturating_add(bytes).min(most));
    }

    fn extend(&self, bytes: u64) {
        self.0.inc_length(bytes);
    }

    fn set_total(&self, bytes: u64) {
        if bytes > 0 && self.0.length().is_none() {
            self.0.set_style(style_of(WITH_END));
        }
        if bytes > 0 {
            self.0.set_length(bytes);
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
        BARS.remove(&self.0);
    }
}

/// [`Report::warn`] for what has no report.
pub fn warn(text: impl AsRef<str>) {
    say(&format!("warning: {}", text.as_ref()));
}

/// Writes to standard error. Nobody can be told that this failed, and the work goes on.
pub fn say(text: &str) {
    let _ = BARS.clear();
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
