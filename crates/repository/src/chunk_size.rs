//! How large the chunks are that a file is cut into.

/// The size of a file's chunks, the unit of deduplication. [`Repository::chunk_bytes`] says how many
/// bytes that is.
///
/// [`Repository::chunk_bytes`]: crate::Repository::chunk_bytes
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ChunkSize {
    /// For most files: those that stay as they are, or change in large parts.
    #[default]
    Standard,
    /// For files that compress well and change in many small places far apart: the first backup
    /// stores more, and each next one less.
    Small,
}
