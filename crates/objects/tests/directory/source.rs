//! A directory is read over any random access to its database's bytes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ese::Database;
use objects::ntds::Ntds;
use objects::{Entry, Result, Source, Wanted};

/// Bytes that can be read `limit` times.
struct Remote {
    bytes: Vec<u8>,
    reads: AtomicU64,
    limit: u64,
}

const NAME: &str = "snapshot 7:ntds.dit";
const REASON: &str = "chunk 3 is missing";

impl ese::database::Source for Remote {
    fn size(&self) -> io::Result<u64> {
        self.bytes.size()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match self.reads.fetch_add(1, Ordering::Relaxed) < self.limit {
            true => self.bytes.read_exact_at(buffer, offset),
            false => Err(io::Error::other(REASON)),
        }
    }
}

fn every_entry(ntds: &Ntds) -> Result<Vec<Entry>> {
    ntds.all(&Wanted::everything())?.collect()
}

#[test]
fn a_directory_over_a_source_is_that_of_the_file() {
    let Some(fixture) = testkit::find("sample-forest/clean") else {
        return;
    };
    let folder = fixture.unpack();
    let path = folder.path().join("ntds.dit");
    let of_file = every_entry(&Ntds::open(&path).expect("a directory")).expect("entries");

    let over_source = |limit| {
        let remote = Arc::new(Remote {
            bytes: std::fs::read(&path).expect("read"),
            reads: AtomicU64::default(),
            limit,
        });
        let read = || -> Result<Vec<Entry>> {
            let source = Arc::clone(&remote) as Arc<dyn ese::database::Source>;
            every_entry(&Ntds::over(Database::over(source, NAME)?)?)
        };
        (read(), remote.reads.load(Ordering::Relaxed))
    };
    let (entries, reads) = over_source(u64::MAX);
    let entries = entries.expect("entries");
    assert_eq!(entries.len(), of_file.len());
    assert!(entries.len() > 400, "{} entries", entries.len());
    for (entry, of_file) in entries.iter().zip(&of_file) {
        assert!(
            format!("{entry:?}") == format!("{of_file:?}"),
            "{}",
            entry.dn
        );
    }

    // Wherever the source fails, the error names it.
    for limit in (0..reads).step_by(37).chain([reads - 1]) {
        let error = over_source(limit).0.expect_err("the source fails");
        let error = error.to_string();
        assert!(
            error.contains(NAME) && error.contains(REASON),
            "after {limit} reads: {error}"
        );
    }
}
