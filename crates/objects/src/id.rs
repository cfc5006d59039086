//! Ids of objects.

/// The id of an object in a source. It has no meaning in another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectId(pub u64);
