//! Spans of time as the configuration writes them: `90s`, `26h`, `1d 12h`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The units, largest first, with their seconds. A day has 24 hours.
const UNITS: [(char, u64); 5] = [
    ('w', 7 * 86_400),
    ('d', 86_400),
    ('h', 3_600),
    ('m', 60),
    ('s', 1),
];

/// A span of time in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(pub u64);

impl Span {
    /// Hours.
    pub const fn hours(count: u64) -> Self {
        Self(count * 3_600)
    }

    /// Days of 24 hours.
    pub const fn days(count: u64) -> Self {
        Self::hours(count * 24)
    }

    /// For calls of the standard library.
    pub fn as_duration(self) -> Duration {
        Duration::from_secs(self.0)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("expected a span of time, such as 90s, 10m, 26h or 30d, not {text:?}");
        let mut total = 0u64;
        let mut rest = text.trim();
        while !rest.is_empty() {
            let end = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
            let number: u64 = rest[..end].parse().map_err(|_| wrong())?;
            let letter = rest[end..].chars().next().ok_or_else(wrong)?;
            let unit = UNITS.iter().find(|(unit, _)| *unit == letter);
            let (_, seconds) = unit.ok_or_else(wrong)?;
            total = (number.checked_mul(*seconds))
                .and_then(|part| total.checked_add(part))
                .ok_or_else(wrong)?;
            rest = rest[end + letter.len_utf8()..].trim_start();
        }
        match text.trim().is_empty() {
            true => Err(wrong()),
            false => Ok(Self(total)),
        }
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.0;
        let mut first = true;
        for (unit, seconds) in UNITS {
            let count = rest / seconds;
            rest %= seconds;
            if count > 0 {
                write!(f, "{}{count}{unit}", if first { "" } else { " " })?;
                first = false;
            }
        }
        Ok(())
    }
}

/// An age for people: the two largest units, `3d 4h`.
pub fn age(seconds: u64) -> String {
    let text = Span(seconds).to_string();
    let parts: Vec<&str> = text.split(' ').take(2).collect();
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(seconds: u64) {
            prop_assert_eq!(Span(seconds).to_string().parse::<Span>(), Ok(Span(seconds)));
        }

        #[test]
        fn any_text_is_a_span_or_refused(text: String) {
            let _ = text.parse::<Span>();
        }
    }

    #[test]
    fn spans_are_written_as_people_do() {
        for (text, seconds) in [
            ("90s", 90),
            ("26h", 93_600),
            ("1d 12h", 129_600),
            ("2w", 1_209_600),
        ] {
            assert_eq!(text.parse(), Ok(Span(seconds)), "{text}");
        }
        for text in [
            "",
            "26",
            "h",
            "-1h",
            "26 hours",
            "1y",
            "99999999999999999999s",
        ] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
        assert_eq!(age(93_661), "1d 2h");
    }
}
