//! What objects are known by.

/// What a source knows an object by. It has no meaning to another source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(pub u64);
