//! The index: which pack holds which blob.

use std::collections::{HashMap, HashSet};

use rustic_core::repofile::{BlobType, IndexFile, RepoFile};
use rustic_core::{FileType, Id, OpenStatus, RusticError};
use serde::Serialize;

use crate::error::{Error, explain};
use crate::pack::{BlobKind, Entry};
use crate::storage::Storage;

/// An index file is written when this many blobs wait for one: a backup that is cut short has then not stored its
/// packs in vain, the next one finds what they hold.
const BLOBS_PER_FILE: usize = 20_000;

type Inner = rustic_core::Repository<OpenStatus>;

/// What a repository holds already, so that it is not stored again.
pub(crate) struct Known {
    pub(crate) data: HashSet<Id>,
    pub(crate) trees: HashSet<Id>,
    /// The packs that were there, with their sizes.
    pub(crate) packs: HashMap<Id, u32>,
}

impl Known {
    /// Reads the whole index. A blob counts only if its pack is there with the size that the index implies:
    /// otherwise it is stored again, so that a new snapshot never relies on what is known to be missing.
    pub(crate) fn load(inner: &Inner, storage: &Storage) -> Result<Self, Error> {
        let packs: HashMap<Id, u32> = storage.packs()?.into_iter().collect();
        let mut known = Self {
            data: HashSet::new(),
            trees: HashSet::new(),
            packs: HashMap::new(),
        };
        for_each_index(inner, |file| {
            for pack in file.packs {
                if packs.get(&pack.id) == Some(&pack.pack_size()) {
                    for blob in &pack.blobs {
                        match blob.tpe {
                            BlobType::Data => known.data.insert(*blob.id),
                            BlobType::Tree => known.trees.insert(*blob.id),
                        };
                    }
                }
            }
        })?;
        known.packs = packs;
        Ok(known)
    }
}

/// Where a blob lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) pack: Id,
    pub(crate) offset: u32,
    /// Sealed length in bytes.
    pub(crate) length: u32,
    /// Length before compression, where it is compressed.
    pub(crate) uncompressed: Option<u32>,
}

/// Finds the places of the blobs that are `wanted`, and of no others: a large repository's index is larger than
/// the memory that reading one snapshot deserves.
pub(crate) fn locate(
    inner: &Inner,
    wanted: impl Fn(BlobType, &Id) -> bool,
) -> Result<HashMap<Id, Place>, Error> {
    let mut places = HashMap::new();
    for_each_index(inner, |file| {
        for pack in file.packs {
            for blob in &pack.blobs {
                if wanted(blob.tpe, &blob.id) {
                    let place = Place {
                        pack: *pack.id,
                        offset: blob.location.offset,
                        length: blob.location.length,
                        uncompressed: blob.location.uncompressed_length.map(u32::from),
                    };
                    places.insert(*blob.id, place);
                }
            }
        }
    })?;
    Ok(places)
}

fn for_each_index(inner: &Inner, mut use_file: impl FnMut(IndexFile)) -> Result<(), Error> {
    for_each_file(inner, |_, file| use_file(file))
}

/// Reads every file of a kind (index files, snapshots). One that cannot be read is an error that names it: to go on
/// without it would be to guess.
pub(crate) fn for_each_file<F: RepoFile>(
    inner: &Inner,
    mut use_file: impl FnMut(Id, F),
) -> Result<(), Error> {
    let kind = F::TYPE.dirname();
    let failed = |error: Box<RusticError>| Error::storage(format!("listing {kind}/"), &error);
    let listed: Vec<F::Id> = inner.list::<F::Id>().map_err(failed)?.collect();
    let mut unread: HashSet<Id> = listed.iter().map(|id| **id).collect();
    let mut problem = None;
    for file in inner.stream_files_list::<F>(listed).map_err(failed)? {
        match file {
            Ok((id, file)) => {
                unread.remove(&*id);
                use_file(*id, file);
            }
            Err(error) => problem = problem.or(Some(error)),
        }
    }
    match (problem, unread.into_iter().next()) {
        (None, None) => Ok(()),
        (problem, unread) => {
            let reason = problem.map_or_else(|| "it was not read".to_string(), |e| explain(&e));
            let name = unread.unwrap_or_default().to_hex();
            Err(Error::Damaged {
                what: format!("{kind}/{} cannot be read: {reason}", name.as_str()),
            })
        }
    }
}

/// Collects what was packed, and writes index files.
#[derive(Default)]
pub(crate) struct IndexWriter {
    packs: Vec<PackJson>,
    blobs: usize,
}

impl IndexWriter {
    /// Takes note of a pack that is durably stored; returns a file's worth of index when there is one to save.
    pub(crate) fn add(&mut self, pack: &Id, entries: &[Entry]) -> Option<Vec<u8>> {
        self.blobs += entries.len();
        self.packs.push(PackJson {
            id: *pack,
            blobs: entries.iter().map(BlobJson::from).collect(),
        });
        (self.blobs >= BLOBS_PER_FILE).then(|| self.take())?
    }

    /// The packs that are in no index file yet.
    pub(crate) fn packs(&self) -> impl Iterator<Item = &Id> {
        self.packs.iter().map(|pack| &pack.id)
    }

    /// The rest, where there is any.
    pub(crate) fn take(&mut self) -> Option<Vec<u8>> {
        if self.packs.is_empty() {
            return None;
        }
        self.blobs = 0;
        let packs = std::mem::take(&mut self.packs);
        Some(serde_json::to_vec(&IndexJson { packs }).expect("plain structures become JSON"))
    }
}

pub(crate) fn save(storage: &Storage, json: Option<Vec<u8>>) -> Result<(), Error> {
    if let Some(json) = json {
        storage.save(FileType::Index, &json)?;
    }
    Ok(())
}

#[derive(Serialize)]
struct IndexJson {
    packs: Vec<PackJson>,
}

#[derive(Serialize)]
struct PackJson {
    id: Id,
    blobs: Vec<BlobJson>,
}

#[derive(Serialize)]
struct BlobJson {
    id: Id,
    #[serde(rename = "type")]
    kind: &'static str,
    offset: u32,
    length: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    uncompressed_length: Option<u32>,
}

impl From<&Entry> for BlobJson {
    fn from(entry: &Entry) -> Self {
        Self {
            id: Id::new(entry.id),
            kind: match entry.kind {
                BlobKind::Data => "data",
                BlobKind::Tree => "tree",
            },
            offset: entry.offset,
            length: entry.length,
            uncompressed_length: entry.uncompressed,
        }
    }
}
