//! Indices.

use super::ColumnId;
use crate::tree::TreeId;

/// The persistent flags of an index: `IDBFLAG` of `idb.hxx` in the lower half, `IDXFLAG` in the
/// upper.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct IndexFlags(pub u32);

/// An index of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// The index's name.
    pub name: String,
    /// Its tree; that of a primary index is the table's own.
    pub tree: TreeId,
    /// Its flags.
    pub flags: IndexFlags,
    /// The columns that make up its keys.
    pub key: Vec<KeyColumn>,
    /// Columns that must be NULL, or not be NULL, for a row to have an entry.
    pub conditions: Vec<Condition>,
    /// The locale that orders Unicode text, such as `en-US`; empty for the invariant locale.
    pub locale: String,
    /// The normalisation of Unicode text (`LCMapString` flags); 0 without Unicode columns.
    pub map_flags: u32,
    /// The greatest length of a column's part of the key, in bytes.
    pub segment_most: u16,
    /// The greatest length of a key, in bytes.
    pub key_most: u16,
    /// The division of text into indexed substrings; `None` if the index has none.
    pub tuples: Option<TupleLimits>,
}

/// A column of an index's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyColumn {
    /// The column.
    pub column: ColumnId,
    /// Whether its values are in descending order.
    pub descending: bool,
}

/// A condition for a row to have an entry in an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Condition {
    /// The column.
    pub column: ColumnId,
    /// Whether it must be NULL; otherwise it must not.
    pub must_be_null: bool,
}

/// The division of text into indexed substrings (tuples), in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TupleLimits {
    /// The shortest substring.
    pub shortest: u32,
    /// The longest substring.
    pub longest: u32,
    /// The number of characters of the text that are indexed.
    pub indexed: u32,
    /// The distance from the start of one substring to the start of the next.
    pub step: u32,
    /// The start of the first substring.
    pub first: u32,
}

macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $bit:literal;)*) => {
        impl IndexFlags {
            $($(#[$doc])* pub fn $name(self) -> bool {
                self.0 & $bit != 0
            })*
        }
    };
}

flags! {
    /// Keys do not repeat.
    is_unique = 0x0001;
    /// Rows whose key columns are all NULL have an entry.
    allows_all_nulls = 0x0002;
    /// Rows whose first key column is NULL have an entry.
    allows_first_null = 0x0004;
    /// Rows with some key columns NULL have an entry.
    allows_some_nulls = 0x0008;
    /// No key column may be NULL.
    forbids_nulls = 0x0010;
    /// The table's rows are in the order of this index.
    is_primary = 0x0020;
    /// The application named the locale.
    is_locale_set = 0x0040;
    /// A key column may hold several values, each of which is indexed.
    is_multi_valued = 0x0080;
    /// Of a template table.
    is_template = 0x0100;
    /// Defined by the table's template.
    is_derived = 0x0200;
    /// A key column is Unicode text.
    has_localized_text = 0x0400;
    /// NULL sorts after all values.
    sorts_nulls_high = 0x0800;
    /// Every combination of the values of multi-valued columns has an entry.
    is_cross_product = 0x2000;
    /// Keys over the greatest length are refused, not truncated.
    forbids_truncation = 0x4000;
    /// Values of multi-valued columns with the same sequence number share an entry.
    is_nested_table = 0x8000;
    /// The catalog stores each key column in four bytes.
    has_extended_columns = 0x0001_0000;
    /// GUIDs are ordered as .NET orders them.
    is_dot_net_guid = 0x0002_0000;
    /// Rows older than the index have no entries.
    is_deferred_populate = 0x0004_0000;
}

impl std::fmt::Debug for IndexFlags {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IndexFlags({:#x})", self.0)
    }
}

impl Index {
    /// The properties as the engine's API reports them (`JET_bitIndex...`), without
    /// `JET_bitIndexUnicode`.
    pub fn grbit(&self) -> u32 {
        const LONGEST_OLD_KEY: u16 = 255;
        let flags = self.flags;
        let nulls = !flags.forbids_nulls();
        [
            (flags.is_unique(), 0x1),
            (flags.is_primary(), 0x2),
            (flags.forbids_nulls(), 0x4),
            (nulls && !flags.allows_all_nulls(), 0x8),
            (nulls && !flags.allows_some_nulls(), 0x20),
            (nulls && !flags.allows_first_null(), 0x40),
            (nulls && flags.sorts_nulls_high(), 0x400),
            (self.tuples.is_some(), 0x1000),
            (flags.is_cross_product(), 0x4000),
            (self.key_most > LONGEST_OLD_KEY, 0x8000),
            (flags.forbids_truncation(), 0x1_0000),
            (flags.is_nested_table(), 0x2_0000),
            (flags.is_dot_net_guid(), 0x4_0000),
            (flags.is_deferred_populate(), 0x10_0000),
        ]
        .iter()
        .filter(|(set, _)| *set)
        .fold(0, |grbit, (_, bit)| grbit | bit)
    }
}
