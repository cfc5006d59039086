//! The types that are the same on all systems.

/// The access to a file or folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Its owner, for messages.
    pub owner: String,
    /// Whether the owner is this process's user, or may do everything anyway.
    pub owner_is_trusted: bool,
    /// How others may replace files in the folder, and how to end that; `None` if they may not.
    pub others_write: Option<String>,
    /// Whether others may write, even if they may not replace files that are not theirs.
    pub others_may_write: bool,
    /// Whether nobody else may read or write it.
    pub is_private: bool,
}

/// What tells a file from every other on this computer, whatever its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity {
    /// The file system.
    pub disk: u64,
    /// The file in it.
    pub number: u64,
}
