//! How values of tagged columns are stored.

/// How a value of a tagged column is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueForm {
    /// As it is.
    Plain,
    /// Compressed: see [`crate::compression`].
    Compressed,
    /// As the id of a long value of the table, little-endian, four or eight bytes.
    Separated,
    /// Encrypted by the application's key.
    Encrypted,
}
