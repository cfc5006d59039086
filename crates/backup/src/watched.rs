//! How far a restore of single objects is, for whoever asked for it.

use std::cell::RefCell;

use object_restore::Watch;

use crate::report::{Progress, Report};

/// Tells a report of each part of the work and how much of it is done.
pub struct Watched<'r> {
    report: &'r dyn Report,
    /// Whether parts of the work are named only while they last.
    is_silent: bool,
    progress: RefCell<Option<Box<dyn Progress>>>,
}

impl<'r> Watched<'r> {
    /// With a note for each part of the work.
    pub fn new(report: &'r dyn Report) -> Self {
        Self {
            report,
            is_silent: false,
            progress: RefCell::default(),
        }
    }

    /// Without notes: nothing stays of it.
    pub fn silent(report: &'r dyn Report) -> Self {
        Self {
            is_silent: true,
            ..Self::new(report)
        }
    }
}

impl Watch for Watched<'_> {
    fn begin(&self, what: &str, count: usize) {
        // The last one goes before the next note comes.
        self.progress.take();
        if !self.is_silent {
            self.report.note(what);
        }
        let progress = self.report.count(count as u64);
        progress.item(what);
        self.progress.replace(Some(progress));
    }

    fn done(&self, count: usize) {
        if let Some(progress) = &*self.progress.borrow() {
            progress.advance(count as u64);
        }
    }

    fn note(&self, text: &str) {
        self.progress.take();
        self.report.note(text);
    }
}
