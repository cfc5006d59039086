//! Times in the form of headers.

use std::time::{SystemTime, UNIX_EPOCH};

use zerocopy::FromBytes;

use crate::header::LogTime;

/// The current time in UTC, in the engine's format.
pub(super) fn now() -> LogTime {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH);
    let since_1970 = since_1970.unwrap_or_default();
    let seconds = since_1970.as_secs();
    let milliseconds = since_1970.subsec_millis() as u16;
    let (days, of_day) = (seconds / 86400, seconds % 86400);
    let (year, month, day) = date(days);
    let bytes = [
        (of_day % 60) as u8,
        (of_day / 60 % 60) as u8,
        (of_day / 3600) as u8,
        day,
        month,
        (year.saturating_sub(1900)).min(255) as u8,
        1 | (milliseconds << 1) as u8,
        (milliseconds >> 7 << 1) as u8,
    ];
    LogTime::read_from_bytes(&bytes).unwrap_or_default()
}

/// Year, month and day of the day `days` after 1 January 1970, in the Gregorian calendar.
fn date(days: u64) -> (u64, u8, u8) {
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let (mut year, mut left) = (1970, days);
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if left < length {
            break;
        }
        left -= length;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in months {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    (year, month, left as u8 + 1)
}

/// Milliseconds from 1970 to `time`; 0 for an earlier one.
pub(super) fn since_1970(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_millis() as u64
}

/// Milliseconds from 1970 to a time in a header, as if it were UTC.
pub(super) fn milliseconds(time: &LogTime) -> u64 {
    let (hours, minutes, seconds, milliseconds) = time.time_of_day();
    let days = days_to(time.year().into(), time.month(), time.day());
    let seconds =
        ((days * 24 + u64::from(hours)) * 60 + u64::from(minutes)) * 60 + u64::from(seconds);
    seconds * 1000 + u64::from(milliseconds)
}

/// Days from 1 January 1970 to a date of the Gregorian calendar.
fn days_to(year: u64, month: u8, day: u8) -> u64 {
    let (year, month) = (year.max(1970), u64::from(month.clamp(1, 12)));
    // In years that begin in March the leap day is the last day.
    let year = if month <= 2 { year - 1 } else { year };
    let month = (month + 9) % 12;
    let leap_days = year / 4 - year / 100 + year / 400;
    let days = year * 365 + leap_days + (month * 153 + 2) / 5 + u64::from(day.max(1)) - 1;
    days.saturating_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_days_agree() {
        for days in [0, 58, 59, 365, 789, 11_015, 11_016, 11_017, 20_779, 47_540] {
            let (year, month, day) = date(days);
            assert_eq!(days_to(year, month, day), days);
        }
        let apart = since_1970(SystemTime::now()).abs_diff(milliseconds(&now()));
        assert!(apart < 10_000, "{apart} ms");
    }

    #[test]
    fn days_are_counted_over_leap_years() {
        assert_eq!(days_to(1970, 1, 1), 0);
        assert_eq!(days_to(2000, 2, 29), 11_016);
        assert_eq!(days_to(2000, 3, 1), 11_017);
        assert_eq!(days_to(2026, 11, 22), 20_779);
    }
}
