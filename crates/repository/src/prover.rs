//! Whether a blob that the repository holds opens, before a backup relies on it.

use rustic_core::Id;

use crate::blob::Opener;
use crate::index::Place;
use crate::storage::Storage;

/// Looks whether blobs that the repository has open, before they are relied on.
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

    /// Whether there is a blob at this place that opens to what its name says.
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
