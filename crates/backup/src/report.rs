//! Progress of the work, for its caller. Results are returned.

use std::ops::ControlFlow;

use ese::recovery;

/// Receives the progress of the work: a command line prints it, a test counts it.
pub trait Report: Sync {
    /// A step of a walk-through is done: step `number` of `of`, and what it did.
    fn step(&self, number: u8, of: u8, text: &str);

    /// More about the step before.
    fn detail(&self, text: &str);

    /// The work that begins, outside a walk-through.
    fn note(&self, text: &str);

    /// A warning, which the user must see.
    fn warn(&self, text: &str);

    /// Long work on `total` bytes begins; 0 if that is not known. It ends when the returned value
    /// is dropped.
    fn begin(&self, total: u64) -> Box<dyn Progress>;

    /// As [`Report::begin`], for things that are counted, such as snapshots, instead of bytes.
    fn count(&self, total: u64) -> Box<dyn Progress>;
}

/// Long work in progress.
pub trait Progress: Send + Sync {
    /// The current item, such as a file's name.
    fn item(&self, name: &str);

    /// Sets the bytes done so far.
    fn set(&self, done: u64);

    /// Adds to the bytes done.
    fn advance(&self, bytes: u64);

    /// Adds to the total bytes.
    fn extend(&self, bytes: u64);

    /// Sets the total bytes.
    fn set_total(&self, bytes: u64);
}

/// Shows a recovery: pass it to [`recovery::Options::progress`].
pub fn of_recovery(
    bar: Box<dyn Progress>,
) -> impl FnMut(recovery::Progress) -> ControlFlow<()> + 'static {
    move |progress| {
        let recovery::Progress {
            generation, last, ..
        } = progress;
        bar.item(&format!("replaying log {generation:#x} of {last:#x}"));
        bar.set_total(progress.total_bytes);
        bar.set(progress.done_bytes);
        ControlFlow::Continue(())
    }
}

/// Ignores everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Report for Silent {
    fn step(&self, _: u8, _: u8, _: &str) {}

    fn detail(&self, _: &str) {}

    fn note(&self, _: &str) {}

    fn warn(&self, _: &str) {}

    fn begin(&self, _: u64) -> Box<dyn Progress> {
        Box::new(Self)
    }

    fn count(&self, _: u64) -> Box<dyn Progress> {
        Box::new(Self)
    }
}

impl Progress for Silent {
    fn item(&self, _: &str) {}

    fn set(&self, _: u64) {}

    fn advance(&self, _: u64) {}

    fn extend(&self, _: u64) {}

    fn set_total(&self, _: u64) {}
}
