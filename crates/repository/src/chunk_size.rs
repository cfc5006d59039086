//! The size of a file's chunks.

/// The size of a file's chunks, the unit of deduplication. [`Repository::chunk_bytes`] gives it in
/// bytes.
///
/// [`Repository::chunk_bytes`]: crate::Repository::chunk_bytes
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ChunkSize {
    /// For most files: those that do not change, or change in large parts.
    #[default]
    Standard,
    /// For files that compress well and change in many small, scattered parts. The first backup is
    /// larger, the later ones are smaller.
    Small,
}
