//! The check of a repository: everything that snapshots need is there and unchanged.
//!
//! rustic's check stops at the first unreadable file, and ends the program at a damaged listing.
//! This one reports all damage, with the affected snapshots.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use crossbeam_channel::unbounded;
use rustic_core::{FileType, Id};

use crate::blob::Opener;
use crate::cipher::sha256;
use crate::error::{Error, explain};
use crate::index::{IndexedPack, Place, for_each_pack};
use crate::pack::BlobKind;
use crate::repository::Repository;
use crate::storage::Storage;
use crate::usage::Walker;
use crate::work::{Watch, Work};

/// The result of a check.
#[derive(Debug, Clone, Default)]
pub struct CheckReport {
    /// Damage: content that is missing or changed.
    pub problems: Vec<String>,
    /// Harmless findings that only cost space, such as packs of an interrupted backup.
    pub notes: Vec<String>,
    /// The full ids of the snapshots that cannot be restored in full.
    pub damaged_snapshots: Vec<String>,
}

impl CheckReport {
    /// Whether no damage was found.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }
}

impl Repository {
    /// Checks that all listings and contents that snapshots need are there; with `read_data` also
    /// that every pack is unchanged.
    ///
    /// # Errors
    /// Fails if the repository cannot be listed. Damage is in the report.
    pub fn check(&self, read_data: bool, watch: Watch<'_>) -> Result<CheckReport, Error> {
        let storage = self.storage();
        let mut report = CheckReport::default();
        let listed: HashMap<Id, u32> = storage.packs()?.into_iter().collect();
        let mut packs: HashMap<Id, IndexedPack> = HashMap::new();
        let mut odd: HashMap<Id, String> = HashMap::new();
        for_each_pack(storage, |pack| {
            let name = pack.id.to_hex();
            match listed.get(&pack.id) {
                Some(size) if *size == pack.size => {
                    packs.insert(pack.id, pack);
                }
                Some(size) => {
                    let text = format!("has {size} bytes; expected from the index: {}", pack.size);
                    odd.insert(pack.id, format!("pack {} {text}", name.as_str()));
                }
                None if pack.marked => {}
                None => {
                    odd.insert(pack.id, format!("pack {} is missing", name.as_str()));
                }
            }
        })?;
        odd.retain(|id, _| !packs.contains_key(id));
        let unindexed = listed
            .keys()
            .filter(|id| !packs.contains_key(id) && !odd.contains_key(id));
        let unindexed = unindexed.count();
        if unindexed > 0 {
            report.notes.push(format!(
                "{unindexed} packs are in no index: of a backup that was interrupted, or runs \
                 now; `dsbackup prune` removes them"
            ));
        }
        let snapshots = self.snapshots()?;
        (report.problems).extend(self.unreadable().iter().map(ToString::to_string));
        report.problems.extend(odd.into_values());

        let bad = match read_data {
            true => read_packs(storage, &packs, &mut report.problems, watch),
            false => HashSet::new(),
        };
        let there: HashSet<(BlobKind, Id)> = packs
            .values()
            .flat_map(|pack| pack.entries.iter().map(|entry| (pack.id, entry)))
            .map(|(pack, entry)| (pack, entry.kind, Id::new(entry.id)))
            .filter(|blob| !bad.contains(blob))
            .map(|(_, kind, id)| (kind, id))
            .collect();
        let mut walker = Walker::new(storage)?;
        let count = snapshots.len() as u64;
        for (number, snapshot) in (0..).zip(snapshots) {
            watch(Work::Snapshots, number, count);
            let mut missing = Vec::new();
            let walked = walker.walk(*snapshot.tree, &mut |kind, id| {
                if !there.contains(&(kind, id)) {
                    missing.push(id);
                }
            });
            let reason = match (walked, missing.first()) {
                (Err(error), _) => error.to_string(),
                (Ok(()), None) => continue,
                (Ok(()), Some(first)) => format!(
                    "{} of its chunks are missing or damaged, the first is {}",
                    missing.len(),
                    first.to_hex().as_str()
                ),
            };
            // The next snapshot that shares a listing must yield the same result.
            walker.start_over();
            report.problems.push(format!(
                "snapshot {} of {} cannot be restored in full: {reason}",
                snapshot.short_id(),
                snapshot.host
            ));
            report.damaged_snapshots.push(snapshot.id);
        }
        Ok(report)
    }
}

/// Reads every pack, reports the damaged ones, and returns the blobs in them that do not open.
fn read_packs(
    storage: &Storage,
    packs: &HashMap<Id, IndexedPack>,
    problems: &mut Vec<String>,
    watch: Watch<'_>,
) -> HashSet<(Id, BlobKind, Id)> {
    let threads = std::thread::available_parallelism()
        .map_or(2, usize::from)
        .clamp(1, 4);
    let (orders, waiting) = unbounded();
    for pack in packs.values() {
        let _ = orders.send(pack);
    }
    drop(orders);
    let (give, answers) = unbounded();
    let bad = Mutex::new(HashSet::new());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (waiting, give, bad) = (waiting.clone(), give.clone(), &bad);
            scope.spawn(move || {
                let mut opener = Opener::default();
                for pack in waiting {
                    let problem = read_pack(storage, pack, &mut opener, &mut |kind, id| {
                        let mut bad = bad.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
                        bad.insert((pack.id, kind, id));
                    });
                    let _ = give.send((u64::from(pack.size), problem));
                }
            });
        }
        drop(give);
        let total = packs.values().map(|pack| u64::from(pack.size)).sum();
        let mut done = 0;
        for (size, problem) in answers {
            problems.extend(problem);
            done += size;
            watch(Work::Bytes, done, total);
        }
    });
    bad.into_inner()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Reads a pack and returns its damage, if any.
fn read_pack(
    storage: &Storage,
    pack: &IndexedPack,
    opener: &mut Opener,
    bad_blob: &mut dyn FnMut(BlobKind, Id),
) -> Option<String> {
    let name = pack.id.to_hex();
    let content = storage.backend.read_full(FileType::Pack, &pack.id);
    let (content, reason) = match content {
        Ok(content) => (Some(content), String::new()),
        Err(error) => (None, explain(&error)),
    };
    let mut plain = Vec::new();
    let mut count = 0;
    for entry in &pack.entries {
        let place = Place::of(pack.id, entry);
        let id = Id::new(entry.id);
        let range = entry.offset as usize..entry.offset as usize + entry.length as usize;
        let sealed = content.as_ref().and_then(|content| content.get(range));
        plain.clear();
        let opened = sealed.map(|sealed| opener.open(storage, &place, &id, sealed, &mut plain));
        if !matches!(opened, Some(Ok(()))) {
            bad_blob(entry.kind, id);
            count += 1;
        }
    }
    match &content {
        None => Some(format!("pack {} cannot be read: {reason}", name.as_str())),
        Some(content) if Id::new(sha256(content)) != pack.id => Some(format!(
            "pack {} is damaged: {count} of its {} blobs do not open",
            name.as_str(),
            pack.entries.len()
        )),
        Some(_) if count > 0 => Some(format!(
            "pack {}: {count} of {} blobs are not at their positions in the index",
            name.as_str(),
            pack.entries.len()
        )),
        Some(_) => None,
    }
}
