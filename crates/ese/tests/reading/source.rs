//! A database can be read over any random access to its bytes.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ese::database::{Seekable, Source};
use ese::dump::Dump;
use ese::{Database, Error};

/// Bytes like those of a remote file: it counts reads, and fails after `limit` of them.
struct Remote {
    bytes: Vec<u8>,
    limit: u64,
    reads: AtomicU64,
    read_bytes: AtomicU64,
    longest: AtomicU64,
}

const NAME: &str = "snapshot 7:ntds.dit";
const REASON: &str = "chunk 3 is missing";

impl Remote {
    fn of(bytes: &[u8], limit: u64) -> Arc<Self> {
        Arc::new(Self {
            bytes: bytes.to_vec(),
            limit,
            reads: AtomicU64::default(),
            read_bytes: AtomicU64::default(),
            longest: AtomicU64::default(),
        })
    }

    fn open(self: &Arc<Self>) -> ese::Result<Database> {
        Database::over(Arc::clone(self) as Arc<dyn Source>, NAME)
    }
}

impl Source for Remote {
    fn size(&self) -> io::Result<u64> {
        self.bytes.size()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        if self.reads.fetch_add(1, Ordering::Relaxed) >= self.limit {
            return Err(io::Error::other(REASON));
        }
        let len = buffer.len() as u64;
        self.read_bytes.fetch_add(len, Ordering::Relaxed);
        self.longest.fetch_max(len, Ordering::Relaxed);
        self.bytes.read_exact_at(buffer, offset)
    }
}

fn with_directory(test: impl FnOnce(&Path)) {
    let Some(fixture) = testkit::find("sample-forest/clean") else {
        return;
    };
    let folder = fixture.unpack();
    test(&folder.path().join("ntds.dit"));
}

fn dump(database: &Database) -> Vec<u8> {
    let mut lines = Vec::new();
    let dump = Dump::new().with_indexes(true);
    dump.write(database, &mut lines).expect("a dump");
    lines
}

#[test]
fn every_source_gives_the_same_dump() {
    with_directory(|path| {
        let of_file = dump(&Database::open(path).expect("open"));
        let file = std::fs::File::open(path).expect("open");
        let seekable = Seekable::new(io::BufReader::new(file));
        let seekable = Database::over(seekable, "a reader").expect("open");
        assert!(dump(&seekable) == of_file);

        let bytes = std::fs::read(path).expect("read");
        let remote = Remote::of(&bytes, u64::MAX);
        assert!(dump(&remote.open().expect("open")) == of_file);
        let in_memory = Database::over(bytes, "memory").expect("open");
        assert!(dump(&in_memory) == of_file);
    });
}

#[test]
fn only_the_pages_that_are_needed_are_read() {
    with_directory(|path| {
        let bytes = std::fs::read(path).expect("read");
        let remote = Remote::of(&bytes, u64::MAX);
        let database = remote.open().expect("open");
        let reads = || remote.reads.load(Ordering::Relaxed);
        // The headers.
        assert_eq!(reads(), 1);

        // The catalog, without its copy.
        database.tables().expect("the catalog");
        let of_catalog = reads();
        assert!(of_catalog < 40, "{of_catalog} reads");
        let table = database.table("datatable").expect("the catalog");
        let table = table.expect("a directory has a datatable");
        assert!(reads() - of_catalog <= 3, "the catalog is cached");

        // One row: a page of each level of the tree.
        let before = reads();
        let mut rows = database.rows(&table);
        rows.seek(&[0x7f, 0x80, 0, 0, 2]).expect("a row");
        assert!(reads() - before <= 4, "{} reads", reads() - before);

        // Page by page.
        remote.longest.store(0, Ordering::Relaxed);
        dump(&database);
        let page_len = database.page_size().bytes() as u64;
        assert_eq!(remote.longest.load(Ordering::Relaxed), page_len);
        let read_bytes = remote.read_bytes.load(Ordering::Relaxed);
        assert!(read_bytes < 2 * bytes.len() as u64, "{read_bytes} bytes");
    });
}

#[test]
fn a_source_that_fails_gives_an_error_that_names_it_wherever_it_fails() {
    with_directory(|path| {
        let bytes = std::fs::read(path).expect("read");
        let remote = Remote::of(&bytes, u64::MAX);
        dump(&remote.open().expect("open"));
        let reads = remote.reads.load(Ordering::Relaxed);
        // Every place at the start, where header and catalog are read.
        let limits = (0..60).chain((60..reads).step_by(40)).chain([reads - 1]);
        for limit in limits {
            let remote = Remote::of(&bytes, limit);
            let read = || -> Result<(), ese::dump::DumpError> {
                let database = remote.open()?;
                let dump = Dump::new().with_indexes(true);
                dump.write(&database, &mut io::sink())
            };
            let error = read().expect_err("the source fails").to_string();
            assert_eq!(error, format!("{NAME}: {REASON}"), "after {limit} reads");
        }
    });
}

#[test]
fn a_source_that_ends_early_gives_an_error_that_names_it() {
    /// A source that is shorter than it says.
    struct Short(Vec<u8>, u64);

    impl Source for Short {
        fn size(&self) -> io::Result<u64> {
            Ok(self.1)
        }

        fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
            self.0.read_exact_at(buffer, offset)
        }
    }

    with_directory(|path| {
        let bytes = std::fs::read(path).expect("read");
        let size = bytes.len() as u64;
        for len in [0, 4096, bytes.len() / 2, bytes.len() - 1] {
            let short = Short(bytes[..len].to_vec(), size);
            let read = || -> ese::Result<()> {
                let database = Database::over(short, NAME)?;
                (1..=database.page_count()).try_for_each(|number| match database.page(number) {
                    // A page that was never written is not an error of the source.
                    Err(Error::Damaged { found, .. }) if found != "the end of the file" => Ok(()),
                    read => read.map(drop),
                })
            };
            let error = read().expect_err("the source ends early");
            assert!(error.to_string().starts_with(NAME), "{error}");
        }
    });
}
