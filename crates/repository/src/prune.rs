//! Removing content that no snapshot needs.
//!
//! A pack without needed blobs is removed. A pack with many unneeded blobs is rewritten: its needed
//! ones go into new packs. The order keeps every snapshot complete wherever a prune is interrupted:
//! new packs, new index, removal of the old index files, removal of the packs that are not in the
//! new index.

use std::collections::{HashMap, HashSet};

use rustic_core::repofile::SnapshotFile;
use rustic_core::{FileType, Id};

use crate::blob::Opener;
use crate::error::Error;
use crate::index::{IndexedPack, Place, for_each_pack};
use crate::lock::Lock;
use crate::new_index::{State, remove, replace_index};
use crate::pack::{BlobKind, Entry};
use crate::pack_writer::PackWriter;
use crate::repository::Repository;
use crate::storage::Storage;
use crate::usage::Walker;
use crate::work::{Watch, Work};

/// The tolerated unneeded content in packs, in percent of the needed content. Rewriting packs for
/// the last bytes costs more than it saves.
const TOLERATED: u64 = 5;

/// The number of index files above which they are merged.
const INDEX_FILES: usize = 16;

/// The result of a prune, or of a dry run.
#[derive(Debug, Clone, Default)]
pub struct PruneReport {
    /// Removed packs, without needed content.
    pub removed_packs: usize,
    /// Rewritten packs.
    pub rewritten_packs: usize,
    /// Unchanged packs.
    pub kept_packs: usize,
    /// Total size of all packs before, in bytes.
    pub bytes_before: u64,
    /// The reduction in bytes.
    pub freed_bytes: u64,
    /// Unneeded bytes that stay in packs.
    pub tolerated_bytes: u64,
    /// Packs that cannot be rewritten because they are damaged; they stay unchanged.
    pub damaged: Vec<String>,
}

impl Repository {
    /// Removes content that no snapshot needs. `lock` must be exclusive. Writes nothing with
    /// `dry_run`.
    ///
    /// # Errors
    /// [`Error::NotPrunable`] if a snapshot or part of the index is unreadable, or content is
    /// missing: then it is unknown what is needed, and nothing is removed. [`Error::Storage`],
    /// [`Error::LockLost`]: every snapshot is still complete, and the next prune continues.
    pub fn prune(
        &self,
        lock: &Lock,
        dry_run: bool,
        watch: Watch<'_>,
    ) -> Result<PruneReport, Error> {
        let storage = self.storage();
        let before = State::of(storage)?;
        let plan = Plan::new(storage, watch)?;
        let mut report = plan.report();
        if dry_run || plan.is_done(before.index.len()) {
            return Ok(report);
        }

        let mut writer = PackWriter::new(storage);
        let mut kept = plan.kept;
        let mut removed = plan.removed;
        let total = plan.rewritten.iter().map(|part| part.needed_bytes()).sum();
        let mut done = 0;
        for part in plan.rewritten {
            lock.check()?;
            match part.rewrite(storage, &mut writer) {
                Ok(()) => removed.push(part.pack.id),
                Err(Error::Damaged { what }) => {
                    report.damaged.push(what);
                    report.rewritten_packs -= 1;
                    report.kept_packs += 1;
                    report.freed_bytes -= part.pack.size as u64 - part.needed_bytes();
                    kept.push(part.pack.clone());
                }
                Err(error) => return Err(error),
            }
            done += part.needed_bytes();
            watch(Work::Bytes, done, total);
        }
        writer.finish()?;
        kept.extend(writer.take_written());
        lock.check()?;
        let new_index = replace_index(storage, lock, &kept, &before)?;
        before.must_be_all_but(storage, &new_index)?;
        for some in removed.chunks(32) {
            lock.check()?;
            for pack in some {
                remove(storage, FileType::Pack, pack)?;
            }
        }
        Ok(report)
    }
}

/// The fate of each pack.
struct Plan {
    kept: Vec<IndexedPack>,
    removed: Vec<Id>,
    rewritten: Vec<Part>,
    bytes_before: u64,
    removed_bytes: u64,
    tolerated_bytes: u64,
    /// Whether the index names missing packs.
    names_lost_packs: bool,
}

/// A pack, and its needed blobs.
struct Part {
    pack: IndexedPack,
    needed: Vec<Entry>,
}

impl Plan {
    fn new(storage: &Storage, watch: Watch<'_>) -> Result<Self, Error> {
        let listed: HashMap<Id, u32> = storage.packs()?.into_iter().collect();
        let mut packs: HashMap<Id, IndexedPack> = HashMap::new();
        let mut names_lost_packs = false;
        for_each_pack(storage, |pack| {
            names_lost_packs |= !listed.contains_key(&pack.id);
            // A pack of the wrong size is unreliable.
            if listed.get(&pack.id) == Some(&pack.size) {
                packs.entry(pack.id).or_insert(IndexedPack {
                    marked: false,
                    ..pack
                });
            }
        })?;
        let needed = needed_blobs(storage, &packs, watch)?;
        let homes = choose_homes(storage, &packs, &needed);

        let bytes_before = listed.values().map(|size| u64::from(*size)).sum();
        let mut kept = Vec::new();
        let mut partly = Vec::new();
        let mut removed: Vec<Id> = Vec::new();
        for id in listed.keys() {
            let Some(pack) = packs.remove(id) else {
                removed.push(*id);
                continue;
            };
            let mut taken = HashSet::new();
            let needed: Vec<Entry> = pack
                .entries
                .iter()
                .filter(|entry| homes.get(&key(entry)) == Some(id) && taken.insert(key(entry)))
                .cloned()
                .collect();
            match needed.len() {
                0 => removed.push(*id),
                all if all == pack.entries.len() => kept.push(pack),
                _ => partly.push(Part { pack, needed }),
            }
        }
        let removed_bytes = removed.iter().map(|id| u64::from(listed[id])).sum();
        let needed_bytes: u64 = kept.iter().map(|pack| u64::from(pack.size)).sum::<u64>()
            + partly.iter().map(Part::needed_bytes).sum::<u64>();
        let (rewritten, tolerated, tolerated_bytes) = divide(partly, needed_bytes);
        kept.extend(tolerated);
        Ok(Self {
            kept,
            removed,
            rewritten,
            bytes_before,
            removed_bytes,
            tolerated_bytes,
            names_lost_packs,
        })
    }

    fn is_done(&self, index_files: usize) -> bool {
        self.removed.is_empty()
            && self.rewritten.is_empty()
            && !self.names_lost_packs
            && index_files <= INDEX_FILES
    }

    fn report(&self) -> PruneReport {
        let shrunk = self.rewritten.iter();
        let shrunk = shrunk.map(|part| u64::from(part.pack.size) - part.needed_bytes());
        PruneReport {
            removed_packs: self.removed.len(),
            rewritten_packs: self.rewritten.len(),
            kept_packs: self.kept.len(),
            bytes_before: self.bytes_before,
            freed_bytes: self.removed_bytes + shrunk.sum::<u64>(),
            tolerated_bytes: self.tolerated_bytes,
            damaged: Vec::new(),
        }
    }
}

/// A key. Blobs of different kinds may have the same content.
type Key = (BlobKind, Id);

fn key(entry: &Entry) -> Key {
    (entry.kind, Id::new(entry.id))
}

/// The blobs that all snapshots need. Fails unless all of them are there.
fn needed_blobs(
    storage: &Storage,
    packs: &HashMap<Id, IndexedPack>,
    watch: Watch<'_>,
) -> Result<HashSet<Key>, Error> {
    let mut snapshots = Vec::new();
    storage.read_all(FileType::Snapshot, |id, snapshot: SnapshotFile| {
        snapshots.push((id, *snapshot.tree));
    })?;
    if let Some(unreadable) = storage.unreadable.index_or_snapshot() {
        return Err(Error::NotPrunable {
            reason: unreadable.to_string(),
        });
    }
    let there: HashSet<Key> = packs
        .values()
        .flat_map(|pack| pack.entries.iter().map(key))
        .collect();
    let mut needed = HashSet::new();
    let mut walker = Walker::new(storage)?;
    let count = snapshots.len() as u64;
    for (number, (snapshot, tree)) in (0..).zip(snapshots) {
        watch(Work::Snapshots, number, count);
        let mut missing = None;
        let walked = walker.walk(tree, &mut |kind, id| {
            if !there.contains(&(kind, id)) {
                missing.get_or_insert(id);
            }
            needed.insert((kind, id));
        });
        let reason = match (walked, missing) {
            (Ok(()), None) => continue,
            (Ok(()), Some(blob)) => format!("blob {} is in no pack", blob.to_hex().as_str()),
            (Err(Error::Damaged { what }), _) => what,
            (Err(error), _) => return Err(error),
        };
        return Err(Error::NotPrunable {
            reason: format!("snapshot {}: {reason}", snapshot.to_hex().as_str()),
        });
    }
    Ok(needed)
}

/// The pack in which each needed blob stays. If several packs hold it, one in which it is sound.
fn choose_homes(
    storage: &Storage,
    packs: &HashMap<Id, IndexedPack>,
    needed: &HashSet<Key>,
) -> HashMap<Key, Id> {
    let mut homes: HashMap<Key, Id> = HashMap::with_capacity(needed.len());
    let mut contested: HashMap<Key, Vec<Place>> = HashMap::new();
    for pack in packs.values() {
        for entry in &pack.entries {
            let key = key(entry);
            if !needed.contains(&key) {
                continue;
            }
            let first = *homes.entry(key).or_insert(pack.id);
            if first != pack.id {
                let places = contested.entry(key).or_insert_with(|| {
                    let entries = packs.get(&first).map(|pack| &pack.entries);
                    let entry = entries.and_then(|all| all.iter().find(|e| self::key(e) == key));
                    entry
                        .map(|entry| Place::of(first, entry))
                        .into_iter()
                        .collect()
                });
                places.push(Place::of(pack.id, entry));
            }
        }
    }
    let mut opener = Opener::default();
    for (key, mut places) in contested {
        // Prefers the largest pack, so that small ones become empty.
        places.sort_by_key(|place| std::cmp::Reverse(packs.get(&place.pack).map(|p| p.size)));
        let sound = places.iter().find(|place| {
            let sealed = storage.read_pack(&place.pack, place.offset, place.length);
            let mut plain = Vec::new();
            sealed
                .and_then(|sealed| opener.open(storage, place, &key.1, &sealed, &mut plain))
                .is_ok()
        });
        if let Some(place) = sound {
            homes.insert(key, place.pack);
        }
    }
    homes
}

/// Divides packs into those worth rewriting, those with the largest unneeded share first, and the
/// others. Also returns the unneeded bytes in the others.
fn divide(mut partly: Vec<Part>, needed_bytes: u64) -> (Vec<Part>, Vec<IndexedPack>, u64) {
    let useless = |part: &Part| u64::from(part.pack.size).saturating_sub(part.needed_bytes());
    let share = |part: &Part| useless(part) * 1_000_000 / u64::from(part.pack.size).max(1);
    partly.sort_by_key(|part| (std::cmp::Reverse(share(part)), part.pack.id));
    let mut left: u64 = partly.iter().map(useless).sum();
    let tolerated = needed_bytes * TOLERATED / 100;
    let mut count = 0;
    while left > tolerated && count < partly.len() {
        left -= useless(&partly[count]);
        count += 1;
    }
    let stay = partly.split_off(count);
    let stay = stay.into_iter().map(|part| part.pack).collect();
    (partly, stay, left)
}

impl Part {
    fn needed_bytes(&self) -> u64 {
        self.needed
            .iter()
            .map(|entry| u64::from(entry.length))
            .sum()
    }

    /// Writes the needed blobs, in their stored form, into new packs, if all of them are sound.
    fn rewrite(&self, storage: &Storage, writer: &mut PackWriter<'_>) -> Result<(), Error> {
        let mut opener = Opener::default();
        let mut plain = Vec::new();
        // One request for all: in a remote store each takes a round trip.
        let start = self.needed.iter().map(|entry| entry.offset).min();
        let end = self
            .needed
            .iter()
            .map(|entry| entry.offset.saturating_add(entry.length));
        let (start, end) = (start.unwrap_or(0), end.max().unwrap_or(0));
        let content = storage.read_pack(&self.pack.id, start, end - start)?;
        let blob = |entry: &Entry| {
            let at = (entry.offset - start) as usize;
            content
                .get(at..at + entry.length as usize)
                .unwrap_or_default()
        };
        for entry in &self.needed {
            let place = Place::of(self.pack.id, entry);
            plain.clear();
            opener.open(storage, &place, &Id::new(entry.id), blob(entry), &mut plain)?;
        }
        for entry in &self.needed {
            writer.add(entry.id, entry.kind, blob(entry), entry.uncompressed)?;
        }
        Ok(())
    }
}
