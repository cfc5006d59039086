//! An open repository's backend, with the key for its content.

use std::sync::Arc;

use bytes::Bytes;
use rustic_core::{BytesList, FileType, Id, WriteBackend};

use crate::cipher::{Cipher, sha256};
use crate::error::{Error, explain};
use crate::pack::{Entry, TRAILER, parse_header, size_of_pack};
use crate::seal::{Sealer, Verify};
use crate::store::Store;
use crate::unreadable::Notes;

/// First byte of a compressed index or snapshot file, before encryption (restic repository version
/// 2).
const COMPRESSED: u8 = 2;

/// State for both reading and writing.
pub(crate) struct Storage {
    pub(crate) backend: Arc<dyn WriteBackend>,
    pub(crate) store: Arc<dyn Store>,
    /// The files found unreadable.
    pub(crate) unreadable: Arc<Notes>,
    pub(crate) cipher: Cipher,
    /// zstd level.
    pub(crate) level: i32,
    /// The chunks that are opened again after sealing.
    pub(crate) verify: Verify,
}

impl Storage {
    /// Compresses and encrypts blobs for this repository.
    pub(crate) fn sealer(&self, verify: Verify) -> Sealer<'_> {
        Sealer::new(&self.cipher, self.level, verify)
    }

    /// Writes an index or snapshot file: compressed, encrypted, named by the SHA-256 of the result.
    pub(crate) fn save(&self, kind: FileType, json: &[u8]) -> Result<Id, Error> {
        let doing = || format!("saving a file in {}/", kind.dirname());
        let sealed = self.seal(json).map_err(|error| Error::Storage {
            doing: doing(),
            reason: error.to_string(),
        })?;
        let id = Id::new(sha256(&sealed));
        self.write(kind, &id, sealed.into(), doing)?;
        Ok(id)
    }

    /// The sealed form of an index, snapshot or lock file.
    pub(crate) fn seal(&self, json: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut plain = vec![COMPRESSED];
        zstd::stream::copy_encode(json, &mut plain, self.level)?;
        let mut sealed = Vec::with_capacity(plain.len() + crate::cipher::OVERHEAD);
        self.cipher.seal(&plain, &mut sealed)?;
        Ok(sealed)
    }

    /// The content of an index, snapshot or lock file. `None` if it is not one of this repository.
    pub(crate) fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let mut plain = Vec::new();
        self.cipher.open(sealed, &mut plain)?;
        match plain.split_first() {
            Some((&COMPRESSED, rest)) => zstd::stream::decode_all(rest).ok(),
            _ => Some(plain),
        }
    }

    pub(crate) fn write(
        &self,
        kind: FileType,
        id: &Id,
        content: Bytes,
        doing: impl Fn() -> String,
    ) -> Result<(), Error> {
        self.backend
            .write_bytes(kind, id, false, BytesList::from(content))
            .map_err(|error| Error::storage(doing(), &error))
    }

    /// Reads part of a pack. Failure is damage, unless the whole repository is unreachable.
    pub(crate) fn read_pack(&self, pack: &Id, offset: u32, length: u32) -> Result<Bytes, Error> {
        self.backend
            .read_partial(FileType::Pack, pack, false, offset, length)
            .or_else(|error| {
                self.reachable()?;
                Err(Error::Damaged {
                    what: format!("pack {}: {}", pack.to_hex().as_str(), explain(&error)),
                })
            })
    }

    /// Fails with [`Error::Storage`] if the repository as a whole is unreachable: then missing
    /// files are no damage.
    pub(crate) fn reachable(&self) -> Result<(), Error> {
        let doing = "looking for the repository";
        match self.backend.list_with_size(FileType::Config) {
            Ok(found) if !found.is_empty() => Ok(()),
            Ok(_) => Err(Error::Storage {
                doing: doing.to_string(),
                reason: "its file config is gone; it was moved away, removed or unmounted"
                    .to_string(),
            }),
            Err(error) => Err(Error::storage(doing, &error)),
        }
    }

    /// The error for a snapshot that was written, but could not be read back because of `error`.
    pub(crate) fn unproven(&self, snapshot: &str, error: &Error) -> Error {
        match self.reachable() {
            Ok(()) => Error::Unproven {
                snapshot: snapshot.to_string(),
                reason: error.to_string(),
            },
            Err(unreachable) => Error::Storage {
                doing: format!(
                    "reading snapshot {snapshot} back after it was written (nothing may be deleted \
                     because of it: run the backup again)"
                ),
                reason: unreachable.to_string(),
            },
        }
    }

    /// Reads the header of a pack of `size` bytes.
    pub(crate) fn read_header(&self, pack: &Id, size: u32) -> Result<Vec<Entry>, Error> {
        let damaged = |how: &str| Error::Damaged {
            what: format!("pack {}: {how}", pack.to_hex().as_str()),
        };
        let end = size
            .checked_sub(TRAILER as u32)
            .ok_or_else(|| damaged("it is too short for a pack"))?;
        let trailer = self.read_pack(pack, end, TRAILER as u32)?;
        let length = <[u8; TRAILER]>::try_from(&trailer[..])
            .map(u32::from_le_bytes)
            .map_err(|_| damaged("it is too short for a pack"))?;
        let start = end
            .checked_sub(length)
            .ok_or_else(|| damaged("its end is damaged"))?;
        let sealed = self.read_pack(pack, start, length)?;
        let mut header = Vec::new();
        self.cipher
            .open(&sealed, &mut header)
            .and_then(|()| parse_header(&header))
            .filter(|entries| size_of_pack(entries) == size)
            .ok_or_else(|| damaged("its header is damaged"))
    }

    /// Every existing pack, with its size in bytes.
    pub(crate) fn packs(&self) -> Result<Vec<(Id, u32)>, Error> {
        self.backend
            .list_with_size(FileType::Pack)
            .map_err(|error| Error::storage("listing the repository's packs", &error))
    }
}
