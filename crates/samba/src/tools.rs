//! Runs Samba's own tools and libraries, with a time limit.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::system;

/// The interpreter under which Samba's Python modules are installed.
const PYTHON: &str = "/usr/bin/python3";
/// The size limit for a tool's output.
const OUTPUT_LIMIT: usize = 16 << 20;
/// A longer line is read as several ones.
const LINE_LIMIT: u64 = 64 << 10;

/// The variables of our environment that a tool gets. Others may hold secrets, such as the
/// repository's password or the keys of a remote store.
const ENVIRONMENT: [&str; 8] = [
    "HOME",
    "KRB5_CONFIG",
    "LD_LIBRARY_PATH",
    "PATH",
    "PYTHONPATH",
    "SSL_CERT_FILE",
    "TMPDIR",
    "TZ",
];

/// The result of a tool.
#[derive(Debug)]
pub(crate) struct Output {
    pub(crate) success: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    /// Whether a Python script failed because a module of Samba's is missing, or is for another
    /// Python.
    pub(crate) fn lacks_a_module(&self) -> bool {
        (self.stderr.lines()).any(|line| {
            line.starts_with("ModuleNotFoundError:") || line.starts_with("ImportError:")
        })
    }

    /// The end of its output, for an error message.
    pub(crate) fn last_words(&self) -> String {
        let text = if self.stderr.trim().is_empty() {
            &self.stdout
        } else {
            &self.stderr
        };
        let lines: Vec<&str> = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        let last = lines
            .get(lines.len().saturating_sub(8)..)
            .unwrap_or_default();
        match last.is_empty() {
            true => "it failed without a word".to_owned(),
            false => last.join("; "),
        }
    }
}

/// Runs a tool to its end.
///
/// # Errors
/// [`Error::Unavailable`] if it cannot be started; [`Error::Tool`] if it exceeds `limit` and is
/// killed.
pub(crate) fn run(command: Command, limit: Duration) -> Result<Output> {
    run_watched(command, limit, |_| true)
}

/// As [`run`]. Keeps only the lines of standard output, each with its end, for which `keep` says so
/// as they come.
///
/// # Errors
/// As [`run`].
pub(crate) fn run_watched(
    mut command: Command,
    limit: Duration,
    keep: impl FnMut(&[u8]) -> bool + Send,
) -> Result<Output> {
    let tool = command.get_program().to_string_lossy().into_owned();
    let failed = |reason: String| Error::Tool {
        tool: tool.clone(),
        reason,
    };
    let mut child = apart(&mut command)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| Error::Unavailable {
            tool: tool.clone(),
            reason: format!("cannot be started: {error}"),
        })?;
    let _running = Running::of(&child);
    if STOPPED.load(Ordering::SeqCst) {
        kill(&mut child);
    }
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        let out = scope.spawn(move || read(stdout, keep));
        let err = scope.spawn(move || read(stderr, |_| true));
        let begin = Instant::now();
        let status = loop {
            match child.try_wait() {
                Ok(Some(status)) => break Ok(status),
                Ok(None) if begin.elapsed() < limit => std::thread::sleep(Duration::from_millis(2)),
                Ok(None) => {
                    kill(&mut child);
                    break Err(failed(format!(
                        "no end within {} s; it was stopped",
                        limit.as_secs()
                    )));
                }
                Err(error) => break Err(failed(error.to_string())),
            }
        };
        let (stdout, stderr) = (
            out.join().unwrap_or_default(),
            err.join().unwrap_or_default(),
        );
        Ok(Output {
            success: status?.success(),
            stdout,
            stderr,
        })
    })
}

/// Runs a Python script on Samba's own libraries, and returns its output.
///
/// # Errors
/// Same as [`run`]; [`Error::Unavailable`] without Samba's modules; [`Error::Tool`] if the script
/// fails.
pub(crate) fn python(
    name: &str,
    script: &str,
    arguments: &[&OsStr],
    limit: Duration,
) -> Result<String> {
    let mut command = python_command(script);
    command.args(arguments);
    let output = run(command, limit)?;
    match output.success {
        true => Ok(output.stdout),
        false if output.lacks_a_module() => Err(Error::Unavailable {
            tool: name.to_owned(),
            reason: output.last_words(),
        }),
        false => Err(Error::Tool {
            tool: name.to_owned(),
            reason: output.last_words(),
        }),
    }
}

/// A Python script, which has yet to be started.
pub(crate) fn python_command(script: &str) -> Command {
    let mut command = Command::new(PYTHON);
    // Isolated from the caller's PYTHON variables, and without writing caches beside Samba's
    // modules.
    command.args(["-I", "-B", "-c", script]);
    apart(&mut command);
    command
}

/// A tool with no more of our environment than it needs, in a process group of its own.
fn apart(command: &mut Command) -> &mut Command {
    let kept = ENVIRONMENT.map(|name| Some((name, std::env::var_os(name)?)));
    system::group(command)
        .env_clear()
        .envs(kept.into_iter().flatten())
        .env("LC_ALL", "C.UTF-8")
}

/// The process groups of running tools.
static RUNNING: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());
/// Whether new tools are ended at once.
static STOPPED: AtomicBool = AtomicBool::new(false);

/// A running tool, for the life of the value.
struct Running(u32);

impl Running {
    fn of(child: &Child) -> Self {
        running().insert(child.id());
        Self(child.id())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        running().remove(&self.0);
    }
}

fn running() -> std::sync::MutexGuard<'static, BTreeSet<u32>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends all of Samba's tools that this process runs, and those that it starts from now on. For use
/// before the process exits.
pub fn stop_tools() {
    STOPPED.store(true, Ordering::SeqCst);
    for process in running().iter() {
        system::kill_group(*process);
    }
}

/// Ends a tool and its child processes.
fn kill(child: &mut Child) {
    system::kill_group(child.id());
    // Where there are no groups.
    let _ = child.kill();
    let _ = child.wait();
}

fn read(stream: Option<impl Read>, mut keep: impl FnMut(&[u8]) -> bool) -> String {
    let mut kept = Vec::new();
    let mut line = Vec::new();
    let mut stream = stream.map(BufReader::new);
    // Unreadable output is missing from a message, no more.
    while let Some(stream) = &mut stream
        && let Ok(1..) = stream.take(LINE_LIMIT).read_until(b'\n', &mut line)
    {
        let room = OUTPUT_LIMIT.saturating_sub(kept.len());
        if keep(&line) {
            kept.extend(line.iter().take(room));
        }
        line.clear();
    }
    String::from_utf8_lossy(&kept).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_get_no_more_of_the_environment_than_they_need() {
        let output = run(Command::new("env"), Duration::from_secs(10)).unwrap();
        assert!(output.stdout.contains("PATH="), "{}", output.stdout);
        // Cargo gives tests more variables than these.
        assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
        assert!(!output.stdout.contains("CARGO"), "{}", output.stdout);
    }

    #[test]
    fn lines_that_are_not_kept_are_no_output() {
        let mut command = Command::new("printf");
        command.arg("a 1\\nb\\n\\na 2\\nend");
        let mut seen = 0;
        let output = run_watched(command, Duration::from_secs(10), |line| {
            seen += 1;
            !line.starts_with(b"a ")
        });
        assert_eq!(output.unwrap().stdout, "b\n\nend");
        assert_eq!(seen, 5);
    }
}
