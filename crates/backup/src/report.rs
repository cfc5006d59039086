//! How the work tells its caller what it does while it goes on. What came of it, it returns.

/// Hears of the work while it goes on: a command line prints it, a job keeps it, a test counts it.
pub trait Report: Sync {
    /// A step of a walk-through has been taken: its number of so many, and what it did.
    fn step(&self, number: u8, of: u8, text: &str);

    /// More about the step before.
    fn detail(&self, text: &str);

    /// What is done now, where no walk-through counts.
    fn note(&self, text: &str);

    /// What the user must see.
    fn warn(&self, text: &str);

    /// Long work on `total` bytes begins. It ends when the value is dropped.
    fn begin(&self, total: u64) -> Box<dyn Progress>;
}

/// Long work that is under way.
pub trait Progress: Send + Sync {
    /// What is worked on now, such as a file's name.
    fn item(&self, name: &str);

    /// So many bytes are done in all.
    fn set(&self, done: u64);

    /// So many bytes more are done.
    fn advance(&self, bytes: u64);

    /// So many bytes more are to be done.
    fn extend(&self, bytes: u64);
}

/// Hears nothing.
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
}

impl Progress for Silent {
    fn item(&self, _: &str) {}

    fn set(&self, _: u64) {}

    fn advance(&self, _: u64) {}

    fn extend(&self, _: u64) {}
}
