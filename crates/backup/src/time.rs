//! Times as the manifest and the user see them: RFC 3339, UTC, whole seconds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

/// A time since 1970-01-01 UTC in seconds; the end of the calendar for times that it does not have.
pub fn from_seconds(seconds: u64) -> String {
    let time = i64::try_from(seconds)
        .ok()
        .and_then(|seconds| Timestamp::from_second(seconds).ok())
        .unwrap_or(Timestamp::MAX);
    format!("{time:.0}")
}

/// A time of the system's clock.
pub fn from_system(time: SystemTime) -> String {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    from_seconds(since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(from_seconds(1_700_000_000), "2023-11-14T22:13:20Z");
        assert_eq!(from_system(UNIX_EPOCH), "1970-01-01T00:00:00Z");
        assert!(from_seconds(u64::MAX).starts_with("9999"));
    }
}
