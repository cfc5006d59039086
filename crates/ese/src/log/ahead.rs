//! Work that a thread does ahead of whoever wants its results.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// The results of a thread that works one step ahead. When this is dropped the thread has ended.
#[derive(Debug)]
pub(crate) struct Ahead<T> {
    results: Option<Receiver<T>>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> Ahead<T> {
    /// Runs `work`, which is to end when nobody takes its results any more.
    pub fn new(work: impl FnOnce(SyncSender<T>) + Send + 'static) -> Self {
        let (sender, results) = sync_channel(1);
        Ahead {
            results: Some(results),
            thread: Some(std::thread::spawn(move || work(sender))),
        }
    }

    /// The next result; `None` after the last.
    pub fn next(&self) -> Option<T> {
        self.results.as_ref()?.recv().ok()
    }
}

impl<T> Drop for Ahead<T> {
    fn drop(&mut self) {
        // A thread that waits for its result to be taken goes on, and finds out that it is not
        // wanted.
        self.results = None;
        if let Some(thread) = self.thread.take() {
            // Its panic ended the results early, which is an error to whoever counted on them.
            let _ = thread.join();
        }
    }
}
