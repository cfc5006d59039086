//! A large database is read in little memory: the number of cached pages is bounded.
#![cfg(target_os = "linux")]

use ese::Database;

/// The peak memory of this process, in MiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.unwrap().parse::<u64>().unwrap() / 1024
}

#[test]
fn every_page_of_a_database_larger_than_the_allowed_memory() {
    let folder = testkit::find("sample-forest/clean").unwrap().unpack();
    let path = folder.path().join("ntds.dit");
    let file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(1 << 30).unwrap();
    let database = Database::open(&path).unwrap();
    let mut sound = 0;
    for number in 1..=database.page_count() {
        if let Ok(page) = database.page(number) {
            sound += u32::from(page.view().bytes().iter().any(|byte| *byte != 0));
        }
    }
    assert!(sound > 100, "{sound}");
    // All of 1 GiB was read.
    assert!(database.page_count() > 100_000);
    let peak = peak();
    assert!(peak < 200, "{peak} MiB");
}
