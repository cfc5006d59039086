//! File times in the interfaces: milliseconds since 1970-01-01 UTC.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The time `ms` milliseconds after 1970-01-01 UTC, or before it if negative. 1970 itself for times
/// that the system cannot represent.
pub fn from_unix_ms(ms: i64) -> SystemTime {
    let since = Duration::from_millis(ms.unsigned_abs());
    let time = match ms < 0 {
        true => UNIX_EPOCH.checked_sub(since),
        false => UNIX_EPOCH.checked_add(since),
    };
    time.unwrap_or(UNIX_EPOCH)
}

/// The inverse of [`from_unix_ms`]; the nearest number for times out of range.
pub fn to_unix_ms(time: SystemTime) -> i64 {
    let ms = |since: Duration| i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(since) => ms(since),
        Err(before) => -ms(before.duration()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_on_both_sides_of_1970() {
        for ms in [0, 1, -1, 1_700_000_000_123, -86_400_000] {
            assert_eq!(to_unix_ms(from_unix_ms(ms)), ms);
        }
    }
}
