//! A pinned state of an LMDB database, verified, and read in the order of the file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::library::{Library, RawTransaction};
use super::opening;
use super::pages::StatePages;
use super::walk::{self, PageSet};
use crate::error::{Error, Result};

/// A database, opened beside its writers.
pub struct Environment {
    path: PathBuf,
    /// For reading pages. LMDB's own locks are on another file, so closing this one releases none.
    file: File,
    /// Reset: pins nothing yet.
    transaction: RawTransaction,
}

/// A state of the database that no longer changes.
pub struct Snapshot {
    pub(super) pages: StatePages,
    /// Keeps the pages from being reused. None if there are no writers.
    _transaction: Option<RawTransaction>,
}

/// The result of a walk through all trees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statistics {
    /// Size of the file up to the state's last page.
    pub size: u64,
    /// The number of pages in the state, including the meta pages.
    pub used_pages: u64,
    /// The number of records in the data tree.
    pub entries: u64,
    /// The transaction that committed the state.
    pub transaction: u64,
}

impl Environment {
    /// Opens a database and takes a slot in its reader table, so that pinning a state needs no lock
    /// of LMDB's. Waits up to `limit` for the locks that opening needs.
    ///
    /// # Errors
    /// [`Error::Stuck`] if one of them is not free in time; [`Error::Tool`] for an error of LMDB's
    /// library; [`Error::Io`].
    pub fn open(library: &Arc<Library>, path: &Path, limit: Duration) -> Result<Self> {
        Ok(Self {
            transaction: opening::open(library, path, limit)?,
            file: File::open(path).map_err(Error::io("open", path))?,
            path: path.to_path_buf(),
        })
    }

    /// Pins the committed state. The caller holds the lock that prevents commits meanwhile.
    ///
    /// # Errors
    /// [`Error::Damaged`] if no meta page describes the pinned state; [`Error::Io`];
    /// [`Error::Tool`].
    pub fn pin(mut self) -> Result<Snapshot> {
        self.transaction.renew()?;
        let transaction = self.transaction;
        let number = transaction.id() & 1;
        let pages = StatePages::of_file(&self.path, &self.file, number)?;
        if pages.meta.transaction != transaction.id() {
            let reason = format!(
                "page {number}: it describes transaction {}, and transaction {} was pinned",
                pages.meta.transaction,
                transaction.id()
            );
            return Err(Error::damaged(&self.path, reason));
        }
        Ok(Snapshot {
            pages,
            _transaction: Some(transaction),
        })
    }
}

/// Verifies the trees of a database without writers.
///
/// # Errors
/// [`Error::Damaged`] with the first inconsistent page; [`Error::Io`].
pub fn verify(path: &Path) -> Result<()> {
    walk::pages_of(&StatePages::newest(path)?).map(drop)
}

impl Snapshot {
    /// Size of the file up to the state's last page.
    pub fn size(&self) -> u64 {
        self.pages.size()
    }

    /// Walks through all trees, verifies them, and returns a reader of the state.
    ///
    /// # Errors
    /// [`Error::Damaged`] with the first inconsistent page.
    pub fn read(self: &Arc<Self>) -> Result<SnapshotReader> {
        let used = walk::pages_of(&self.pages)?;
        Ok(SnapshotReader {
            snapshot: self.clone(),
            statistics: Statistics {
                size: self.size(),
                used_pages: used.count(),
                entries: self.pages.meta.data.entries,
                transaction: self.pages.meta.transaction,
            },
            used,
            next_page: 0,
        })
    }

    /// A reader of all pages up to the state's last, without verification of the trees.
    pub fn read_unverified(self: &Arc<Self>) -> SnapshotReader {
        SnapshotReader {
            snapshot: self.clone(),
            statistics: Statistics {
                size: self.size(),
                used_pages: self.pages.meta.last_page + 1,
                entries: self.pages.meta.data.entries,
                transaction: self.pages.meta.transaction,
            },
            used: PageSet::all(self.pages.meta.last_page + 1),
            next_page: 0,
        }
    }
}

/// The pages of a state, in the order of the file. Other pages are read as zeros: they hold remains
/// of earlier states, and may change meanwhile.
pub struct SnapshotReader {
    snapshot: Arc<Snapshot>,
    used: PageSet,
    statistics: Statistics,
    next_page: u64,
}

impl SnapshotReader {
    /// The result of the walk.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// Fills the buffer with the next pages and returns the number of bytes; 0 at the end. The
    /// buffer's length must be a multiple of 64 KiB, and so of every page size.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let page_size = self.snapshot.pages.meta.page_size as usize;
        let wanted = (buffer.len() / page_size) as u64;
        let count = wanted.min(self.used.pages() - self.next_page);
        let bytes = buffer
            .get_mut(..count as usize * page_size)
            .unwrap_or_default();
        let mut at = 0;
        while at < count {
            let first = self.next_page + at;
            let is_used = self.used.has(first);
            let run = (at..count)
                .take_while(|offset| self.used.has(self.next_page + offset) == is_used)
                .count();
            let place = bytes
                .get_mut(at as usize * page_size..(at as usize + run) * page_size)
                .unwrap_or_default();
            match is_used {
                true => self.snapshot.pages.read_pages(first, place)?,
                false => place.fill(0),
            }
            at += run as u64;
        }
        if self.next_page == 0 {
            self.put_meta_pages(bytes);
        }
        self.next_page += count;
        Ok(bytes.len())
    }

    /// Makes both meta pages describe the pinned state; those in the file may be newer.
    fn put_meta_pages(&self, bytes: &mut [u8]) {
        let page_size = self.snapshot.pages.meta.page_size as usize;
        let transaction = self.snapshot.pages.meta.transaction;
        for (number, page) in bytes.chunks_exact_mut(page_size).take(2).enumerate() {
            page.copy_from_slice(&self.snapshot.pages.meta_page);
            page[..8].copy_from_slice(&(number as u64).to_le_bytes());
            // LMDB expects the two to alternate, and takes the higher.
            let own = if transaction & 1 == number as u64 {
                transaction
            } else {
                transaction.saturating_sub(1)
            };
            page[144..152].copy_from_slice(&own.to_le_bytes());
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use proptest::prelude::*;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    /// Puts records into a database with LMDB's own tool; `None` where it is not installed.
    pub(in crate::lmdb) fn load(
        path: &Path,
        records: impl Iterator<Item = (String, String)>,
    ) -> Option<()> {
        let mut text =
            "VERSION=3\nformat=print\ntype=btree\nmapsize=1073741824\nHEADER=END\n".to_owned();
        for (key, value) in records {
            text += &format!(" {key}\n {value}\n");
        }
        text += "DATA=END\n";
        let tool = Command::new("mdb_load")
            .arg("-n")
            .arg(path)
            .stdin(Stdio::piped())
            .spawn();
        let Ok(mut tool) = tool else {
            eprintln!("note: mdb_load (package lmdb-utils) is not installed: not tested");
            return None;
        };
        tool.stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        assert!(tool.wait().unwrap().success());
        Some(())
    }

    /// All records as LMDB's own tool lists them.
    fn dump(path: &Path) -> String {
        let output = Command::new("mdb_dump")
            .arg("-n")
            .arg(path)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let text = String::from_utf8(output.stdout).unwrap();
        let (_, records) = text.split_once("HEADER=END").unwrap();
        records.to_owned()
    }

    fn record(number: u32, content: &str) -> (String, String) {
        // Every tenth is too long for a page.
        let length = if number.is_multiple_of(10) { 9000 } else { 20 };
        (
            format!("key{number:06}"),
            format!("{content}{}", "x".repeat(length)),
        )
    }

    fn read_all(mut reader: SnapshotReader) -> Vec<u8> {
        let (mut all, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
        loop {
            match reader.read(&mut buffer).unwrap() {
                0 => return all,
                length => all.extend_from_slice(&buffer[..length]),
            }
        }
    }

    #[test]
    fn a_pinned_state_stays_as_it_was_while_others_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("partition.ldb");
        if load(&path, (0..5000).map(|number| record(number, "first"))).is_none() {
            return;
        }
        let environment = Environment::open(&Library::load().unwrap(), &path, LIMIT).unwrap();
        // What is committed before the pin is part of the state; nothing is pinned before it.
        for round in 0..4 {
            load(
                &path,
                (0..5010).map(|number| record(number, &format!("before{round}"))),
            )
            .unwrap();
        }
        let before = dump(&path);
        let snapshot = Arc::new(environment.pin().unwrap());
        // Enough commits to overwrite both meta pages and to reuse free pages.
        for round in 0..4 {
            load(
                &path,
                (0..5000)
                    .step_by(3)
                    .map(|number| record(number, &format!("later{round}"))),
            )
            .unwrap();
        }
        assert_ne!(dump(&path), before);

        let reader = snapshot.read().unwrap();
        assert_eq!(reader.statistics().entries, 5010);
        let copy = folder.path().join("copy.ldb");
        std::fs::write(&copy, read_all(reader)).unwrap();
        assert!(dump(&copy) == before, "the copy is not what was pinned");

        // The copy can be written to, and read again.
        load(&copy, (5010..5100).map(|number| record(number, "more"))).unwrap();
        let environment = Environment::open(&Library::load().unwrap(), &copy, LIMIT).unwrap();
        let reader = Arc::new(environment.pin().unwrap()).read().unwrap();
        assert_eq!(reader.statistics().entries, 5100);
    }

    #[test]
    fn an_empty_database_is_a_state_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("empty.ldb");
        if load(&path, std::iter::empty()).is_none() {
            return;
        }
        let environment = Environment::open(&Library::load().unwrap(), &path, LIMIT).unwrap();
        let reader = Arc::new(environment.pin().unwrap()).read().unwrap();
        assert_eq!(reader.statistics().entries, 0);
        let copy = folder.path().join("copy.ldb");
        std::fs::write(&copy, read_all(reader)).unwrap();
        assert_eq!(dump(&copy), dump(&path));
    }

    #[test]
    fn damage_is_found_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("partition.ldb");
        if load(&path, (0..300).map(|number| record(number, "first"))).is_none() {
            return;
        }
        let original = std::fs::read(&path).unwrap();
        let check = |bytes: &[u8]| -> Result<Vec<u8>> {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(bytes).unwrap();
            let newer = [0, 1]
                .into_iter()
                .filter_map(|number| StatePages::of_file(&path, &file, number).ok());
            let pages = newer.max_by_key(|pages| pages.meta.transaction);
            let snapshot = Snapshot {
                pages: pages.ok_or_else(|| Error::damaged(&path, "page 0: no meta page"))?,
                _transaction: None,
            };
            Ok(read_all(Arc::new(snapshot).read()?))
        };
        check(&original).unwrap();
        for (offset, what) in [(0x2000 + 10, "page 2"), (0x3000, "page 3"), (16, "page 0")] {
            let mut damaged = original.clone();
            damaged[offset] ^= 0x13;
            let Err(error) = check(&damaged) else {
                continue;
            };
            assert!(error.to_string().contains(what), "{error}");
        }
        assert!(check(&original[..original.len() / 2]).is_err());
        let change = || (any::<prop::sample::Index>(), any::<u8>());
        proptest!(ProptestConfig::with_cases(200), |(
            changes in proptest::collection::vec(change(), 1..20),
            length in any::<prop::sample::Index>(),
        )| {
            let mut bytes = original.clone();
            for (index, byte) in changes {
                // Most of a page is values: the structure is at the start of pages and before their
                // ends.
                let at = index.index(bytes.len()) & !0xfff | index.index(64);
                bytes[at] = byte;
            }
            if length.index(4) == 0 {
                bytes.truncate(length.index(bytes.len()));
            }
            // Any outcome but a panic or an endless walk.
            let _ = check(&bytes);
        });
    }
}
