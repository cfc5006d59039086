//! An LMDB database: the walk through its trees ends, whatever is in its pages.
#![no_main]

use fuzz::files::{database, in_a_file};
use libfuzzer_sys::fuzz_target;

const SOUND: &[u8] = include_bytes!("../sound/small.mdb.zst");

/// So does the walk through its records.
fn records(path: &std::path::Path) {
    let Ok(records) = samba::lmdb::Records::open(path) else {
        return;
    };
    let _ = records.visit(|_, value, place| -> samba::Result<()> {
        assert_eq!(records.read(place)?, value);
        Ok(())
    });
}

fuzz_target!(|data: &[u8]| {
    in_a_file(&database(SOUND, data), |path, _| {
        let _ = samba::lmdb::verify(path);
        records(path);
    });
});
