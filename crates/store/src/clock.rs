//! The time of day in files and tokens.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since 1970. 0 for an earlier clock.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
