//! Copying snapshots into another repository with another key, without their original source.
//!
//! ```text
//! source's packs ─▶ open, compare with id ─▶ compress, encrypt, open again ─▶ packs ─▶ read back
//!                ─▶ snapshots
//! ```

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};
use rustic_core::repofile::SnapshotFile;
use rustic_core::{FileType, Id};

use crate::backup::nothing_vanished;
use crate::blob::{Opener, read_blob};
use crate::cipher::hash_of;
use crate::error::Error;
use crate::index::{self, IndexWriter, IndexedPack, Known, Place, Places, locate};
use crate::lock::Lock;
use crate::pack::BlobKind;
use crate::pack_writer::PackWriter;
use crate::repository::Repository;
use crate::seal::Verify;
use crate::snapshot::SnapshotInfo;
use crate::storage::Storage;
use crate::usage::Walker;
use crate::work::{Watch, Work};

/// The number of bytes that a thread reads of a pack at once.
const RUN: u32 = 1 << 20;

/// The result of a copy.
#[derive(Debug, Default)]
pub struct CopyReport {
    /// Each copied snapshot, and its copy in the other repository.
    pub copied: Vec<(SnapshotInfo, SnapshotInfo)>,
    /// Snapshots that the other repository had already.
    pub had: Vec<SnapshotInfo>,
    /// Snapshots that cannot be read in full and were not copied, with the reason.
    pub damaged: Vec<(SnapshotInfo, String)>,
    /// The growth of the other repository in bytes.
    pub stored_bytes: u64,
}

impl Repository {
    /// Copies snapshots to another repository. `lock` is a lock on that one, at least a shared one.
    ///
    /// Compares every blob with its hash when it is read, and again after it was written:
    /// everything stored is read back before the first snapshot is written. Omits a snapshot that
    /// cannot be read in full, and reports it.
    ///
    /// # Errors
    /// Fails if the other repository cannot be written, or returns other content than was written.
    pub fn copy_to(
        &self,
        snapshots: &[SnapshotInfo],
        to: &Repository,
        lock: &Lock,
        watch: Watch<'_>,
    ) -> Result<CopyReport, Error> {
        let (from, into) = (self.storage(), to.storage());
        let there = to.snapshots()?;
        let mut report = CopyReport::default();
        let mut wanted = Vec::new();
        for snapshot in snapshots {
            match there.iter().any(|other| same(snapshot, other)) {
                true => report.had.push(snapshot.clone()),
                false => wanted.push(snapshot.clone()),
            }
        }
        let known = Known::load(into)?;
        let mut needed: HashMap<Id, BlobKind> = HashMap::new();
        let mut walker = Walker::new(from)?;
        let (mut number, count) = (0, wanted.len() as u64);
        wanted.retain(|snapshot| {
            watch(Work::Snapshots, number, count);
            number += 1;
            let walked = walker.walk(*snapshot.tree, &mut |kind, id| {
                if !known.has(kind, &id) {
                    needed.insert(id, kind);
                }
            });
            walked
                .map_err(|error| report.damaged.push((snapshot.clone(), error.to_string())))
                .is_ok()
        });

        let places = locate(from, |kind, id| needed.get(id) == Some(&kind))?;
        let runs = runs(&needed, &places);
        let total = runs.iter().map(|run| u64::from(run.length)).sum();
        let mut copying = Copying {
            from,
            into,
            places: &places,
            lock,
            writer: PackWriter::new(into),
            index: IndexWriter::default(),
            written: Vec::new(),
            unread: HashMap::new(),
        };
        copying.copy(runs, total, watch)?;
        let written = std::mem::take(&mut copying.written);
        let unread = std::mem::take(&mut copying.unread);
        report.stored_bytes = written.iter().map(|pack| u64::from(pack.size)).sum();
        read_back(into, &written, watch)?;
        lock.check()?;
        let packs = written.iter().map(|pack| (pack.id, pack.size));
        let relied_on: Vec<_> = known.packs.iter().copied().chain(packs).collect();
        nothing_vanished(into, &relied_on)?;

        walker.start_over();
        for snapshot in wanted {
            let mut lost = None;
            // Listings shared with earlier snapshots are skipped, unless blobs are unreadable: then
            // all are walked again.
            if !unread.is_empty() {
                walker.start_over();
            }
            walker.walk(*snapshot.tree, &mut |_, id| {
                if let Some(reason) = unread.get(&id) {
                    lost.get_or_insert_with(|| reason.clone());
                }
            })?;
            match lost {
                Some(reason) => report.damaged.push((snapshot, reason)),
                None => {
                    let copy = save_copy(from, into, &snapshot)?;
                    report.copied.push((snapshot, copy));
                }
            }
        }
        Ok(report)
    }
}

/// Whether a snapshot of the other repository is this one or a copy of it.
fn same(one: &SnapshotInfo, other: &SnapshotInfo) -> bool {
    let names = |info: &SnapshotInfo| {
        let mut names = vec![info.id.clone()];
        names.extend(info.original.clone());
        names
    };
    let others = names(other);
    one.tree == other.tree
        && one.time == other.time
        && names(one).iter().any(|name| others.contains(name))
}

/// Writes the snapshot file without the parent's id, because the parent may be missing there.
fn save_copy(
    from: &Storage,
    into: &Storage,
    snapshot: &SnapshotInfo,
) -> Result<SnapshotInfo, Error> {
    let damaged = |reason: String| Error::Damaged {
        what: format!("snapshots/{}: {reason}", snapshot.id),
    };
    let id: Id = snapshot
        .id
        .parse()
        .map_err(|_| damaged("this is no id".to_string()))?;
    let mut file: SnapshotFile = from.read_json(FileType::Snapshot, &id).map_err(damaged)?;
    file.original = file.original.or(Some(id.into()));
    file.parent = None;
    file.parents = Vec::new();
    let json = serde_json::to_vec(&file).map_err(|error| Error::Storage {
        doing: "writing the snapshot".to_string(),
        reason: error.to_string(),
    })?;
    let id = into.save(FileType::Snapshot, &json)?;
    Ok(SnapshotInfo::new(id, &file))
}

/// Adjacent blobs of a pack.
struct Run {
    pack: Id,
    offset: u32,
    length: u32,
    blobs: Vec<(Id, BlobKind, Place)>,
}

/// All needed blobs, in the order of the packs. Each missing blob is a run of its own, which fails.
fn runs(needed: &HashMap<Id, BlobKind>, places: &Places) -> Vec<Run> {
    let mut blobs: Vec<(Id, BlobKind, Place)> = needed
        .iter()
        .map(|(id, kind)| {
            let nowhere = Place {
                pack: Id::default(),
                offset: 0,
                length: 0,
                uncompressed: None,
            };
            (*id, *kind, *places.first(id).unwrap_or(&nowhere))
        })
        .collect();
    blobs.sort_by_key(|(_, _, place)| (place.pack, place.offset));
    let mut runs: Vec<Run> = Vec::new();
    for (id, kind, place) in blobs {
        match runs.last_mut() {
            Some(run)
                if run.pack == place.pack
                    && run.offset.checked_add(run.length) == Some(place.offset)
                    && run.length < RUN
                    && run.length.checked_add(place.length).is_some() =>
            {
                run.length += place.length;
                run.blobs.push((id, kind, place));
            }
            _ => runs.push(Run {
                pack: place.pack,
                offset: place.offset,
                length: place.length,
                blobs: vec![(id, kind, place)],
            }),
        }
    }
    runs
}

/// A blob sealed for the other repository, or the error from reading it.
struct Sealed {
    id: Id,
    kind: BlobKind,
    content: Result<(Vec<u8>, Option<u32>), Error>,
}

struct Copying<'a> {
    from: &'a Storage,
    into: &'a Storage,
    places: &'a Places,
    lock: &'a Lock,
    writer: PackWriter<'a>,
    index: IndexWriter,
    written: Vec<IndexedPack>,
    /// Unreadable blobs, with the reason.
    unread: HashMap<Id, String>,
}

impl Copying<'_> {
    /// Copies all runs: several threads read and seal, this one writes.
    fn copy(&mut self, runs: Vec<Run>, total: u64, watch: Watch<'_>) -> Result<(), Error> {
        let threads = std::thread::available_parallelism()
            .map_or(2, usize::from)
            .clamp(1, 4);
        let (orders, waiting) = bounded::<Run>(threads);
        let (give, answers) = bounded::<(u64, Vec<Sealed>)>(threads * 2);
        let stop = AtomicBool::new(false);
        let (from, into, places) = (self.from, self.into, self.places);
        std::thread::scope(|scope| {
            let stop = &stop;
            scope.spawn(move || {
                for run in runs {
                    if stop.load(Relaxed) || orders.send(run).is_err() {
                        break;
                    }
                }
            });
            for _ in 0..threads {
                let (waiting, give) = (waiting.clone(), give.clone());
                scope.spawn(move || seal_runs(from, into, places, &waiting, &give));
            }
            drop((waiting, give));
            let mut done = 0;
            let mut result = Ok(());
            for (length, blobs) in answers {
                // After a failure this only waits for the threads to finish.
                if result.is_ok() {
                    result = self.take(blobs);
                    stop.store(result.is_err(), Relaxed);
                    done += length;
                    watch(Work::Bytes, done, total);
                }
            }
            result
        })?;
        self.writer.finish()?;
        self.note_written()?;
        index::save(self.into, self.index.take())?;
        Ok(())
    }

    fn take(&mut self, blobs: Vec<Sealed>) -> Result<(), Error> {
        for Sealed { id, kind, content } in blobs {
            match content {
                Ok((sealed, uncompressed)) => {
                    self.writer.add(hash_of(&id), kind, &sealed, uncompressed)?;
                }
                Err(Error::Damaged { what }) => {
                    self.unread.insert(id, what);
                }
                Err(error) => return Err(error),
            }
        }
        self.note_written()
    }

    fn note_written(&mut self) -> Result<(), Error> {
        for pack in self.writer.take_written() {
            self.lock.check()?;
            let json = self.index.add(&pack.id, &pack.entries);
            index::save(self.into, json)?;
            self.written.push(pack);
        }
        Ok(())
    }
}

fn seal_runs(
    from: &Storage,
    into: &Storage,
    places: &Places,
    waiting: &Receiver<Run>,
    give: &Sender<(u64, Vec<Sealed>)>,
) {
    let mut opener = Opener::default();
    let mut sealer = into.sealer(Verify::Every);
    for run in waiting {
        let content = match run.length {
            0 => None,
            length => from.read_pack(&run.pack, run.offset, length).ok(),
        };
        let blobs = (run.blobs.iter())
            .map(|(id, kind, place)| {
                let part = part_of(content.as_ref(), place, run.offset);
                let mut plain = Vec::new();
                let opened = match part {
                    Some(part) => opener.open(from, place, id, &part, &mut plain),
                    None => Err(Error::Damaged {
                        what: String::new(),
                    }),
                };
                let what = || format!("blob {}", id.to_hex().as_str());
                let content = opened
                    .or_else(|_| {
                        plain.clear();
                        read_blob(from, places, &mut opener, id, what, &mut plain)
                    })
                    .and_then(|()| {
                        let mut sealed = Vec::new();
                        let uncompressed = sealer.seal(&plain, &mut sealed)?;
                        Ok((sealed, uncompressed))
                    });
                Sealed {
                    id: *id,
                    kind: *kind,
                    content,
                }
            })
            .collect();
        if give.send((u64::from(run.length), blobs)).is_err() {
            return;
        }
    }
}

fn part_of(content: Option<&Bytes>, place: &Place, start: u32) -> Option<Bytes> {
    let at = place.offset.checked_sub(start)? as usize;
    let end = at.checked_add(place.length as usize)?;
    let content = content?;
    (end <= content.len()).then(|| content.slice(at..end))
}

/// Reads all written packs, and opens every blob in them.
fn read_back(storage: &Storage, packs: &[IndexedPack], watch: Watch<'_>) -> Result<(), Error> {
    let mut opener = Opener::default();
    let total = packs.iter().map(|pack| u64::from(pack.size)).sum();
    let mut done = 0;
    for pack in packs {
        watch(Work::Proof, done, total);
        done += u64::from(pack.size);
        let content = storage.read_pack(&pack.id, 0, pack.size)?;
        for entry in &pack.entries {
            let place = Place::of(pack.id, entry);
            let part = part_of(Some(&content), &place, 0).unwrap_or_default();
            let mut plain = Vec::new();
            opener.open(storage, &place, &Id::new(entry.id), &part, &mut plain)?;
        }
    }
    Ok(())
}

impl Known {
    fn has(&self, kind: BlobKind, id: &Id) -> bool {
        let ids = match kind {
            BlobKind::Data => &self.data,
            BlobKind::Tree => &self.trees,
        };
        ids.contains_key(id)
    }
}
