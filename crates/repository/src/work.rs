//! How far long work is, for its caller.

/// What is counted while a repository works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Snapshots whose folder listings or files are read.
    Snapshots,
    /// Packs whose headers are read.
    Packs,
    /// Bytes of packs that are read or rewritten.
    Bytes,
    /// Bytes of new packs that are read back before they count as stored.
    Proof,
}

/// Gets what is counted, how many are done, and of how many.
pub type Watch<'w> = &'w mut dyn FnMut(Work, u64, u64);
