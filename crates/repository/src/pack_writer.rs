//! Writes sealed blobs into packs: file content and listings separately, as restic requires.

use rustic_core::{FileType, Id};

use crate::cipher::Hash;
use crate::error::Error;
use crate::index::IndexedPack;
use crate::pack::{BlobKind, Pack};
use crate::storage::Storage;

pub(crate) struct PackWriter<'a> {
    storage: &'a Storage,
    data: Pack,
    trees: Pack,
    written: Vec<IndexedPack>,
}

impl<'a> PackWriter<'a> {
    pub(crate) fn new(storage: &'a Storage) -> Self {
        Self {
            storage,
            data: Pack::default(),
            trees: Pack::default(),
            written: Vec::new(),
        }
    }

    /// Adds a sealed blob, and durably writes a pack when it is full.
    pub(crate) fn add(
        &mut self,
        id: Hash,
        kind: BlobKind,
        sealed: &[u8],
        uncompressed: Option<u32>,
    ) -> Result<(), Error> {
        let pack = match kind {
            BlobKind::Data => &mut self.data,
            BlobKind::Tree => &mut self.trees,
        };
        pack.add(id, kind, sealed, uncompressed);
        if pack.is_full() {
            let full = std::mem::take(pack);
            self.write(full)?;
        }
        Ok(())
    }

    /// Writes the last packs, even if they are not full.
    pub(crate) fn finish(&mut self) -> Result<(), Error> {
        for pack in [&mut self.data, &mut self.trees].map(std::mem::take) {
            if !pack.is_empty() {
                self.write(pack)?;
            }
        }
        Ok(())
    }

    /// The packs written since the last call.
    pub(crate) fn take_written(&mut self) -> Vec<IndexedPack> {
        std::mem::take(&mut self.written)
    }

    fn write(&mut self, pack: Pack) -> Result<(), Error> {
        let doing = || "storing a pack".to_string();
        let pack = (pack.finish(&self.storage.cipher)).map_err(|error| Error::Storage {
            doing: doing(),
            reason: error.to_string(),
        })?;
        let id = Id::new(pack.id);
        let size = pack.content.len() as u32;
        self.storage
            .write(FileType::Pack, &id, pack.content.into(), doing)?;
        self.written.push(IndexedPack {
            id,
            size,
            entries: pack.entries,
            marked: false,
        });
        Ok(())
    }
}
