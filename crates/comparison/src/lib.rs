//! What differs between two directories, object by object and value by value, with who changed it
//! when.
//!
//! ```text
//! source ──> fingerprints ─┐
//!                          ├─> candidates ──> both entries again ──> ObjectChange
//! source ──> fingerprints ─┘
//! ```
//!
//! Objects are the same where their objectGUID is. One pass over each directory keeps some 150
//! bytes for each object: its name, its place and a fingerprint of what counts of it. Only objects
//! whose fingerprints differ are read again and compared, one at a time.
//!
//! | module | what it knows |
//! | --- | --- |
//! | [`Options`] | which objects and attributes count |
//! | [`Comparison`] | the passes over both directories, and the changes in the order of the tree |
//! | [`compare`] | two entries, compared |
//! | [`Found`] | one object in a directory, to be compared with the same in another |
//! | [`ObjectChange`] | the result |
#![forbid(unsafe_code)]

mod acl;
mod change;
mod compare;
mod comparison;
mod fingerprint;
mod found;
mod options;
mod pass;

pub use change::{
    AttributeChange, Change, DescriptorChange, Identity, Kind, ListChange, ObjectChange, Stamp,
    ValueChange,
};
pub use compare::{Seen, compare};
pub use comparison::{Changes, Comparison};
pub use found::Found;
pub use options::Options;

/// The result of a comparison.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why directories could not be compared.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A directory could not be read.
    #[error(transparent)]
    Source(#[from] objects::Error),
    /// Neither directory has the object at which the comparison was to begin.
    #[error("{0}: neither directory has an object of this name")]
    NoBase(String),
}
