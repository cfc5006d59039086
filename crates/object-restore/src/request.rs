//! What is asked for.

use std::collections::BTreeSet;

use ids::Guid;
use serde::{Deserialize, Serialize};

/// Which objects are brought back, and how.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The objects, by objectGUID.
    pub objects: Vec<Guid>,
    /// What is beneath them as well.
    pub subtree: bool,
    /// Only these attributes, in lower case; all where there is none.
    pub attributes: BTreeSet<String>,
    /// What becomes of values that an object got since.
    pub newer: Newer,
    /// Whether links in either direction are brought back.
    pub links: bool,
    /// What becomes of passwords.
    pub password: Password,
    /// Whether an object whose name is taken gets another one.
    pub rename_on_conflict: bool,
    /// The object under which all others are brought back, instead of the one above them.
    pub into: Option<String>,
    /// Also objects of the system.
    pub force: bool,
    /// Whether the server's own socket is used, as the system.
    pub privileged: bool,
}

/// What becomes of values that a living object got since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Newer {
    /// They stay beside those that are brought back.
    Merge,
    /// They go.
    Replace,
}

/// What becomes of passwords.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Password {
    /// Those of the backup, for accounts that were deleted.
    KeepOfDeleted,
    /// Those of the backup, for all accounts.
    Keep,
    /// A new one, to be changed at the next logon, for accounts that were deleted.
    Set,
    /// None: accounts that were deleted stay disabled.
    None,
}
