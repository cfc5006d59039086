//! A thread that works ahead of the use of its results.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// The results of a thread that works one step ahead. Dropping it ends the thread.
#[derive(Debug)]
pub(crate) struct Ahead<T> {
    results: Option<Receiver<T>>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> Ahead<T> {
    /// Runs `work`, which must end when its results are no longer received.
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
        // A thread that waits to send a result gets an error and ends.
        self.results = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the thread ended the results early, which their receiver reports.
            let _ = thread.join();
        }
    }
}
