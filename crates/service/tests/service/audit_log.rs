//! The audit log as a reader sees it.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

/// The lines that are complete: one may be on its way.
pub fn lines(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    text.split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

pub fn of_call<'a>(lines: &'a [Value], call: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["call"] == call).collect()
}

/// The one line that a refusal leaves, with ERROR_ACCESS_DENIED, and no other.
pub fn refusal(file: &Path, attempt: impl FnOnce()) -> Value {
    let denied = || -> Vec<Value> {
        let mut lines = lines(file);
        lines.retain(|line| line["code"] == "0x00000005");
        lines
    };
    let before = denied().len();
    attempt();
    let deadline = Instant::now() + Duration::from_secs(30);
    while denied().len() == before {
        assert!(Instant::now() < deadline, "it left no line");
        std::thread::sleep(Duration::from_millis(10));
    }
    // No other line follows.
    std::thread::sleep(Duration::from_millis(300));
    let mut denied = denied().split_off(before);
    assert_eq!(denied.len(), 1, "{denied:#?}");
    denied.remove(0)
}
