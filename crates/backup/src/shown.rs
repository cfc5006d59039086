//! How far long work of a repository is, shown by a report.

use repository::Work;

use crate::report::{Progress, Report};

/// Shows each part of the work with a bar of its own.
pub struct Shown<'r> {
    report: &'r dyn Report,
    doing: &'static str,
    bar: Option<(Work, Box<dyn Progress>)>,
}

impl<'r> Shown<'r> {
    /// Shows nothing yet. `doing` is what happens to the bytes of packs.
    pub fn new(report: &'r dyn Report, doing: &'static str) -> Self {
        Self {
            report,
            doing,
            bar: None,
        }
    }

    /// For [`repository::Watch`].
    pub fn set(&mut self, work: Work, done: u64, total: u64) {
        if self.bar.as_ref().is_none_or(|(shown, _)| *shown != work) {
            // The last one goes before the next one comes.
            self.bar = None;
            self.bar = Some((work, self.begin(work, total)));
        }
        if let Some((_, bar)) = &self.bar {
            bar.set(done);
        }
    }

    fn begin(&self, work: Work, total: u64) -> Box<dyn Progress> {
        let (bar, name) = match work {
            Work::Snapshots => (self.report.count(total), "reading snapshots"),
            Work::Packs => (self.report.count(total), "reading packs"),
            Work::Bytes => (self.report.begin(total), self.doing),
            Work::Proof => (self.report.begin(total), "reading back what was stored"),
        };
        bar.item(name);
        bar
    }
}
