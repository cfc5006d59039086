//! How far a run is: a file in the state folder, which other programs follow.

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use backup::{Progress, Report};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::record::StateFolder;

/// The lines that are kept, and the characters of each.
const LINES: usize = 200;
const CHARACTERS: usize = 1_000;

/// The time between two writes because of bytes.
const PAUSE: Duration = Duration::from_millis(300);

/// The longest file that is read, in bytes.
const LIMIT: u64 = 4 << 20;

/// How far a run is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Going {
    /// When it began, RFC 3339, UTC.
    pub began: String,
    /// How many lines were said before [`Self::lines`].
    pub earlier: usize,
    /// The last lines that were said.
    pub lines: Vec<String>,
    /// The bytes that are done.
    pub done: u64,
    /// The bytes in total; 0 if they are not known.
    pub total: u64,
}

/// How far the run of a job is, whichever program runs it; `None` while none does.
pub fn going(state: &StateFolder, job: &str) -> Option<Going> {
    let path = state.progress_path_of(job);
    let mut text = String::new();
    let file = File::open(&path).ok()?;
    file.take(LIMIT).read_to_string(&mut text).ok()?;
    match state.lock(job) {
        Err(Error::Running(_)) => serde_json::from_str(&text).ok(),
        Err(_) => None,
        Ok(_lock) => {
            // A run that was killed left it.
            let _ = std::fs::remove_file(&path);
            None
        }
    }
}

/// Passes the progress of a run on, and keeps the file until it is dropped.
pub(crate) struct Told<'r> {
    report: &'r dyn Report,
    kept: Arc<Kept>,
}

struct Kept {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    going: Going,
    written: Instant,
    is_over: bool,
}

impl<'r> Told<'r> {
    /// Begins the file of a job, whose lock the caller holds.
    pub(crate) fn new(report: &'r dyn Report, state: &StateFolder, job: &str) -> Self {
        let going = Going {
            began: jiff::Timestamp::now().to_string(),
            ..Going::default()
        };
        let kept = Kept {
            path: state.progress_path_of(job),
            state: Mutex::new(State {
                going,
                written: Instant::now(),
                is_over: false,
            }),
        };
        kept.change(true, |_| ());
        Self {
            report,
            kept: Arc::new(kept),
        }
    }

    fn say(&self, text: &str) {
        let line = text.chars().take(CHARACTERS).collect();
        self.kept.change(true, |going| {
            going.lines.push(line);
            if going.lines.len() > LINES {
                going.lines.remove(0);
                going.earlier += 1;
            }
        });
    }

    fn follow(&self, total: u64, inner: Box<dyn Progress>) -> Box<dyn Progress> {
        (self.kept).change(false, |going| (going.done, going.total) = (0, total));
        Box::new(Followed {
            inner,
            kept: Arc::clone(&self.kept),
        })
    }
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        let mut state = (self.kept.state.lock()).unwrap_or_else(PoisonError::into_inner);
        state.is_over = true;
        let _ = std::fs::remove_file(&self.kept.path);
    }
}

impl Kept {
    fn change(&self, is_urgent: bool, change: impl FnOnce(&mut Going)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut state.going);
        if state.is_over || !is_urgent && state.written.elapsed() < PAUSE {
            return;
        }
        state.written = Instant::now();
        // Whoever looks sees nothing new then; the run itself goes on.
        let _ = write(&self.path, &state.going);
    }
}

/// Readers see the old content or the new one.
fn write(path: &Path, going: &Going) -> std::io::Result<()> {
    let new = path.with_extension("progress-new");
    let json = serde_json::to_vec(going)?;
    platform::private::create(&new)?.write_all(&json)?;
    std::fs::rename(new, path)
}

impl Report for Told<'_> {
    fn step(&self, number: u8, of: u8, text: &str) {
        self.say(&format!("{number}/{of} {text}"));
        self.report.step(number, of, text);
    }

    fn detail(&self, text: &str) {
        self.say(text);
        self.report.detail(text);
    }

    fn note(&self, text: &str) {
        self.say(text);
        self.report.note(text);
    }

    fn warn(&self, text: &str) {
        self.say(&format!("warning: {text}"));
        self.report.warn(text);
    }

    fn begin(&self, total: u64) -> Box<dyn Progress> {
        self.follow(total, self.report.begin(total))
    }

    fn count(&self, total: u64) -> Box<dyn Progress> {
        self.follow(total, self.report.count(total))
    }
}

struct Followed {
    inner: Box<dyn Progress>,
    kept: Arc<Kept>,
}

impl Progress for Followed {
    fn item(&self, name: &str) {
        self.inner.item(name);
    }

    fn set(&self, done: u64) {
        self.kept.change(false, |going| going.done = done);
        self.inner.set(done);
    }

    fn advance(&self, bytes: u64) {
        (self.kept).change(false, |going| going.done = going.done.saturating_add(bytes));
        self.inner.advance(bytes);
    }

    fn extend(&self, bytes: u64) {
        (self.kept).change(false, |going| {
            going.total = going.total.saturating_add(bytes)
        });
        self.inner.extend(bytes);
    }

    fn set_total(&self, bytes: u64) {
        self.kept.change(false, |going| going.total = bytes);
        self.inner.set_total(bytes);
    }
}

#[cfg(test)]
mod tests {
    use backup::Silent;

    use super::*;

    #[test]
    fn a_run_is_followed_until_it_ends_also_by_a_crash() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = StateFolder::at(folder.path());
        assert_eq!(going(&state, "nightly"), None);
        let lock = state.lock("nightly").expect("free");
        let told = Told::new(&Silent, &state, "nightly");
        told.step(1, 7, "begun");
        let progress = told.begin(10);
        progress.advance(4);
        for number in 0..LINES {
            told.note(&format!("line {number}"));
        }
        let seen = going(&state, "nightly").expect("it goes on");
        assert_eq!((seen.done, seen.total, seen.earlier), (4, 10, 1));
        assert_eq!(seen.lines[0], "line 0");
        drop(told);
        progress.advance(1);
        assert_eq!(going(&state, "nightly"), None);

        // As kill -9 leaves it: the file without a lock.
        std::mem::forget(Told::new(&Silent, &state, "nightly"));
        assert!(going(&state, "nightly").is_some());
        drop(lock);
        assert_eq!(going(&state, "nightly"), None);
        let _lock = state.lock("nightly").expect("free");
        assert_eq!(going(&state, "nightly"), None);
    }
}
