//! Changes of a running domain controller's directory, many objects in one transaction.
//!
//! Over a socket each change is a transaction of its own, and waits several times until the disk has
//! it. Samba's own library makes any number at once, beside the running server, as `samba-tool` does.
//! It runs in a process of its own, which ends when its last transaction is over, even if this one is
//! killed.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

use crate::error::{Error, Result};
use crate::installation::Installation;
use crate::system::{self, Channel};
use crate::tools;

/// The name in errors.
const TOOL: &str = "transactions";

/// How long a transaction may take: others may have begun before.
const SILENCE: Duration = Duration::from_secs(300);
/// How long the process may take to end when nothing is to be done any more.
const END: Duration = Duration::from_secs(10);
/// The longest answer.
const LONGEST: u64 = 64 << 10;

/// A change of one object, which is named by its distinguished name or by `<GUID=...>`. Without
/// `Debug`, so that nothing shows a password.
#[derive(Serialize)]
pub struct Change<'c> {
    /// What becomes of the object.
    pub kind: Kind,
    /// The object.
    pub object: &'c str,
    /// With [`Kind::Rename`] its new distinguished name.
    pub name: Option<String>,
    /// How, attribute, and the values.
    pub values: Vec<(How, &'c str, Vec<Digits<'c>>)>,
    /// Controls, as Samba's library writes them (`relax:0`).
    pub controls: Vec<&'static str>,
}

/// What becomes of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It is made.
    Add,
    /// Its values change.
    Modify,
    /// It gets another name, or another place.
    Rename,
    /// It is deleted.
    Delete,
}

/// What becomes of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// They come to those that are there.
    Add,
    /// They go.
    Delete,
    /// They are all that stays.
    Replace,
}

/// A value, sent as hexadecimal digits.
pub struct Digits<'v>(pub &'v [u8]);

impl Serialize for Digits<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let digits = Zeroizing::new(ids::hex::encode(self.0));
        serializer.serialize_str(&digits)
    }
}

/// Samba's library, at work in a process of its own.
pub struct Transactions {
    child: Child,
    stream: BufReader<Channel>,
    words: File,
}

impl Transactions {
    /// Starts it beside the running domain controller, which needs root. It locks `journal` (shared)
    /// for as long as it runs.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if it cannot be started.
    pub fn begin(installation: &Installation, journal: &Path) -> Result<Self> {
        let unavailable = |error: std::io::Error| Error::Unavailable {
            tool: TOOL.into(),
            reason: format!("cannot be started: {error}"),
        };
        let script = [
            include_str!("scripts/opened.py"),
            include_str!("scripts/transactions.py"),
        ];
        let mut command = tools::python_command(&script.concat());
        command
            .arg(&installation.smb_conf)
            .arg(&installation.private)
            .arg(journal);
        let mut begun = || -> std::io::Result<Self> {
            let words = tempfile::tempfile()?;
            let command = command.stderr(Stdio::from(words.try_clone()?));
            let (child, channel) = system::talk_to(command, SILENCE)?;
            Ok(Self {
                child,
                stream: BufReader::new(channel),
                words,
            })
        };
        begun().map_err(unavailable)
    }

    /// Makes changes, all or none of them. Returns why none was made.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if Samba's library cannot be used, and nothing was changed;
    /// [`Error::Tool`] if it did not answer, and whether anything was changed is unknown.
    pub fn write(&mut self, changes: &[Change<'_>]) -> Result<Option<String>> {
        let mut line = Zeroizing::new(Vec::with_capacity(length(changes)));
        let written = serde_json::to_writer(&mut *line, changes);
        line.push(b'\n');
        let answer = written.map_err(Into::into).and_then(|()| {
            self.stream.get_mut().write_all(&line)?;
            let mut answer = Vec::new();
            Read::by_ref(&mut self.stream)
                .take(LONGEST)
                .read_until(b'\n', &mut answer)?;
            match answer.ends_with(b"\n") {
                true => Ok(serde_json::from_slice(&answer)?),
                false => Err(std::io::ErrorKind::UnexpectedEof.into()),
            }
        });
        answer.map_err(|error: std::io::Error| self.failed(&error))
    }

    /// What to say of a process that does not answer.
    fn failed(&mut self, error: &std::io::Error) -> Error {
        let mut words = String::new();
        let read = self.words.seek(SeekFrom::Start(0));
        // Its words only complete what is known.
        let _ = read.and_then(|_| {
            let mut start = Read::by_ref(&mut self.words).take(LONGEST);
            start.read_to_string(&mut words)
        });
        let output = tools::Output {
            success: false,
            stdout: String::new(),
            stderr: words,
        };
        let reason = format!("{error}: {}", output.last_words());
        let tool = TOOL.into();
        match output.lacks_a_module() {
            true => Error::Unavailable { tool, reason },
            false => Error::Tool { tool, reason },
        }
    }
}

/// About how many bytes changes have in JSON, at least: so that a buffer with passwords does not move.
fn length(changes: &[Change<'_>]) -> usize {
    let of_change = |change: &Change<'_>| {
        let values = change.values.iter().flat_map(|(_, _, values)| values);
        let values: usize = values.map(|value| value.0.len() * 2 + 3).sum();
        values + change.values.len() * 100 + change.object.len() * 2 + 400
    };
    changes.iter().map(of_change).sum()
}

impl Drop for Transactions {
    fn drop(&mut self) {
        // It ends by itself when nothing more comes.
        system::hang_up(self.stream.get_ref());
        let begin = Instant::now();
        while let Ok(None) = self.child.try_wait() {
            if begin.elapsed() > END {
                let _ = self.child.kill();
                let _ = self.child.wait();
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
