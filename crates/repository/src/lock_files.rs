//! Where a repository keeps its locks, the files in `locks/`. rustic's backends know no such files.

use std::io;

use rustic_core::Id;

/// The folder of the locks in a repository.
pub(crate) const FOLDER: &str = "locks";

/// The locks of one repository, as sealed files named by their SHA-256.
pub(crate) trait LockFiles: Send + Sync {
    /// The names of all locks. A repository without a folder for them has none.
    fn list(&self) -> io::Result<Vec<Id>>;

    /// The content of one; `None` when it is gone.
    fn read(&self, id: &Id) -> io::Result<Option<Vec<u8>>>;

    /// Writes one. It counts for others only when it is whole.
    fn write(&self, id: &Id, content: &[u8]) -> io::Result<()>;

    /// Removes one. It is no error if it is gone already.
    fn remove(&self, id: &Id) -> io::Result<()>;
}
