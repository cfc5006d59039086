//! A single flipped bit, wherever it is, is found and named; nothing that is damaged passes for a
//! backup.

use crate::lab::{Lab, assert_same, content, flip_bit};

#[test]
fn a_flipped_bit_in_the_database_stops_the_backup() {
    let lab = Lab::with_repository("sample-forest/clean");
    let database = lab.directory().join(&lab.database_name);
    // Page 40 lies behind the header and its shadow: (40 + 1) pages of 8 KiB into the file.
    flip_bit(&database, 41 * 8192 + 1234);
    let damaged = lab.content();
    let service = lab.serve(&[]);

    let run = lab.run(&["backup"]);
    assert_eq!(run.code, Some(3), "{run}");
    for word in ["ntds.dit", "page 40", "expected", "hrReadVerifyFailure"] {
        assert!(run.stderr.contains(word), "{word}: {run}");
    }
    assert_eq!(lab.snapshot_count(), 0);
    assert_same(
        &lab.content(),
        &damaged,
        "a failed backup changed the directory",
    );

    // On request it is stored all the same, and marked; logs stay where they are.
    let run = lab.run(&["backup", "--allow-corrupt", "--json"]);
    assert_eq!(run.code, Some(3), "{run}");
    let backup: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(backup["damaged"], true);
    let snapshots = lab.json(&["snapshots"]);
    assert_eq!(snapshots[0]["damaged"], true, "{snapshots}");
    assert_same(&lab.content(), &damaged, "logs were truncated after damage");
    service.stop();

    let plain = lab.path("plain");
    lab.succeed(&[
        "restore",
        "latest",
        "--target",
        plain.to_str().expect("plain"),
    ]);
    assert_same(&content(&plain), &damaged, "damage is stored as it is");
}

#[test]
fn a_flipped_bit_in_a_log_stops_the_backup() {
    let lab = Lab::with_repository("sample-forest/dirty");
    let log = lab.directory().join("edb00003.log");
    flip_bit(&log, 5 * 4096 + 77);
    let service = lab.serve(&[]);
    let run = lab.run(&["backup"]);
    assert_eq!(run.code, Some(3), "{run}");
    for word in ["edb00003.log", "expected", "hrLogFileCorrupt"] {
        assert!(run.stderr.contains(word), "{word}: {run}");
    }
    assert_eq!(lab.snapshot_count(), 0);
    assert!(lab.directory().join("edb00001.log").exists());

    flip_bit(&log, 5 * 4096 + 77);
    lab.succeed(&["backup"]);
    service.stop();
}

#[test]
fn a_flipped_bit_in_the_repository_is_found_and_never_restored() {
    let lab = Lab::with_repository("sample-forest/clean");
    let original = lab.content();
    let service = lab.serve(&[]);
    lab.succeed(&["backup", "--keep-logs"]);
    lab.succeed(&["check", "--read-data"]);
    let pack = largest_pack(&lab);
    flip_bit(&pack, 100);

    let run = lab.run(&["check", "--read-data"]);
    assert_eq!(run.code, Some(3), "{run}");
    let name = pack.file_name().expect("a name").to_string_lossy();
    assert!(
        (run.stderr.clone() + &run.stdout).contains(&name[..8]),
        "{run}"
    );
    service.stop();

    let plain = lab.path("plain");
    let run = lab.run(&[
        "restore",
        "latest",
        "--target",
        plain.to_str().expect("plain"),
    ]);
    assert_eq!(run.code, Some(3), "{run}");

    // What the restore leaves behind cannot be taken for a directory.
    let service = lab.serve(&["--restore-mode"]);
    let run = lab.run(&["restore", "latest"]);
    assert_eq!(run.code, Some(3), "{run}");
    service.stop();
    lab.serve_refused(&[]);

    // Mended, the same snapshot restores.
    flip_bit(&pack, 100);
    let service = lab.serve(&["--restore-mode"]);
    lab.succeed(&["restore", "latest"]);
    service.stop();
    assert_same(&lab.content(), &original, "after the repository was mended");
    lab.serve(&[]).stop();
}

fn largest_pack(lab: &Lab) -> std::path::PathBuf {
    let data = lab.repository().join("data");
    std::fs::read_dir(data)
        .expect("the repository's packs")
        .flat_map(|folder| std::fs::read_dir(folder.expect("entry").path()).expect("packs"))
        .map(|entry| entry.expect("entry").path())
        .max_by_key(|path| path.metadata().expect("size").len())
        .expect("a pack")
}
