//! Reads the files of a pinned point in time from start to end.

use bytes::Bytes;
use contract::Result;
use model::Damage;
use samba::{PinnedFile, PinnedReader};
use store::{FileReader, PIECE};

use crate::failure::code;

/// A file of the domain controller. A database was verified before its first byte is read.
pub(crate) struct PinnedFileReader {
    reader: PinnedReader,
    damage: Vec<String>,
}

impl PinnedFileReader {
    /// Opens a file.
    ///
    /// # Errors
    /// `hrReadVerifyFailure` for damage that is not allowed, `hrDatabaseInUse` for a file that
    /// changes, `hrDiskIO`.
    pub(crate) fn open(file: &PinnedFile, allow_corrupt: bool) -> Result<Self> {
        let (reader, damage) = match file.open() {
            Ok(reader) => (reader, Vec::new()),
            Err(error @ samba::Error::Damaged { .. }) if allow_corrupt => (
                file.open_unverified().map_err(code)?,
                vec![error.to_string()],
            ),
            Err(error) => return Err(code(error)),
        };
        Ok(Self { reader, damage })
    }
}

impl FileReader for PinnedFileReader {
    fn size(&self) -> u64 {
        self.reader.size()
    }

    fn next_piece(&mut self) -> Result<Option<Bytes>> {
        let mut piece = vec![0; PIECE];
        let length = self.reader.read(&mut piece).map_err(code)?;
        piece.truncate(length);
        Ok((length > 0).then(|| piece.into()))
    }

    fn finish(self: Box<Self>) -> Result<Damage> {
        Ok(Damage {
            count: self.damage.len() as u64,
            first: self.damage,
        })
    }
}

/// The listing, made for the backup.
pub(crate) struct Listing {
    rest: Bytes,
    size: u64,
}

impl Listing {
    pub(crate) fn new(content: &[u8]) -> Self {
        Self {
            rest: Bytes::copy_from_slice(content),
            size: content.len() as u64,
        }
    }
}

impl FileReader for Listing {
    fn size(&self) -> u64 {
        self.size
    }

    fn next_piece(&mut self) -> Result<Option<Bytes>> {
        let length = self.rest.len().min(PIECE);
        Ok((length > 0).then(|| self.rest.split_to(length)))
    }

    fn finish(self: Box<Self>) -> Result<Damage> {
        Ok(Damage::default())
    }
}
