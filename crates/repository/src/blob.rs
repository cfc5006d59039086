//! Reading a blob: decrypts and decompresses it, and compares it with its id.

use rustic_core::Id;

use crate::cipher::sha256;
use crate::error::Error;
use crate::index::{Place, Places};
use crate::storage::Storage;

/// No known program makes larger blobs.
const LARGEST_BLOB: u32 = 256 << 20;

/// Appends the content of a blob to `out`, from the first sound copy of it. `what` names the blob
/// for errors.
pub(crate) fn read_blob(
    storage: &Storage,
    places: &Places,
    opener: &mut Opener,
    id: &Id,
    what: impl Fn() -> String,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let start = out.len();
    let mut failure = None;
    for place in places.all(id) {
        let read = place
            .not_too_large()
            .and_then(|()| storage.read_pack(&place.pack, place.offset, place.length))
            .and_then(|sealed| opener.open(storage, place, id, &sealed, out));
        match read {
            Ok(()) => return Ok(()),
            Err(error) => {
                out.truncate(start);
                failure.get_or_insert(error);
            }
        }
    }
    Err(failure.unwrap_or_else(|| Error::Damaged {
        what: format!("{} is in no pack that the index names", what()),
    }))
}

impl Place {
    /// Fails before memory is allocated for an impossible size.
    pub(crate) fn not_too_large(&self) -> Result<(), Error> {
        match self.uncompressed.unwrap_or(0).max(self.length) > LARGEST_BLOB {
            false => Ok(()),
            true => Err(Error::Damaged {
                what: format!(
                    "pack {}, blob at {}: it is too large",
                    self.pack.to_hex().as_str(),
                    self.offset
                ),
            }),
        }
    }
}

/// Buffers and contexts for decryption and decompression.
#[derive(Default)]
pub(crate) struct Opener {
    compressed: Vec<u8>,
    decompressor: Option<zstd::bulk::Decompressor<'static>>,
}

impl Opener {
    /// Appends the plain content of a blob to `out`.
    pub(crate) fn open(
        &mut self,
        storage: &Storage,
        place: &Place,
        id: &Id,
        sealed: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let damaged = |how: &str| Error::Damaged {
            what: format!(
                "pack {}, blob {} at {}: {how}",
                place.pack.to_hex().as_str(),
                id.to_hex().as_str(),
                place.offset
            ),
        };
        place.not_too_large()?;
        storage
            .cipher
            .open(sealed, &mut self.compressed)
            .ok_or_else(|| damaged("it is damaged (wrong authentication tag)"))?;
        let start = out.len();
        match place.uncompressed {
            None => out.extend_from_slice(&self.compressed),
            Some(length) => {
                let decompressor = match &mut self.decompressor {
                    Some(decompressor) => decompressor,
                    none => none.insert(
                        zstd::bulk::Decompressor::new()
                            .map_err(|error| damaged(&error.to_string()))?,
                    ),
                };
                let plain = decompressor
                    .decompress(&self.compressed, length as usize)
                    .map_err(|error| damaged(&format!("it cannot be decompressed: {error}")))?;
                if plain.len() != length as usize {
                    return Err(damaged("its length differs from the one in the index"));
                }
                out.extend_from_slice(&plain);
            }
        }
        let plain = out.get(start..).unwrap_or_default();
        if Id::new(sha256(plain)) != *id {
            return Err(damaged("its content does not match its name"));
        }
        Ok(())
    }
}
