//! The pages of a real database with random changes: the database is read and verified to the end,
//! or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| fuzz::edited_database(data, fuzz::Pages::All));
