//! The index: the pack of each blob.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU32;

use rustic_core::{FileType, Id};
use serde::{Deserialize, Serialize};

use crate::cipher::Hash;
use crate::error::Error;
use crate::pack::{BlobKind, Entry, size_of_pack};
use crate::storage::Storage;

/// The number of new blobs for which an index file is written. If a backup is interrupted, the next
/// one finds its packs.
const BLOBS_PER_FILE: usize = 20_000;

/// A pack in the index.
#[derive(Debug, Clone)]
pub(crate) struct IndexedPack {
    pub(crate) id: Id,
    /// The size of a file with these blobs.
    pub(crate) size: u32,
    pub(crate) entries: Vec<Entry>,
    /// Whether rustic marked it for removal.
    pub(crate) marked: bool,
}

/// Calls `use_pack` for every pack in the index; repeatedly for a pack in several index files.
/// Notes unreadable index files.
pub(crate) fn for_each_pack(
    storage: &Storage,
    mut use_pack: impl FnMut(IndexedPack),
) -> Result<(), Error> {
    storage.read_all(FileType::Index, |_, file: IndexJson| {
        file.into_packs().for_each(&mut use_pack);
    })
}

/// Same as [`for_each_pack`]. If an index file is unreadable, also reads the headers of packs that
/// are in no other.
fn for_each_known_pack(
    storage: &Storage,
    mut use_pack: impl FnMut(IndexedPack),
) -> Result<(), Error> {
    let mut named = HashSet::new();
    for_each_pack(storage, |pack| {
        named.insert(pack.id);
        use_pack(pack);
    })?;
    if storage.unreadable.of(FileType::Index).is_empty() {
        return Ok(());
    }
    for (id, size) in storage.packs()? {
        if !named.contains(&id)
            && let Ok(entries) = storage.read_header(&id, size)
        {
            use_pack(IndexedPack {
                id,
                size,
                entries,
                marked: false,
            });
        }
    }
    Ok(())
}

/// The content of a repository, so that it is not stored again.
pub(crate) struct Known {
    pub(crate) data: HashMap<Id, Stored>,
    pub(crate) trees: HashMap<Id, Stored>,
    /// The packs of the repository, with their sizes.
    pub(crate) packs: Vec<(Id, u32)>,
}

/// The position of a known blob, in few bytes: there is one for each chunk of a repository.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stored {
    /// Index in [`Known::packs`].
    pack: u32,
    offset: u32,
    length: u32,
    uncompressed: Option<NonZeroU32>,
}

impl Stored {
    /// The position in full.
    pub(crate) fn place(&self, packs: &[(Id, u32)]) -> Option<Place> {
        let (pack, _) = *packs.get(self.pack as usize)?;
        Some(Place {
            pack,
            offset: self.offset,
            length: self.length,
            uncompressed: self.uncompressed.map(NonZeroU32::get),
        })
    }
}

impl Known {
    /// Reads the whole index. A blob counts only if its pack exists with the size implied by the
    /// index. Otherwise it is stored again, so that a new snapshot never relies on missing content.
    pub(crate) fn load(storage: &Storage) -> Result<Self, Error> {
        let packs = storage.packs()?;
        let numbers: HashMap<Id, u32> = packs.iter().map(|(id, _)| *id).zip(0..).collect();
        let mut known = Self {
            data: HashMap::new(),
            trees: HashMap::new(),
            packs,
        };
        for_each_pack(storage, |pack| {
            let Some(&number) = numbers.get(&pack.id) else {
                return;
            };
            let size = known.packs.get(number as usize).map(|(_, size)| *size);
            if !pack.marked && size == Some(pack.size) {
                for entry in &pack.entries {
                    let stored = Stored {
                        pack: number,
                        offset: entry.offset,
                        length: entry.length,
                        uncompressed: entry.uncompressed.and_then(NonZeroU32::new),
                    };
                    match entry.kind {
                        BlobKind::Data => known.data.insert(Id::new(entry.id), stored),
                        BlobKind::Tree => known.trees.insert(Id::new(entry.id), stored),
                    };
                }
            }
        })?;
        Ok(known)
    }
}

/// The position of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) pack: Id,
    pub(crate) offset: u32,
    /// Sealed length in bytes.
    pub(crate) length: u32,
    /// Length before compression; `None` if it is not compressed.
    pub(crate) uncompressed: Option<u32>,
}

impl Place {
    pub(crate) fn of(pack: Id, entry: &Entry) -> Self {
        Self {
            pack,
            offset: entry.offset,
            length: entry.length,
            uncompressed: entry.uncompressed,
        }
    }
}

/// The positions of blobs. Few blobs are in several packs.
#[derive(Debug, Default)]
pub(crate) struct Places {
    first: HashMap<Id, Place>,
    others: HashMap<Id, Vec<Place>>,
}

impl Places {
    pub(crate) fn add(&mut self, id: Id, place: Place) {
        let first = *self.first.entry(id).or_insert(place);
        if first.pack != place.pack {
            let others = self.others.entry(id).or_default();
            if others.iter().all(|other| other.pack != place.pack) {
                others.push(place);
            }
        }
    }

    /// The position to try first.
    pub(crate) fn first(&self, id: &Id) -> Option<&Place> {
        self.first.get(id)
    }

    /// All positions, beginning with the one to try first.
    pub(crate) fn all<'a>(&'a self, id: &Id) -> impl Iterator<Item = &'a Place> + use<'a> {
        let others = self.others.get(id).into_iter().flatten();
        self.first.get(id).into_iter().chain(others)
    }

    /// Prefers existing packs, if a blob has several positions.
    fn prefer_present(&mut self, storage: &Storage) -> Result<(), Error> {
        if self.others.is_empty() {
            return Ok(());
        }
        let packs: HashMap<Id, u32> = storage.packs()?.into_iter().collect();
        let present = |place: &Place| {
            let end = place.offset.checked_add(place.length);
            end.is_some_and(|end| packs.get(&place.pack).is_some_and(|size| end <= *size))
        };
        for (id, others) in &mut self.others {
            if let Some(first) = self.first.get_mut(id)
                && !present(first)
                && let Some(better) = others.iter_mut().find(|place| present(place))
            {
                std::mem::swap(first, better);
            }
        }
        Ok(())
    }
}

/// Finds the positions of `wanted` blobs only: the index of a large repository needs more memory
/// than the reading of one snapshot justifies.
pub(crate) fn locate(
    storage: &Storage,
    wanted: impl Fn(BlobKind, &Id) -> bool,
) -> Result<Places, Error> {
    let mut places = Places::default();
    for_each_known_pack(storage, |pack| {
        for entry in pack.entries.iter().filter(|_| !pack.marked) {
            let id = Id::new(entry.id);
            if wanted(entry.kind, &id) {
                places.add(id, Place::of(pack.id, entry));
            }
        }
    })?;
    places.prefer_present(storage)?;
    Ok(places)
}

/// Collects the content of new packs, and makes index files.
#[derive(Default)]
pub(crate) struct IndexWriter {
    packs: Vec<PackJson>,
    blobs: usize,
}

impl IndexWriter {
    /// Adds a durably stored pack. Returns the content of an index file when there is enough.
    pub(crate) fn add(&mut self, pack: &Id, entries: &[Entry]) -> Option<Vec<u8>> {
        self.blobs += entries.len();
        self.packs.push(PackJson {
            id: *pack,
            blobs: entries.iter().map(BlobJson::from).collect(),
            size: None,
        });
        (self.blobs >= BLOBS_PER_FILE).then(|| self.take())?
    }

    /// The packs that are not in an index file yet.
    pub(crate) fn packs(&self) -> impl Iterator<Item = &Id> {
        self.packs.iter().map(|pack| &pack.id)
    }

    /// The content of an index file for the rest, if any.
    pub(crate) fn take(&mut self) -> Option<Vec<u8>> {
        if self.packs.is_empty() {
            return None;
        }
        self.blobs = 0;
        let index = IndexJson {
            packs: std::mem::take(&mut self.packs),
            packs_to_delete: Vec::new(),
        };
        Some(serde_json::to_vec(&index).expect("plain structures become JSON"))
    }
}

/// Saves an index file, if there is one, and returns its id.
pub(crate) fn save(storage: &Storage, json: Option<Vec<u8>>) -> Result<Option<Id>, Error> {
    json.map(|json| storage.save(FileType::Index, &json))
        .transpose()
}

#[derive(Serialize, Deserialize)]
struct IndexJson {
    packs: Vec<PackJson>,
    /// rustic's field: packs to be removed later.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    packs_to_delete: Vec<PackJson>,
}

#[derive(Serialize, Deserialize)]
struct PackJson {
    id: Id,
    blobs: Vec<BlobJson>,
    /// rustic's field, for packs with unknown content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    size: Option<u32>,
}

#[derive(Serialize, Deserialize)]
struct BlobJson {
    #[serde(with = "digits")]
    id: Hash,
    #[serde(rename = "type")]
    kind: BlobKind,
    offset: u32,
    length: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    uncompressed_length: Option<u32>,
}

impl IndexJson {
    fn into_packs(self) -> impl Iterator<Item = IndexedPack> {
        let live = self.packs.into_iter().map(|pack| (pack, false));
        let marked = self.packs_to_delete.into_iter().map(|pack| (pack, true));
        live.chain(marked).map(|(pack, marked)| {
            let entries: Vec<Entry> = pack.blobs.iter().map(Entry::from).collect();
            IndexedPack {
                id: pack.id,
                size: pack.size.unwrap_or_else(|| size_of_pack(&entries)),
                entries,
                marked,
            }
        })
    }
}

impl From<&Entry> for BlobJson {
    fn from(entry: &Entry) -> Self {
        Self {
            id: entry.id,
            kind: entry.kind,
            offset: entry.offset,
            length: entry.length,
            uncompressed_length: entry.uncompressed,
        }
    }
}

impl From<&BlobJson> for Entry {
    fn from(blob: &BlobJson) -> Self {
        Self {
            id: blob.id,
            kind: blob.kind,
            offset: blob.offset,
            length: blob.length,
            uncompressed: blob.uncompressed_length.filter(|length| *length > 0),
        }
    }
}

/// A hash as 64 hexadecimal digits.
mod digits {
    use rustic_core::Id;
    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    use crate::cipher::Hash;

    pub(super) fn serialize<S: Serializer>(hash: &Hash, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(Id::new(*hash).to_hex().as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Hash, D::Error> {
        let text = String::deserialize(input)?;
        ids::hex::decode_array(&text).ok_or_else(|| D::Error::custom("an id has 64 digits"))
    }
}
