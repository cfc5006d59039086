//! Rebuilding the index from the packs' own headers.

use std::collections::{HashMap, HashSet};

use rustic_core::{FileType, Id};

use crate::error::Error;
use crate::index::{IndexedPack, for_each_pack};
use crate::lock::Lock;
use crate::new_index::{State, replace_index};
use crate::repository::Repository;
use crate::work::{Watch, Work};

/// The changes to the index, made or proposed.
#[derive(Debug, Clone, Default)]
pub struct IndexRepair {
    /// Packs that were missing from the index.
    pub added_packs: usize,
    /// Packs in the index that do not exist.
    pub missing_packs: usize,
    /// Unreadable index files that are removed.
    pub unreadable_files: usize,
    /// Packs with an unreadable header: truncated or damaged. Each with the reason.
    pub damaged_packs: Vec<String>,
    /// Whether the index was rewritten, or would be.
    pub changed: bool,
}

impl Repository {
    /// Makes the index match the packs. `lock` must be exclusive. Writes nothing with `dry_run`.
    ///
    /// Does not read packs that the index describes with the right size.
    ///
    /// # Errors
    /// Fails if the repository cannot be listed or written. The old index is then intact.
    pub fn repair_index(
        &self,
        lock: &Lock,
        dry_run: bool,
        watch: Watch<'_>,
    ) -> Result<IndexRepair, Error> {
        let storage = self.storage();
        let before = State::of(storage)?;
        let mut indexed: HashMap<Id, IndexedPack> = HashMap::new();
        let mut report = IndexRepair::default();
        for_each_pack(storage, |pack| match indexed.get(&pack.id) {
            Some(known) if known.entries.len() >= pack.entries.len() => {}
            _ => {
                indexed.insert(pack.id, pack);
            }
        })?;
        report.unreadable_files = storage.unreadable.of(FileType::Index).len();
        report.changed = report.unreadable_files > 0;

        let mut packs = Vec::new();
        let mut there = HashSet::new();
        let listed = storage.packs()?;
        let count = listed.len() as u64;
        for (number, (id, size)) in (0..).zip(listed) {
            watch(Work::Packs, number, count);
            there.insert(id);
            let known = indexed.get(&id);
            if let Some(known) = known
                && known.size == size
                && !known.entries.is_empty()
            {
                packs.push(known.clone());
                continue;
            }
            match storage.read_header(&id, size) {
                Ok(entries) => {
                    report.added_packs += 1;
                    report.changed = true;
                    packs.push(IndexedPack {
                        id,
                        size,
                        entries,
                        marked: false,
                    });
                }
                Err(error) => {
                    report.damaged_packs.push(error.to_string());
                    // The rest of it may be sound.
                    packs.extend(known.cloned());
                }
            }
        }
        report.missing_packs = indexed.keys().filter(|id| !there.contains(id)).count();
        report.changed |= report.missing_packs > 0;
        if report.changed && !dry_run {
            replace_index(storage, lock, &packs, &before)?;
        }
        Ok(report)
    }
}
