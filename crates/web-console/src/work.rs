//! Work that takes longer than a page: drills, removals, runs of jobs. One at a time, each on a
//! thread of its own; its progress is followed by any number of pages.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use backup::{Progress, Report};
use tokio::sync::watch;

use crate::problem::Problem;
use crate::random;

/// The works that are remembered.
const REMEMBERED: usize = 50;

/// The lines of a work that are remembered.
const LINES: usize = 1_000;

/// All works, oldest first.
#[derive(Default)]
pub struct Works(Mutex<VecDeque<Arc<Work>>>);

/// A work.
pub struct Work {
    /// Names it in addresses.
    pub id: String,
    /// What is done, in words.
    pub title: String,
    /// Who asked for it.
    pub user: String,
    /// When it began, RFC 3339, UTC.
    pub began: String,
    progress: Mutex<State>,
    /// Counts the changes.
    changed: watch::Sender<u64>,
}

/// How far a work is.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// What was said so far.
    pub lines: Vec<String>,
    /// The item that is worked on, such as a file.
    pub item: String,
    /// The bytes that are done.
    pub done: u64,
    /// The bytes in total; 0 if they are not known.
    pub total: u64,
    /// A page with what came of it, and its title.
    pub next: Option<(String, String)>,
    /// The result in words, or why it failed; `None` while the work goes on.
    pub result: Option<Result<String, String>>,
}

impl Works {
    /// Begins a work on a thread of its own.
    ///
    /// # Errors
    /// While another one goes on.
    pub fn begin(
        &self,
        title: String,
        user: &str,
        work: impl FnOnce(&Arc<Work>) -> Result<String, String> + Send + 'static,
    ) -> Result<Arc<Work>, Problem> {
        let mut works = self.lock();
        if let Some(other) = works.iter().find(|work| work.is_running()) {
            return Err(Problem::busy(format!(
                "{} goes on: one work at a time; try again when it has ended",
                other.title
            )));
        }
        let new = Arc::new(Work {
            id: random::word().map_err(Problem::failed)?[..16].to_owned(),
            title,
            user: user.to_owned(),
            began: jiff::Timestamp::now().to_string(),
            progress: Mutex::default(),
            changed: watch::channel(0).0,
        });
        works.push_back(Arc::clone(&new));
        while works.len() > REMEMBERED {
            works.pop_front();
        }
        drop(works);
        let running = Arc::clone(&new);
        tokio::task::spawn_blocking(move || {
            let ended = Ended(&running);
            let result = work(&running);
            ended.with(result);
        });
        Ok(new)
    }

    /// The work with this id.
    pub fn find(&self, id: &str) -> Option<Arc<Work>> {
        self.lock().iter().find(|work| work.id == id).cloned()
    }

    /// The work that goes on, if this page shows what comes of it.
    pub fn leading_to(&self, address: &str) -> Option<Arc<Work>> {
        let works = self.lock();
        let mut running = works.iter().filter(|work| work.is_running());
        let leads = |work: &&Arc<Work>| {
            let next = work.lock().next.clone();
            next.is_some_and(|(next, _)| next == address)
        };
        running.find(leads).cloned()
    }

    /// All works, the newest first.
    pub fn all(&self) -> Vec<Arc<Work>> {
        self.lock().iter().rev().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Work>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A work that panics has failed, too.
struct Ended<'w>(&'w Work);

impl Ended<'_> {
    fn with(self, result: Result<String, String>) {
        self.0.change(|state| state.result = Some(result));
    }
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.0.change(|state| {
            state
                .result
                .get_or_insert_with(|| Err("it stopped in the middle; see the log".into()));
        });
    }
}

impl Work {
    /// The address of its page.
    pub fn address(&self) -> String {
        format!("/work/{}", self.id)
    }

    /// Whether it goes on.
    pub fn is_running(&self) -> bool {
        self.lock().result.is_none()
    }

    /// How far it is.
    pub fn state(&self) -> State {
        self.lock().clone()
    }

    /// Tells of each change.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Names the page with what came of it.
    pub fn lead_to(&self, address: String, title: String) {
        self.change(|state| state.next = Some((address, title)));
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.send_modify(|count| *count += 1);
    }

    fn say(&self, text: &str) {
        self.change(|state| {
            if state.lines.len() < LINES {
                state.lines.push(text.to_owned());
            }
        });
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells a work what is done.
pub struct Teller(pub Arc<Work>);

impl Report for Teller {
    fn step(&self, number: u8, of: u8, text: &str) {
        self.0.say(&format!("{number}/{of} {text}"));
    }

    fn detail(&self, text: &str) {
        self.0.say(text);
    }

    fn note(&self, text: &str) {
        self.0.say(text);
    }

    fn warn(&self, text: &str) {
        self.0.say(&format!("warning: {text}"));
    }

    fn begin(&self, total: u64) -> Box<dyn Progress> {
        self.0
            .change(|state| (state.done, state.total) = (0, total));
        Box::new(Self(Arc::clone(&self.0)))
    }

    fn count(&self, total: u64) -> Box<dyn Progress> {
        self.begin(total)
    }
}

impl Progress for Teller {
    fn item(&self, name: &str) {
        self.0.change(|state| state.item = name.to_owned());
    }

    fn set(&self, done: u64) {
        self.0.change(|state| state.done = done);
    }

    fn advance(&self, bytes: u64) {
        (self.0).change(|state| state.done = state.done.saturating_add(bytes));
    }

    fn extend(&self, bytes: u64) {
        (self.0).change(|state| state.total = state.total.saturating_add(bytes));
    }

    fn set_total(&self, bytes: u64) {
        self.0.change(|state| state.total = bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_work_goes_on_at_a_time_and_tells_its_progress() {
        let works = Works::default();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let work = works
            .begin("a drill".into(), "anna", move |work| {
                let teller = Teller(Arc::clone(work));
                teller.step(1, 2, "begun");
                let progress = teller.begin(10);
                progress.advance(4);
                wait.recv().map_err(|error| error.to_string())?;
                Ok("proven".into())
            })
            .unwrap();
        let other = works.begin("another".into(), "anna", |_| Ok(String::new()));
        assert_eq!(other.err().unwrap().status.as_u16(), 409);
        let mut changes = work.changes();
        while work.state().done < 4 {
            changes.changed().await.unwrap();
        }
        let state = work.state();
        assert_eq!(
            (state.lines, state.total),
            (vec!["1/2 begun".to_owned()], 10)
        );
        go.send(()).unwrap();
        while work.is_running() {
            changes.changed().await.unwrap();
        }
        assert_eq!(work.state().result, Some(Ok("proven".into())));
        let next = works
            .begin("another".into(), "anna", |_| panic!("for a test"))
            .unwrap();
        let mut changes = next.changes();
        while next.is_running() {
            changes.changed().await.unwrap();
        }
        assert!(next.state().result.unwrap().is_err());
        assert_eq!(works.all().len(), 2);
    }
}
