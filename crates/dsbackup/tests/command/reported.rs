//! Inputs after public reports, where the full set of test data is at hand. They are others' data,
//! and stay there.

use std::path::PathBuf;

use crate::lab::set::{run, succeed, text};

/// A reported file, unpacked into a folder of its own.
fn reported(case: &str, name: &str) -> Option<(tempfile::TempDir, String)> {
    let folder = testkit::full_set()?.join("reported").join(case);
    let reported = testkit::Fixture {
        name: format!("reported/{case}"),
        archive: folder.join(name),
    };
    let Some(content) = reported.companion(&format!("{name}.zst")) else {
        eprintln!("note: {} is not on this machine; skipped", reported.name);
        return None;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let path: PathBuf = folder.path().join(name);
    std::fs::write(&path, content).expect("write");
    Some((folder, text(&path)))
}

#[test]
fn points_in_time_that_an_application_keeps_its_own_way_are_dates() {
    let Some((_folder, file)) = reported("csv-filetime", "Current.mdb") else {
        return;
    };
    let csv = succeed(&["dump", "--csv", "--table", "CLIENTS", &file]).stdout;
    assert!(csv.contains(",2021-06-12 23:47:21.2323235,2021-06-13 15:48:08.6024421,"));
    assert!(!csv.contains("0.0000000"));
}

#[test]
fn damage_in_a_record_leaves_no_line_cut_off() {
    let Some((_folder, file)) = reported("cut-off-json-line", "oldrec.edb") else {
        return;
    };
    for arguments in [&["dump"][..], &["dump", "--table", "TestTable"]] {
        let dumped = run(&[arguments, &[&file]].concat());
        assert_eq!(dumped.code, Some(3), "{}", dumped.stderr);
        assert!(dumped.stdout.ends_with('\n'));
        for line in dumped.stdout.lines() {
            serde_json::from_str::<serde_json::Value>(line).expect("a whole line");
        }
    }
}

#[test]
fn a_temporary_database_has_nothing_to_verify() {
    let Some((_folder, file)) = reported("temp-edb", "temp.edb") else {
        return;
    };
    let checked = run(&["verify-db", &file]);
    assert_eq!(checked.code, Some(2), "{checked}");
    let words = "a temporary database of the engine; nothing to verify";
    assert!(checked.stderr.contains(words), "{checked}");
    assert!(checked.stdout.is_empty(), "{checked}");
}

#[test]
fn a_root_flag_that_repair_left_is_a_note_and_the_tree_is_read_to_its_end() {
    let Some((_folder, file)) = reported("verify-repaired-root-flag", "Windows.edb") else {
        return;
    };
    let checked = succeed(&["verify-db", &file]);
    assert!(
        checked.stdout.contains("note: offset 0x4a0000"),
        "{checked}"
    );
    assert!(
        checked.stdout.ends_with("sound (Clean Shutdown), 1 note\n"),
        "{checked}"
    );
    let dumped = succeed(&["dump", &file]);
    assert!(
        dumped
            .stdout
            .contains("\"table\":\"SystemIndex_PropertyStore\",\"n\":918")
    );
}
