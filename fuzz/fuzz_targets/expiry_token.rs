//! Expiry tokens, which travel with backups and may come from anywhere.
#![no_main]

use std::time::SystemTime;

use contract::ExpiryToken;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(token) = ExpiryToken::from_bytes(data) {
        assert_eq!(token.to_bytes(), data);
        let _ = token.check_unexpired(SystemTime::UNIX_EPOCH);
    }
});
