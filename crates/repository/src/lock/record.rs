//! The content of a lock file, as in restic.

use std::time::{Duration, SystemTime};

use platform::process;
use rustic_core::jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// restic renews its locks every five minutes, stops when it cannot, and considers a lock of this
/// age stale.
pub(super) const STALE: Duration = Duration::from_secs(30 * 60);

/// The JSON of a lock file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// The time of creation or renewal, RFC 3339.
    pub(super) time: String,
    #[serde(default)]
    pub(super) exclusive: bool,
    #[serde(default)]
    pub(super) hostname: String,
    #[serde(default)]
    pub(super) username: String,
    #[serde(default)]
    pub(super) pid: i64,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) uid: u32,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) gid: u32,
}

/// restic omits root.
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Record {
    /// The record of this process, now.
    pub(super) fn new(exclusive: bool) -> Self {
        Self {
            time: now(),
            exclusive,
            hostname: process::computer(),
            username: process::user_name(),
            pid: i64::from(std::process::id()),
            uid: process::user_number(),
            gid: process::group_number(),
        }
    }

    /// The same lock, renewed.
    pub(super) fn renewed(&self) -> Self {
        Self {
            time: now(),
            ..self.clone()
        }
    }

    /// Whether nobody holds the lock any more: its process on this computer is gone, or its time is
    /// more than 30 minutes ago. A future or unreadable time does not make it stale.
    pub(super) fn is_stale(&self) -> bool {
        let age = (self.time.parse::<Timestamp>().ok())
            .and_then(|time| SystemTime::now().duration_since(time.into()).ok());
        age.is_some_and(|age| age > STALE)
            || (self.hostname == process::computer() && !process::lives(self.pid))
    }
}

fn now() -> String {
    Timestamp::now().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aged(minutes: i64, record: Record) -> Record {
        let time = Timestamp::now() - rustic_core::jiff::SignedDuration::from_mins(minutes);
        Record {
            time: time.to_string(),
            ..record
        }
    }

    #[test]
    fn a_lock_is_stale_by_age_or_when_its_process_is_gone() {
        let ours = Record::new(true);
        let elsewhere = Record {
            hostname: "elsewhere.example".into(),
            pid: 1 << 30,
            ..ours.clone()
        };
        let gone = Record {
            pid: 1 << 30,
            ..ours.clone()
        };
        for (what, record, stale) in [
            ("ours", ours.clone(), false),
            ("ours, not renewed", aged(31, ours.clone()), true),
            ("ours, from the future", aged(-600, ours), false),
            ("elsewhere", aged(29, elsewhere.clone()), false),
            ("elsewhere, not renewed", aged(31, elsewhere.clone()), true),
            ("elsewhere, from the future", aged(-6000, elsewhere), false),
            ("of a process that is gone", aged(-60, gone), true),
        ] {
            assert_eq!(record.is_stale(), stale, "{what}");
        }
    }

    #[test]
    fn the_time_may_have_any_offset() {
        let time = Timestamp::now().to_zoned(rustic_core::jiff::tz::TimeZone::fixed(
            rustic_core::jiff::tz::offset(5),
        ));
        let record = Record {
            // In Go's format.
            time: time.strftime("%Y-%m-%dT%H:%M:%S.%f%:z").to_string(),
            hostname: "elsewhere.example".into(),
            ..Record::new(false)
        };
        assert!(!record.is_stale(), "{}", record.time);
    }
}
