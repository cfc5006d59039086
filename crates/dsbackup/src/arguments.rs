//! How the command line writes times, spans of time and generations, and where options may stand.

use std::ffi::OsString;
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

/// The options of a repository, which may stand before the subcommand.
const REPOSITORY_OPTIONS: [&str; 4] = [
    "--repository",
    "--password-file",
    "--password-command",
    "--store-option",
];

/// Moves the options of a repository that stand before the subcommand behind it, where they belong:
/// `dsbackup -r /srv/backup snapshots`, as restic's users write.
pub fn repository_options_behind(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments = arguments.peekable();
    let mut stay: Vec<OsString> = arguments.next().into_iter().collect();
    let mut moved = Vec::new();
    while let Some(argument) = arguments.next_if(|next| next.as_encoded_bytes().starts_with(b"-")) {
        let text = argument.to_str().unwrap_or("");
        let name = text.split_once('=').map_or(text, |(name, _)| name);
        let is_long = REPOSITORY_OPTIONS.contains(&name);
        match is_long || (text.starts_with("-r") && !text.starts_with("--")) {
            false => stay.push(argument),
            true => {
                let has_value = match is_long {
                    true => text.contains('='),
                    false => text.len() > "-r".len(),
                };
                moved.push(argument);
                if !has_value {
                    moved.extend(arguments.next());
                }
            }
        }
    }
    let rest: Vec<OsString> = arguments.collect();
    // Behind -- all are values.
    let end = rest.iter().position(|argument| argument == "--");
    let (options, values) = rest.split_at(end.unwrap_or(rest.len()));
    stay.extend_from_slice(options);
    stay.extend(moved);
    stay.extend_from_slice(values);
    stay
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repository_options_may_stand_before_the_subcommand() {
        for (given, parsed) in [
            ("d -r /a snapshots", "d snapshots -r /a"),
            ("d --json -r/a -q forget x", "d --json -q forget x -r/a"),
            (
                "d --repository=/a --password-file f ls",
                "d ls --repository=/a --password-file f",
            ),
            (
                "d -r /a repair index -n -- x",
                "d repair index -n -r /a -- x",
            ),
            ("d snapshots -r /a", "d snapshots -r /a"),
            ("d --help", "d --help"),
            ("d -r", "d -r"),
            ("", ""),
        ] {
            let words = given.split_whitespace().map(OsString::from);
            let words = repository_options_behind(words);
            let parsed: Vec<OsString> = parsed.split_whitespace().map(OsString::from).collect();
            assert_eq!(words, parsed, "{given}");
        }
    }
}
