//! Any part of a file in a snapshot can be read by itself.

use std::io::Read;

use crate::common::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use repository::*;

/// A repository with one file of noise, and its content.
struct Stored {
    folder: tempfile::TempDir,
    content: Vec<u8>,
}

impl Stored {
    fn with(size: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repository = init(folder.path());
        let lock = shared(&repository);
        let mut source = ListSource::new(vec![
            noise("database", 1, size),
            file("empty", 0, std::io::empty()),
        ]);
        (repository.backup(&lock, &request(), &mut source, &mut |_| {})).unwrap();
        let mut content = Vec::new();
        Noise::new(1, size).read_to_end(&mut content).unwrap();
        Self { folder, content }
    }

    fn snapshot(&self) -> OpenSnapshot {
        let repository = open(self.folder.path());
        let info = repository.snapshot("latest").unwrap();
        repository.open_snapshot(&info).unwrap()
    }
}

#[test]
fn every_part_equals_the_file() {
    // More than is kept in memory.
    let stored = Stored::with((40 << 20) + 1234);
    let snapshot = stored.snapshot();
    let file = snapshot.random_access("database").unwrap();
    let size = stored.content.len();
    assert_eq!(file.size(), size as u64);
    // In order, by pages.
    for (number, expected) in stored.content.chunks(8192).enumerate() {
        let mut page = vec![0; expected.len()];
        file.read_exact_at(&mut page, number as u64 * 8192).unwrap();
        assert!(page == expected, "page {number}");
    }
    // Anywhere, by several threads.
    let part = (0..size, prop_oneof![0..100usize, 0..300_000usize]);
    let parts = proptest::collection::vec(part, 200);
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let parts = parts.new_tree(&mut runner).unwrap().current();
    std::thread::scope(|scope| {
        for parts in parts.chunks(50) {
            let (file, content) = (&file, &stored.content);
            scope.spawn(move || {
                for (start, length) in parts {
                    let expected = &content[*start..(start + length).min(size)];
                    let mut found = vec![0; expected.len()];
                    file.read_exact_at(&mut found, *start as u64).unwrap();
                    assert!(found == expected, "{start}, {length} bytes");
                }
            });
        }
    });
}

#[test]
fn beyond_the_end_is_an_error() {
    let stored = Stored::with(100_000);
    let snapshot = stored.snapshot();
    let file = snapshot.random_access("database").unwrap();
    file.read_exact_at(&mut [0; 10], 99_990).unwrap();
    file.read_exact_at(&mut [], 100_000).unwrap();
    for (offset, length) in [
        (99_991, 10),
        (100_000, 1),
        (u64::MAX, 1),
        (u64::MAX - 5, 10),
    ] {
        let error = file
            .read_exact_at(&mut vec![0; length], offset)
            .unwrap_err();
        assert!(error.to_string().contains("database"), "{error}");
    }
    let empty = snapshot.random_access("empty").unwrap();
    assert_eq!(empty.size(), 0);
    empty.read_exact_at(&mut [], 0).unwrap();
    assert!(empty.read_exact_at(&mut [0], 0).is_err());
    let missing = snapshot.random_access("nothing").unwrap_err();
    assert!(matches!(missing, Error::NoSuchFile { .. }), "{missing}");
}

#[test]
fn a_flipped_bit_is_an_error_there_and_nowhere_else() {
    let stored = Stored::with(4 << 20);
    let pack = packs(stored.folder.path());
    let pack = (pack.iter())
        .max_by_key(|pack| pack.metadata().unwrap().len())
        .unwrap();
    let mut bytes = std::fs::read(pack).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let mut permissions = pack.metadata().unwrap().permissions();
    std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o600);
    std::fs::set_permissions(pack, permissions).unwrap();
    std::fs::write(pack, bytes).unwrap();
    let snapshot = stored.snapshot();
    let file = snapshot.random_access("database").unwrap();
    let mut failed = 0;
    for (number, expected) in stored.content.chunks(4096).enumerate() {
        let mut page = vec![0; expected.len()];
        match file.read_exact_at(&mut page, number as u64 * 4096) {
            Ok(()) => assert!(page == expected, "page {number}"),
            Err(error) => {
                assert!(matches!(error, Error::Damaged { .. }), "{error}");
                failed += 1;
            }
        }
    }
    // The pages of one chunk.
    assert!((1..=600).contains(&failed), "{failed} pages");
}
