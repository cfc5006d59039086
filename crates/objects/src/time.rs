//! Points in time in directories.

use std::fmt;

/// A point in time: seconds since 1 January 1601, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i64);

/// From 1601 to 1970, in seconds.
const TO_1970: i64 = 11_644_473_600;

impl Time {
    /// From 100 ns since 1601 (FILETIME), truncated to seconds.
    pub fn from_filetime(ticks: i64) -> Self {
        Self(ticks.div_euclid(10_000_000))
    }

    /// Seconds since 1970. `None` on overflow.
    pub fn unix(self) -> Option<i64> {
        self.0.checked_sub(TO_1970)
    }

    /// From seconds since 1970. `None` on overflow.
    pub fn from_unix(seconds: i64) -> Option<Self> {
        seconds.checked_add(TO_1970).map(Self)
    }

    fn civil(self) -> Option<jiff::civil::DateTime> {
        let timestamp = jiff::Timestamp::from_second(self.unix()?).ok()?;
        let time = jiff::tz::TimeZone::UTC.to_datetime(timestamp);
        (0..=9999).contains(&time.year()).then_some(time)
    }

    /// `20250901073001.0Z`, LDAP's GeneralizedTime; the number of seconds if the year does not have
    /// four digits.
    pub fn generalized(self) -> String {
        match self.civil() {
            Some(time) => format!("{}.0Z", time.strftime("%Y%m%d%H%M%S")),
            None => self.0.to_string(),
        }
    }

    /// `250901073001Z`, LDAP's UTCTime.
    pub fn utc_time(self) -> String {
        match self.civil() {
            Some(time) => format!("{}Z", time.strftime("%y%m%d%H%M%S")),
            None => self.0.to_string(),
        }
    }

    /// Parses either form of LDAP. Truncates fractions of seconds.
    pub fn parse(text: &str) -> Option<Self> {
        let (digits, rest) = text.split_at_checked(
            text.find(|character: char| !character.is_ascii_digit())
                .unwrap_or(text.len()),
        )?;
        let fraction = rest.strip_suffix('Z')?;
        let is_fraction = fraction.is_empty()
            || (fraction.strip_prefix('.'))
                .is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
        if !is_fraction {
            return None;
        }
        let digits = match digits.len() {
            14 => digits.to_owned(),
            // The rule of X.680 for two-digit years.
            12 => {
                let century = if digits < "50" { "20" } else { "19" };
                format!("{century}{digits}")
            }
            _ => return None,
        };
        let time = jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", digits).ok()?;
        let timestamp = jiff::tz::TimeZone::UTC.to_timestamp(time).ok()?;
        Self::from_unix(timestamp.as_second())
    }
}

/// `2025-09-01 07:30:01`; the number of seconds if the year does not have four digits.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.civil() {
            Some(time) => write!(f, "{}", time.strftime("%Y-%m-%d %H:%M:%S")),
            None => write!(f, "{} s after 1601", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms() {
        let time = Time(13_401_185_401);
        assert_eq!(time.generalized(), "20250901073001.0Z");
        assert_eq!(time.utc_time(), "250901073001Z");
        assert_eq!(time.to_string(), "2025-09-01 07:30:01");
        for text in [
            "20250901073001.0Z",
            "20250901073001Z",
            "250901073001Z",
            "20250901073001.99Z",
        ] {
            assert_eq!(Time::parse(text), Some(time), "{text}");
        }
        for text in [
            "",
            "Z",
            "2025",
            "20250901073001",
            "20251301073001Z",
            "20250901073001,0Z",
        ] {
            assert_eq!(Time::parse(text), None, "{text}");
        }
        assert_eq!(Time(0).generalized(), "16010101000000.0Z");
        assert_eq!(Time(i64::MAX).generalized(), i64::MAX.to_string());
        assert_eq!(Time(i64::MIN).generalized(), i64::MIN.to_string());
    }

    proptest::proptest! {
        #[test]
        fn text_leads_back_to_the_time(seconds in 0..265_000_000_000i64) {
            let time = Time(seconds);
            proptest::prop_assert_eq!(Time::parse(&time.generalized()), Some(time));
        }

        #[test]
        fn any_text_is_a_time_or_none(text: String) {
            let _ = Time::parse(&text);
        }
    }
}
