//! What a repository needs of a store beyond rustic's backends: locks, tidiness, and to know what its word is worth.

use std::io;
use std::time::Duration;

use rustic_core::Id;

/// The folder of the locks in a repository.
pub(crate) const LOCKS: &str = "locks";

/// No write of one file takes this long: a temporary file of this age was left by a program that was killed.
pub(crate) const FORGOTTEN: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether what a store says it has written survives that its computer loses power at that moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// It does.
    Promised,
    /// Nobody says so; why not, in words.
    NotPromised(&'static str),
}

/// A store of one repository. Locks are sealed files, named by their SHA-256.
pub(crate) trait Store: Send + Sync {
    /// The names of all locks. A repository without a folder for them has none.
    fn list_locks(&self) -> io::Result<Vec<Id>>;

    /// The content of one; `None` when it is gone.
    fn read_lock(&self, id: &Id) -> io::Result<Option<Vec<u8>>>;

    /// Writes one. It counts for others only when it is whole.
    fn write_lock(&self, id: &Id, content: &[u8]) -> io::Result<()>;

    /// Removes one. It is no error if it is gone already.
    fn remove_lock(&self, id: &Id) -> io::Result<()>;

    /// What its word is worth.
    fn durability(&self) -> Durability;

    /// Removes temporary files that killed programs left long ago. Those that cannot be removed do no harm.
    fn remove_forgotten(&self) {}
}

/// The name of a file until it is whole.
pub(crate) fn temporary_name(name: &str, number: u64) -> String {
    format!("{name}-tmp-{}-{number}", std::process::id())
}

/// Whether a file was called so by [`temporary_name`], here or by another process.
pub(crate) fn is_temporary(name: &str) -> bool {
    name.get(64..).is_some_and(|end| end.starts_with("-tmp-"))
}
