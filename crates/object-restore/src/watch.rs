//! How far a restore is.

/// Is told what is being done.
pub trait Watch {
    /// Something new begins, with about so many objects, changes or steps to deal with; 0 where that is
    /// not known.
    fn begin(&self, what: &str, count: usize);

    /// So many of them are dealt with.
    fn done(&self, count: usize);

    /// Something that people should know.
    fn note(&self, text: &str);
}

/// Nobody watches.
pub struct Unwatched;

impl Watch for Unwatched {
    fn begin(&self, _: &str, _: usize) {}
    fn done(&self, _: usize) {}
    fn note(&self, _: &str) {}
}
