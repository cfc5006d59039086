//! Runs a tool of the system, and watches it: what it says, whether it still works.

use std::ffi::OsStr;
use std::io::{ErrorKind, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use contract::{Error, Result, ResultCode};
use platform::process;

/// How much of what a tool says is kept: the end.
const KEPT: usize = 16 << 10;
/// How many of its last lines an error tells.
const TOLD_LINES: usize = 6;
/// How often a silent tool is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// How long the end of the output is waited for after the tool has ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// What a tool said, and how it ended.
#[derive(Debug)]
pub struct Said {
    /// The end of its output, standard output and error together.
    pub text: String,
    /// Whether its exit code was 0.
    pub success: bool,
    /// The exit code, in words.
    pub ended: String,
}

impl Said {
    /// Its last lines, for an error.
    pub fn last_words(&self) -> String {
        last_words(&self.text)
    }
}

/// Whether a tool ends with this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// It does: what it makes is removed.
    EndsWithUs,
    /// It goes on to its own end, which is near: half its work would be worse.
    EndsByItself,
}

/// Runs a tool in a folder until it ends. `done` measures what it has written so far: a tool that says
/// nothing, and neither reads nor writes for `silence`, is ended. Interrupts of the console are this
/// process's.
///
/// # Errors
/// `hrFileNotFound` if it cannot be started; `hrError` after a silence, with its last words.
pub fn run(
    program: &Path,
    arguments: &[impl AsRef<OsStr>],
    folder: &Path,
    lifetime: Lifetime,
    silence: Duration,
    done: &mut dyn FnMut() -> u64,
) -> Result<Said> {
    let failed = |error: std::io::Error| {
        Error::new(
            ResultCode::FILE_NOT_FOUND,
            format!("{}: cannot run it: {error}", program.display()),
        )
    };
    let mut command = Command::new(program);
    process::shield_from_interrupts(&mut command);
    let mut child = command
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if lifetime == Lifetime::EndsWithUs
        && let Err(error) = process::bind(&child)
    {
        if error.kind() == ErrorKind::Interrupted {
            let _ = child.kill();
            let _ = child.wait();
            return Err(failed(error));
        }
        tracing::warn!(%error, tool = %program.display(), "it would outlive this process");
    }
    let output = listen(&mut child);
    let mut text = Vec::new();
    let (mut sign, mut measured) = (Instant::now(), (done(), process::transferred(&child)));
    let (mut ended, mut all_said) = (None, false);
    loop {
        match output.recv_timeout(LOOK) {
            Ok(piece) => {
                sign = Instant::now();
                let line = process::console_text(&piece);
                tracing::info!(tool = %program.display(), "{}", line.trim_end());
                text.extend(piece);
                text.drain(..text.len().saturating_sub(KEPT));
                continue;
            }
            Err(RecvTimeoutError::Timeout) => {}
            // The tool may work on all the same.
            Err(RecvTimeoutError::Disconnected) => {
                all_said = true;
                std::thread::sleep(LOOK / 5);
            }
        }
        let text = || process::console_text(&text);
        if ended.is_none() {
            let status = child.try_wait().map_err(failed)?;
            ended = status.map(|status| (status, Instant::now()));
        }
        if let Some((status, at)) = ended {
            // A process that the tool started may hold its output open.
            if all_said || at.elapsed() > LAST_WORDS {
                return Ok(Said {
                    text: text(),
                    success: status.success(),
                    ended: status.to_string(),
                });
            }
            continue;
        }
        let now = (done(), process::transferred(&child));
        if now != measured {
            (sign, measured) = (Instant::now(), now);
        }
        if sign.elapsed() > silence {
            // It may have ended meanwhile; then there is nothing to end.
            let _ = child.kill();
            let _ = child.wait();
            return Err(Error::new(
                ResultCode::ERROR,
                format!(
                    "{} said and wrote nothing for {} seconds, and was ended; its last words: {}",
                    program.display(),
                    silence.as_secs(),
                    last_words(&text())
                ),
            ));
        }
    }
}

fn last_words(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    match lines.len() {
        0 => "(none)".into(),
        length => lines[length.saturating_sub(TOLD_LINES)..].join(" | "),
    }
}

/// Both outputs, piece by piece.
fn listen(child: &mut Child) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    let outputs: [Option<Box<dyn Read + Send>>; 2] = [
        child.stdout.take().map(|output| Box::new(output) as _),
        child.stderr.take().map(|output| Box::new(output) as _),
    ];
    for output in outputs.into_iter().flatten() {
        let sender = sender.clone();
        std::thread::spawn(move || forward(output, &sender));
    }
    receiver
}

fn forward(mut output: Box<dyn Read + Send>, sender: &Sender<Vec<u8>>) {
    let mut piece = [0; 4096];
    while let Ok(length @ 1..) = output.read(&mut piece) {
        if sender.send(piece[..length].to_vec()).is_err() {
            return;
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str, silence_ms: u64, done: &mut dyn FnMut() -> u64) -> Result<Said> {
        let silence = Duration::from_millis(silence_ms);
        let folder = Path::new("/");
        let lifetime = Lifetime::EndsWithUs;
        run(
            Path::new("/bin/sh"),
            &["-c", script],
            folder,
            lifetime,
            silence,
            done,
        )
    }

    #[test]
    fn a_tool_is_heard_on_both_outputs_and_its_end_is_told() {
        let said = shell("echo one; echo two >&2; exit 3", 10_000, &mut || 0).unwrap();
        assert!(
            said.text.contains("one") && said.text.contains("two"),
            "{}",
            said.text
        );
        assert!(!said.success);
        assert!(said.ended.contains('3'), "{}", said.ended);
    }

    #[test]
    fn a_silent_tool_is_ended_and_its_last_words_are_told() {
        let begin = Instant::now();
        let error = shell("echo Creating snapshot...; sleep 60", 5_000, &mut || 0).unwrap_err();
        assert!(error.reason.contains("Creating snapshot..."), "{error}");
        assert!(error.reason.contains("nothing for 5 seconds"), "{error}");
        assert!(begin.elapsed() < Duration::from_secs(50));
    }

    #[test]
    fn a_tool_that_writes_is_not_silent() {
        let mut written = 0;
        let mut grows = || {
            written += 1;
            written
        };
        let said = shell("sleep 3; echo done", 1_000, &mut grows).unwrap();
        assert!(said.success && said.last_words() == "done");
    }

    #[test]
    fn a_tool_that_is_missing_is_named() {
        let none: [&str; 0] = [];
        let error = run(
            Path::new("/missing/tool"),
            &none,
            Path::new("/"),
            Lifetime::EndsByItself,
            LOOK,
            &mut || 0,
        )
        .unwrap_err();
        assert_eq!(error.code, ResultCode::FILE_NOT_FOUND);
        assert!(error.reason.contains("/missing/tool"), "{error}");
    }
}
