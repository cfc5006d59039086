//! A database file in a snapshot as a source of pages.

use std::io;

use repository::SnapshotFile;

/// A file in a snapshot. The inner error of a failed read is a [`repository::Error`].
pub struct SnapshotSource(pub SnapshotFile);

impl ese::database::Source for SnapshotSource {
    fn size(&self) -> io::Result<u64> {
        Ok(self.0.size())
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        (self.0.read_exact_at(buffer, offset)).map_err(io::Error::other)
    }
}
