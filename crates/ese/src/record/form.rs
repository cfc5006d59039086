//! The forms of values of tagged columns.

/// The form of a stored value of a tagged column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueForm {
    /// Plain.
    Plain,
    /// Compressed: see [`crate::compression`].
    Compressed,
    /// As the id of a long value of the table, little-endian, four or eight bytes.
    Separated,
    /// Encrypted by the application's key.
    Encrypted,
}
