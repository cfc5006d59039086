//! Reads a pinned file from start to end, and verifies it on the way.

use std::sync::Arc;

use bytes::Bytes;
use contract::{Error, Result, ResultCode};
use model::Damage;
use store::{FileReader, PIECE};

use crate::pinned_file::PinnedFile;
use crate::verification::Verification;

pub(crate) struct Reader {
    file: Arc<PinnedFile>,
    position: u64,
    verification: Verification,
}

impl Reader {
    /// Begins to read.
    ///
    /// # Errors
    /// `hrDatabaseInUse` for a file that changed since it was pinned.
    pub(crate) fn begin(file: Arc<PinnedFile>, allow_corrupt: bool) -> Result<Self> {
        file.check_unchanged()?;
        file.announce_reading();
        Ok(Self {
            verification: Verification::new(&file.path, file.role, allow_corrupt),
            position: 0,
            file,
        })
    }
}

impl FileReader for Reader {
    fn size(&self) -> u64 {
        self.file.size()
    }

    fn next_piece(&mut self) -> Result<Option<Bytes>> {
        let left = self.file.size() - self.position;
        let length = left.min(PIECE as u64) as usize;
        if length == 0 {
            return Ok(None);
        }
        let piece = self.file.read_at(self.position, length)?;
        if piece.len() < length {
            self.file.check_unchanged()?;
            return Err(Error::new(
                ResultCode::DISK_IO,
                format!(
                    "{}: the file ends at {} bytes, although the system says {}",
                    self.file.path.display(),
                    self.position + piece.len() as u64,
                    self.file.size()
                ),
            ));
        }
        self.position += length as u64;
        self.verification.feed(&piece)?;
        Ok(Some(Bytes::from(piece)))
    }

    fn finish(self: Box<Self>) -> Result<Damage> {
        self.file.check_unchanged()?;
        self.verification.finish()
    }
}
