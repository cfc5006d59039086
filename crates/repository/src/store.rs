//! Operations of a storage location beyond rustic's backends: locks, cleanup, and the guarantee of
//! durability.

use std::io;
use std::time::Duration;

use rustic_core::Id;

/// The folder of the locks in a repository.
pub(crate) const LOCKS: &str = "locks";

/// The age at which a temporary file counts as abandoned: no write of one file takes this long.
pub(crate) const FORGOTTEN: Duration = Duration::from_secs(24 * 60 * 60);

/// Whether confirmed writes survive a power failure of the computer that stores them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// They do.
    Promised,
    /// Not guaranteed; the reason, in words.
    NotPromised(&'static str),
}

/// The storage of one repository. Locks are sealed files, named by their SHA-256.
pub(crate) trait Store: Send + Sync {
    /// The names of all locks. Empty if there is no folder for them.
    fn list_locks(&self) -> io::Result<Vec<Id>>;

    /// The content of a lock. `None` if it is gone.
    fn read_lock(&self, id: &Id) -> io::Result<Option<Vec<u8>>>;

    /// Writes a lock, which counts for others only when it is complete.
    fn write_lock(&self, id: &Id, content: &[u8]) -> io::Result<()>;

    /// Removes a lock. A missing one is no error.
    fn remove_lock(&self, id: &Id) -> io::Result<()>;

    /// The guarantee of durability.
    fn durability(&self) -> Durability;

    /// Removes abandoned temporary files of killed programs. Those that cannot be removed are
    /// harmless.
    fn remove_forgotten(&self) {}
}

/// The name of an incomplete file.
pub(crate) fn temporary_name(name: &str, number: u64) -> String {
    format!("{name}-tmp-{}-{number}", std::process::id())
}

/// Whether a name was made by [`temporary_name`], in this process or another.
pub(crate) fn is_temporary(name: &str) -> bool {
    name.get(64..).is_some_and(|end| end.starts_with("-tmp-"))
}
