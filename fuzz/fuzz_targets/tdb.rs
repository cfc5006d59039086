//! A TDB database: the walk through its records ends, whatever is in them, and dead bytes can be
//! zeroed without a change of the verdict.
#![no_main]

use fuzz::files::{database, in_a_file};
use libfuzzer_sys::fuzz_target;

const SOUND: &[u8] = include_bytes!("../sound/small.tdb.zst");

/// So does the walk for reading its records.
fn records(path: &std::path::Path) {
    let Ok(records) = samba::tdb::Records::open(path) else {
        return;
    };
    let _ = records.visit(|_, value, place| -> samba::Result<()> {
        assert_eq!(records.read(place)?, value);
        Ok(())
    });
}

fuzz_target!(|data: &[u8]| {
    let mut bytes = database(SOUND, data);
    let size = bytes.len() as u64;
    let mut left_over = None;
    in_a_file(&bytes, |path, file| {
        left_over = samba::tdb::verify(path, file, size).ok();
        let _ = samba::tdb::Header::of_file(path);
        records(path);
    });
    if let Some(left_over) = left_over {
        let (first, second) = bytes.split_at_mut(size as usize / 2);
        left_over.blank(0, first);
        left_over.blank(first.len() as u64, second);
        in_a_file(&bytes, |path, file| {
            assert_eq!(samba::tdb::verify(path, file, size).ok(), Some(left_over));
        });
    }
});
