//! Numbers as people read them, and words as a shell reads them.

/// `1 file`, `2 files`.
pub fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// The beginning of a snapshot's id, by which people name it.
pub fn short_id(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

/// Bytes: `1.50 MiB`.
pub fn bytes(count: u64) -> String {
    let mut value = count as f64;
    let mut unit = "B";
    for larger in ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    match unit {
        "B" => format!("{count} B"),
        _ => format!("{value:.2} {unit}"),
    }
}

/// A word for a shell: in quotes where it needs them.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@,=+%".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_words_in_a_shell() {
        assert_eq!(quoted("/srv/backup"), "/srv/backup");
        assert_eq!(quoted("s3:https://host/bucket"), "s3:https://host/bucket");
        assert_eq!(quoted("a b; rm"), "'a b; rm'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("sftp:backup@host:/srv"), "sftp:backup@host:/srv");
    }

    /// Only Unix has that shell.
    #[cfg(unix)]
    #[test]
    fn a_shell_reads_a_word_as_it_was() {
        for text in [
            "/srv/backup",
            "two words",
            "it's",
            "$(reboot)",
            "",
            "-x;y",
            "a\\b",
        ] {
            let shown = std::process::Command::new("sh")
                .args(["-c", &format!("printf %s {}", quoted(text))])
                .output()
                .expect("a shell");
            assert_eq!(String::from_utf8_lossy(&shown.stdout), text);
        }
    }

    #[test]
    fn numbers_are_read_by_people() {
        assert_eq!(count(1, "log"), "1 log");
        assert_eq!(count(0, "log"), "0 logs");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(1024), "1.00 KiB");
        assert_eq!(bytes(3 << 19), "1.50 MiB");
        assert_eq!(bytes(u64::MAX), "16.00 EiB");
    }
}
