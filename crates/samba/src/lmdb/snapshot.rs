//! A pinned state of an LMDB database, verified and read in the order of the file.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::format::{self, Meta, NO_PAGE, PAGE_HEADER, Page, Tree};
use super::library::{Library, RawEnvironment, RawTransaction};
use crate::error::{Error, Result};

/// How many pages a state may have beyond the end of its file.
const NEVER_WRITTEN: u64 = 1 << 20;

/// A database, opened beside its writers.
pub struct Environment {
    path: PathBuf,
    /// To read pages; LMDB's own locks lie on another file, so that closing this one loses none.
    file: File,
    raw: Arc<RawEnvironment>,
}

/// A state of the database that nobody changes any more.
pub struct Snapshot {
    path: PathBuf,
    file: File,
    meta: Meta,
    /// The meta page that describes the state.
    meta_page: Vec<u8>,
    /// Keeps the pages from being reused. None where nobody writes.
    _transaction: Option<RawTransaction>,
}

/// What a walk through all trees found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statistics {
    /// Bytes of the file that holds the state.
    pub size: u64,
    /// Pages that the state consists of, meta pages included.
    pub used_pages: u64,
    /// Records in the data's tree.
    pub entries: u64,
    /// The transaction that made the state.
    pub transaction: u64,
}

impl Environment {
    /// Opens a database.
    ///
    /// # Errors
    /// [`Error::Tool`] what LMDB's library says; [`Error::Io`].
    pub fn open(library: &Arc<Library>, path: &Path) -> Result<Self> {
        Ok(Self {
            file: File::open(path).map_err(Error::io("open", path))?,
            raw: Arc::new(RawEnvironment::open(library.clone(), path)?),
            path: path.to_path_buf(),
        })
    }

    /// Pins the committed state. Commits must not happen meanwhile: the caller holds the lock that stops them.
    ///
    /// # Errors
    /// [`Error::Damaged`] when no meta page describes the pinned state; [`Error::Io`]; [`Error::Tool`].
    pub fn pin(&self) -> Result<Snapshot> {
        let transaction = self.raw.begin()?;
        let number = transaction.id() & 1;
        let mut snapshot = Snapshot::of_file(&self.path, &self.file, number)?;
        if snapshot.meta.transaction != transaction.id() {
            let reason = format!(
                "page {number}: it describes transaction {}, and transaction {} was pinned",
                snapshot.meta.transaction,
                transaction.id()
            );
            return Err(Error::damaged(&self.path, reason));
        }
        snapshot._transaction = Some(transaction);
        Ok(snapshot)
    }
}

/// Verifies the trees of a database that nobody writes to.
///
/// # Errors
/// [`Error::Damaged`] with the page at which they do not hold together; [`Error::Io`].
pub fn verify(path: &Path) -> Result<()> {
    let file = File::open(path).map_err(Error::io("open", path))?;
    let [one, other] = [0, 1].map(|number| Snapshot::of_file(path, &file, number));
    let newer = match (one, other) {
        (Ok(one), Ok(other)) if one.meta.transaction < other.meta.transaction => other,
        (Ok(one), _) => one,
        (Err(_), Ok(other)) => other,
        (Err(error), Err(_)) => return Err(error),
    };
    Walk::through(&newer).map(drop)
}

impl Snapshot {
    /// The state that one of the two meta pages of a file describes.
    fn of_file(path: &Path, file: &File, number: u64) -> Result<Self> {
        let damaged = |reason: String| Error::damaged(path, reason);
        let length = file.metadata().map_err(Error::io("look at", path))?.len();
        let read = |at: u64, buffer: &mut [u8]| match file.read_exact_at(buffer, at) {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => Err(damaged(
                format!("it ends at {length}, within its meta pages"),
            )),
            read => read.map_err(Error::io("read", path)),
        };
        let mut first = vec![0; format::META_END];
        read(0, &mut first)?;
        let page_size = Meta::parse(&first)
            .map_err(|reason| damaged(format!("page 0: {reason}")))?
            .page_size;
        let mut page = vec![0; page_size as usize];
        read(number * u64::from(page_size), &mut page)?;
        let meta =
            Meta::parse(&page).map_err(|reason| damaged(format!("page {number}: {reason}")))?;
        if meta.page_size != page_size {
            return Err(damaged(format!(
                "page {number}: it says pages of {} bytes, and page 0 of {page_size} bytes",
                meta.page_size
            )));
        }
        // Pages that were taken and given back in one transaction may never have been written.
        if meta.last_page > length / u64::from(page_size) + NEVER_WRITTEN {
            return Err(damaged(format!(
                "page {number}: it says that page {} is in use, in a file of {length} bytes",
                meta.last_page
            )));
        }
        Ok(Self {
            path: path.to_path_buf(),
            file: file.try_clone().map_err(Error::io("open again", path))?,
            meta,
            meta_page: page,
            _transaction: None,
        })
    }

    /// Bytes of the file that holds the state.
    pub fn size(&self) -> u64 {
        (self.meta.last_page + 1) * u64::from(self.meta.page_size)
    }

    /// Walks through all trees, verifies them, and returns a reader of the state.
    ///
    /// # Errors
    /// [`Error::Damaged`] with the page at which the trees do not hold together.
    pub fn read(self: &Arc<Self>) -> Result<SnapshotReader> {
        let used = Walk::through(self)?;
        Ok(SnapshotReader {
            snapshot: self.clone(),
            statistics: Statistics {
                size: self.size(),
                used_pages: used.count(),
                entries: self.meta.data.entries,
                transaction: self.meta.transaction,
            },
            used,
            next_page: 0,
        })
    }

    /// A reader of the state with all pages up to the last, whether the trees hold together or not.
    pub fn read_unverified(self: &Arc<Self>) -> SnapshotReader {
        let mut used = Bitmap::new(self.meta.last_page + 1);
        used.bits.fill(u64::MAX);
        SnapshotReader {
            snapshot: self.clone(),
            statistics: Statistics {
                size: self.size(),
                used_pages: self.meta.last_page + 1,
                entries: self.meta.data.entries,
                transaction: self.meta.transaction,
            },
            used,
            next_page: 0,
        }
    }

    fn damaged(&self, page: u64, reason: &str) -> Error {
        Error::damaged(&self.path, format!("page {page}: {reason}"))
    }

    fn read_pages(&self, first: u64, buffer: &mut [u8]) -> Result<()> {
        let at = first
            .checked_mul(u64::from(self.meta.page_size))
            .ok_or_else(|| self.damaged(first, "it lies beyond the largest file"))?;
        match self.file.read_exact_at(buffer, at) {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                Err(self.damaged(first, "it is in use, and lies beyond the end of the file"))
            }
            read => read.map_err(Error::io("read", &self.path)),
        }
    }
}

/// The walk that finds every page of a state.
struct Walk<'a> {
    snapshot: &'a Snapshot,
    used: Bitmap,
    /// Trees that are still to be walked: the data's, and those inside of it.
    trees: Vec<Tree>,
    /// The pages of the free list.
    free: Vec<u64>,
}

/// One tree's part of the walk.
struct TreeWalk {
    /// Whether it is the free list, whose values are page numbers.
    is_free_list: bool,
    /// Pages to look at, each with the number of levels from it to the leaves, itself included.
    waiting: Vec<(u64, u16)>,
    /// What is counted, to be compared with what the root says.
    branch_pages: u64,
    leaf_pages: u64,
    overflow_pages: u64,
    entries: u64,
}

impl Walk<'_> {
    /// Which pages the state consists of.
    fn through(snapshot: &Snapshot) -> Result<Bitmap> {
        let mut walk = Walk {
            snapshot,
            used: Bitmap::new(snapshot.meta.last_page + 1),
            trees: vec![snapshot.meta.data],
            free: Vec::new(),
        };
        walk.claim(0, 2)?;
        walk.tree(&snapshot.meta.free, true)?;
        while let Some(tree) = walk.trees.pop() {
            walk.tree(&tree, false)?;
        }
        match walk.free.iter().find(|page| walk.used.get(**page)) {
            None => Ok(walk.used),
            Some(page) => Err(snapshot.damaged(*page, "it is in use and on the free list")),
        }
    }

    /// Claims pages for what is being walked; nobody else may have them.
    fn claim(&mut self, first: u64, count: u64) -> Result<()> {
        let end = first
            .checked_add(count)
            .filter(|end| *end <= self.used.length);
        let end = end.ok_or_else(|| {
            self.snapshot
                .damaged(first, "it lies beyond the last page in use")
        })?;
        match (first..end).find(|page| !self.used.set(*page)) {
            None => Ok(()),
            Some(page) => Err(self.snapshot.damaged(page, "it is used twice")),
        }
    }

    fn tree(&mut self, tree: &Tree, is_free_list: bool) -> Result<()> {
        if tree.root == NO_PAGE {
            return Ok(());
        }
        let mut walk = TreeWalk {
            is_free_list,
            waiting: vec![(tree.root, tree.depth)],
            branch_pages: 0,
            leaf_pages: 0,
            overflow_pages: 0,
            entries: 0,
        };
        let mut bytes = vec![0; self.snapshot.meta.page_size as usize];
        while let Some((number, levels)) = walk.waiting.pop() {
            self.claim(number, 1)?;
            self.snapshot.read_pages(number, &mut bytes)?;
            self.page(number, levels, &bytes, &mut walk)?;
        }
        if tree.flags & format::DUPLICATES_ALLOWED != 0 {
            // The root counts each duplicate, wherever it lies.
            walk.entries = tree.entries;
        }
        for (what, found, expected) in [
            ("branch pages", walk.branch_pages, tree.branch_pages),
            ("leaf pages", walk.leaf_pages, tree.leaf_pages),
            ("overflow pages", walk.overflow_pages, tree.overflow_pages),
            ("entries", walk.entries, tree.entries),
        ] {
            if found != expected {
                let reason =
                    format!("the tree below it has {found} {what}, and its root says {expected}");
                return Err(self.snapshot.damaged(tree.root, &reason));
            }
        }
        Ok(())
    }

    fn page(&mut self, number: u64, levels: u16, bytes: &[u8], walk: &mut TreeWalk) -> Result<()> {
        let page = Page::new(bytes);
        let snapshot = self.snapshot;
        let damaged = |reason: &str| snapshot.damaged(number, reason);
        let beyond = || damaged("a node lies beyond its end");
        if page.number() != Some(number) {
            return Err(damaged("it carries another page's number"));
        }
        let flags = page.flags().unwrap_or(0);
        let nodes = page
            .nodes()
            .ok_or_else(|| damaged("its pointers lie beyond its end"))?;
        if flags & format::BRANCH != 0 && levels > 1 {
            walk.branch_pages += 1;
            for index in 0..nodes {
                walk.waiting
                    .push((page.child(index).ok_or_else(beyond)?, levels - 1));
            }
            return Ok(());
        }
        if flags & format::LEAF == 0 || levels != 1 {
            return Err(damaged(&format!(
                "flags {flags:#x} do not fit {levels} levels above the values"
            )));
        }
        walk.leaf_pages += 1;
        walk.entries += nodes as u64;
        if flags & format::LEAF_OF_KEYS != 0 {
            return Ok(());
        }
        for index in 0..nodes {
            let leaf = page.leaf(index).ok_or_else(beyond)?;
            let big;
            let value = if leaf.flags & format::BIG != 0 {
                let first = format::u64_at(leaf.value, 0).unwrap_or(NO_PAGE);
                big = self.overflow(first, leaf.value_size, walk)?;
                &big[..]
            } else {
                leaf.value
            };
            if walk.is_free_list {
                self.free_pages(value)
                    .ok_or_else(|| damaged("a record of the free list is cut short"))?;
            } else if leaf.flags & format::TREE != 0 {
                let tree = Tree::parse(value)
                    .ok_or_else(|| damaged("the root of an inner tree is cut short"))?;
                self.trees.push(tree);
            }
        }
        Ok(())
    }

    /// Claims a run of overflow pages, and reads its value where that is wanted.
    fn overflow(&mut self, first: u64, size: u32, walk: &mut TreeWalk) -> Result<Vec<u8>> {
        let mut header = [0; PAGE_HEADER];
        self.snapshot.read_pages(first, &mut header)?;
        let page = Page::new(&header);
        let run = u64::from(page.run().unwrap_or(0));
        let capacity = run * u64::from(self.snapshot.meta.page_size);
        let fits = page.number() == Some(first)
            && page.flags().unwrap_or(0) & format::OVERFLOW != 0
            && PAGE_HEADER as u64 + u64::from(size) <= capacity;
        if !fits {
            return Err(self
                .snapshot
                .damaged(first, &format!("it does not begin a value of {size} bytes")));
        }
        self.claim(first, run)?;
        walk.overflow_pages += run;
        if !walk.is_free_list {
            return Ok(Vec::new());
        }
        let mut value = vec![0; PAGE_HEADER + size as usize];
        self.snapshot.read_pages(first, &mut value)?;
        Ok(value.split_off(PAGE_HEADER))
    }

    /// A record of the free list: how many pages, then their numbers.
    fn free_pages(&mut self, value: &[u8]) -> Option<()> {
        let count = usize::try_from(format::u64_at(value, 0)?).ok()?;
        let numbers = value
            .get(8..)?
            .get(..count.checked_mul(8)?)?
            .chunks_exact(8);
        self.free
            .extend(numbers.filter_map(|bytes| format::u64_at(bytes, 0)));
        Some(())
    }
}

/// The pages of a state, in the order of the file. Pages that are not part of it are read as zeros: their content is
/// left over from earlier, and may change while it is read.
pub struct SnapshotReader {
    snapshot: Arc<Snapshot>,
    used: Bitmap,
    statistics: Statistics,
    next_page: u64,
}

impl SnapshotReader {
    /// What the state consists of.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// Fills the buffer with the next pages and returns the bytes read; 0 at the end. The buffer's length is a
    /// multiple of every page size: of 64 KiB.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let page_size = self.snapshot.meta.page_size as usize;
        let wanted = (buffer.len() / page_size) as u64;
        let count = wanted.min(self.used.length - self.next_page);
        let bytes = buffer
            .get_mut(..count as usize * page_size)
            .unwrap_or_default();
        let mut at = 0;
        while at < count {
            let first = self.next_page + at;
            let is_used = self.used.get(first);
            let run = (at..count)
                .take_while(|offset| self.used.get(self.next_page + offset) == is_used)
                .count();
            let place = bytes
                .get_mut(at as usize * page_size..(at as usize + run) * page_size)
                .unwrap_or_default();
            match is_used {
                true => self.snapshot.read_pages(first, place)?,
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

    /// Both meta pages describe the pinned state: the file's own may be newer already.
    fn put_meta_pages(&self, bytes: &mut [u8]) {
        let page_size = self.snapshot.meta.page_size as usize;
        let transaction = self.snapshot.meta.transaction;
        for (number, page) in bytes.chunks_exact_mut(page_size).take(2).enumerate() {
            page.copy_from_slice(&self.snapshot.meta_page);
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

/// A bit for each page.
struct Bitmap {
    bits: Vec<u64>,
    length: u64,
}

impl Bitmap {
    fn new(length: u64) -> Self {
        Self {
            bits: vec![0; length.div_ceil(64) as usize],
            length,
        }
    }

    fn get(&self, index: u64) -> bool {
        let word = self.bits.get((index / 64) as usize).copied().unwrap_or(0);
        word >> (index % 64) & 1 != 0
    }

    /// Sets a bit; whether it was clear.
    fn set(&mut self, index: u64) -> bool {
        let mask = 1 << (index % 64);
        match self.bits.get_mut((index / 64) as usize) {
            Some(word) if *word & mask == 0 => {
                *word |= mask;
                true
            }
            _ => false,
        }
    }

    fn count(&self) -> u64 {
        self.bits
            .iter()
            .map(|word| u64::from(word.count_ones()))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use proptest::prelude::*;

    use super::*;

    /// Puts records into a database with LMDB's own tool; `None` where it is not installed.
    fn load(path: &Path, records: impl Iterator<Item = (String, String)>) -> Option<()> {
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
        let before = dump(&path);
        let environment = Environment::open(&Library::load().unwrap(), &path).unwrap();
        let snapshot = Arc::new(environment.pin().unwrap());
        // Enough commits to overwrite both meta pages and to reuse what was free.
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
        assert_eq!(reader.statistics().entries, 5000);
        let copy = folder.path().join("copy.ldb");
        std::fs::write(&copy, read_all(reader)).unwrap();
        assert!(dump(&copy) == before, "the copy is not what was pinned");

        // The copy can be written to, and read again by us.
        load(&copy, (5000..5100).map(|number| record(number, "more"))).unwrap();
        let environment = Environment::open(&Library::load().unwrap(), &copy).unwrap();
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
        let environment = Environment::open(&Library::load().unwrap(), &path).unwrap();
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
                .filter_map(|number| Snapshot::of_file(&path, &file, number).ok());
            let snapshot = newer.max_by_key(|snapshot| snapshot.meta.transaction);
            let snapshot = snapshot.ok_or_else(|| Error::damaged(&path, "page 0: no meta page"))?;
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
        proptest!(ProptestConfig::with_cases(200), |(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20), length in any::<prop::sample::Index>())| {
            let mut bytes = original.clone();
            for (index, byte) in changes {
                // Most of a page is values: the structure lies at the start of pages and before their ends.
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
