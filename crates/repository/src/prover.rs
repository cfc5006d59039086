//! Checks that a blob in the repository opens, before a backup relies on it.

use rustic_core::Id;

use crate::blob::Opener;
use crate::index::Place;
use crate::storage::Storage;

/// Opens blobs of the repository, with reusable buffers.
pub(crate) struct Prover<'a> {
    storage: &'a Storage,
    opener: Opener,
    plain: Vec<u8>,
}

impl<'a> Prover<'a> {
    pub(crate) fn new(storage: &'a Storage) -> Self {
        Self {
            storage,
            opener: Opener::default(),
            plain: Vec::new(),
        }
    }

    /// Whether a blob with this id opens at this position.
    pub(crate) fn opens(&mut self, id: &Id, place: Option<Place>) -> bool {
        self.plain.clear();
        place.is_some_and(|place| {
            place.not_too_large().is_ok()
                && (self.storage)
                    .read_pack(&place.pack, place.offset, place.length)
                    .and_then(|sealed| {
                        (self.opener).open(self.storage, &place, id, &sealed, &mut self.plain)
                    })
                    .is_ok()
        })
    }
}
