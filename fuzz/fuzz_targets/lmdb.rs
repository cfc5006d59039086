//! An LMDB database: whatever its pages say, the walk through its trees comes to an end.
#![no_main]

use fuzz::files::{database, in_a_file};
use libfuzzer_sys::fuzz_target;

const SOUND: &[u8] = include_bytes!("../sound/small.mdb.zst");

fuzz_target!(|data: &[u8]| {
    in_a_file(&database(SOUND, data), |path, _| {
        let _ = samba::lmdb::verify(path);
    });
});
