//! How the command line writes times, spans of time and generations.

use std::time::Duration;

use ese::recovery::Stop;
use jiff::SignedDuration;

/// Reads a span of time as people write it: `90s`, `10m`, `1h 30m`.
///
/// # Errors
/// For what is no span of time, or a negative one.
pub fn duration(text: &str) -> std::result::Result<Duration, String> {
    let span: SignedDuration = (text.parse())
        .map_err(|_| "expected a span of time, such as 90s, 10m or 1h".to_string())?;
    Duration::try_from(span).map_err(|_| "expected a span of time of 0 or more".to_string())
}

/// A place to stop: a generation (decimal, or hexadecimal behind 0x), or a time (RFC 3339).
///
/// # Errors
/// For what is neither.
pub fn stop(text: &str) -> std::result::Result<Stop, String> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    };
    if let Some(generation) = number {
        return Ok(Stop::Generation(generation));
    }
    text.parse::<jiff::Timestamp>()
        .map(|time| Stop::Time(time.into()))
        .map_err(|_| "expected a generation (7 or 0x7) or a time (2026-11-22T10:00:00Z)".into())
}
