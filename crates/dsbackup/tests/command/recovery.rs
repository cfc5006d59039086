//! Recovery where a user meets it: `recover`, the service's start, the drill.

use std::path::Path;

use crate::lab::{Lab, SmallDisk, assert_same, content, flip_bit};
use ese::Database;
use ese::dump::Dump;

/// What the database says, in the engine's canonical form.
fn dump(database: &Path) -> Vec<u8> {
    let database = Database::open(database).expect("a database");
    assert!(database.is_clean(), "recovered");
    let mut lines = Vec::new();
    Dump::new()
        .with_indexes(true)
        .write(&database, &mut lines)
        .expect("readable");
    lines
}

fn dirty() -> (Lab, Vec<u8>) {
    let fixture = testkit::find("sample-forest/dirty").expect("shipped");
    let expected = fixture
        .companion("expected.jsonl.zst")
        .expect("the engine's dump");
    (Lab::with(&fixture), expected)
}

#[test]
fn recover_into_a_folder_leaves_the_evidence_alone() {
    let (lab, expected) = dirty();
    let before = lab.content();
    let directory = lab.directory();
    let out = lab.path("out");
    let (directory, out) = (
        directory.to_str().expect("plain"),
        out.to_str().expect("plain"),
    );
    let summary = lab.json(&["recover", directory, "--to", out]);
    assert_eq!(
        (
            summary["first_generation"].as_u64(),
            summary["last_generation"].as_u64()
        ),
        (Some(6), Some(7))
    );
    assert_same(&lab.content(), &before, "the evidence");
    assert!(
        dump(&Path::new(out).join("ntds.dit")) == expected,
        "as the engine recovers it"
    );

    let again = lab.run(&["recover", directory, "--to", out]);
    assert_eq!(again.code, Some(1), "nothing is overwritten: {again}");
}

#[test]
fn recover_in_place_and_once_more() {
    let (lab, expected) = dirty();
    let before = lab.content();
    let directory = lab.directory();
    let directory = directory.to_str().expect("plain");
    let run = lab.succeed(&["recover", directory]);
    assert!(run.stdout.contains("replayed-logs"), "{run}");
    assert!(
        dump(&lab.directory().join("ntds.dit")) == expected,
        "as the engine recovers it"
    );
    // The engine would refuse to start over the replayed logs, so they lie elsewhere.
    let recovered = lab.content();
    for (name, bytes) in &before {
        if name != "ntds.dit" {
            assert!(recovered[&format!("replayed-logs/{name}")] == *bytes);
        }
    }
    assert_eq!(recovered.len(), before.len());
    let run = lab.succeed(&["recover", directory]);
    assert!(run.stdout.contains("nothing to recover"), "{run}");
    assert_same(&lab.content(), &recovered, "a clean database is left alone");
}

#[test]
fn a_missing_log_is_refused_and_named() {
    let (lab, _) = dirty();
    std::fs::remove_file(lab.directory().join("edb00006.log")).expect("lose a required log");
    let before = lab.content();
    let directory = lab.directory();
    let run = lab.run(&["recover", directory.to_str().expect("plain")]);
    assert_eq!(run.code, Some(1), "{run}");
    assert!(run.stderr.contains("0x6"), "{run}");
    assert_same(
        &lab.content(),
        &before,
        "a refused recovery changes nothing",
    );
    let refused = lab.serve_refused(&[]);
    assert!(refused.stderr.contains("0x6"), "{refused}");
}

#[test]
fn logs_of_another_base_name_are_refused_with_the_option_to_use() {
    let (lab, _) = dirty();
    let before = lab.content();
    let directory = lab.directory();
    let directory = directory.to_str().expect("plain");
    let run = lab.run(&["recover", directory, "--base-name", "res"]);
    assert_eq!(run.code, Some(1), "{run}");
    assert!(run.stderr.contains("--base-name edb"), "{run}");
    let same = "a refused recovery changes nothing";
    assert_same(&lab.content(), &before, same);
    let refused = lab.serve_refused(&["--base-name", "res"]);
    assert!(refused.stderr.contains("have edb"), "{refused}");
    assert!(refused.stderr.contains("log_base_name"), "{refused}");
    assert_same(&lab.content(), &before, same);
    lab.succeed(&["recover", directory, "--base-name", "EDB"]);
}

#[test]
fn a_hosted_directory_is_not_recovered_by_others() {
    let (lab, _) = dirty();
    let service = lab.serve(&[]);
    let directory = lab.directory();
    let run = lab.run(&["recover", directory.to_str().expect("plain")]);
    assert_eq!(run.code, Some(1), "{run}");
    assert!(run.stderr.contains("in use"), "{run}");
    service.stop();
}

#[test]
fn the_service_recovers_after_a_crash_and_after_a_restore() {
    let (lab, expected) = dirty();
    lab.succeed(&["init"]);
    let service = lab.serve(&[]);
    lab.succeed(&["backup", "--keep-logs"]);
    service.stop();

    // After the crash.
    lab.serve_recovering(&[]).stop();
    assert!(
        dump(&lab.directory().join("ntds.dit")) == expected,
        "after the crash"
    );

    // After a restore of what the crash had left.
    let service = lab.serve(&["--restore-mode"]);
    lab.succeed(&["restore", "latest"]);
    service.stop();
    let service = lab.serve_recovering(&[]);
    assert!(
        dump(&lab.directory().join("ntds.dit")) == expected,
        "after the restore"
    );
    let backup = lab.json(&["backup"]);
    assert_eq!(backup["state"], "Clean Shutdown");
    service.stop();
}

/// The logs in the directory's own folder.
fn logs_in_place(lab: &Lab) -> Vec<String> {
    let is_log =
        |name: &String| !name.contains('/') && (name.ends_with(".log") || name.ends_with(".chk"));
    lab.content().into_keys().filter(is_log).collect()
}

#[test]
fn replayed_logs_are_in_no_engines_way_and_in_every_backup() {
    let (lab, expected) = dirty();
    lab.succeed(&["init"]);
    let logs = logs_in_place(&lab);
    let service = lab.serve_recovering(&[]);
    assert!(
        logs_in_place(&lab).is_empty(),
        "an engine would refuse to start over them"
    );
    let backup = lab.json(&["backup"]);
    assert_eq!(backup["state"], "Clean Shutdown");
    assert_eq!(
        backup["truncated"].as_array().map(Vec::len),
        Some(5),
        "as the checkpoint permits: {backup}"
    );
    service.stop();
    let kept: Vec<String> = lab.content().into_keys().collect();
    assert_eq!(
        kept,
        [
            "ntds.dit",
            "replayed-logs/edb.chk",
            "replayed-logs/edb.log",
            "replayed-logs/edb00006.log",
            "replayed-logs/edbtmp.log"
        ]
    );

    // A restore brings them all back beside the clean database; the next start puts that right.
    let service = lab.serve(&["--restore-mode"]);
    lab.succeed(&["restore", "latest"]);
    service.stop();
    assert_eq!(logs_in_place(&lab), logs);
    let service = lab.serve_recovering(&[]);
    assert!(logs_in_place(&lab).is_empty());
    assert!(lab.content().contains_key("replayed-logs-2/edb00001.log"));
    lab.succeed(&["backup", "--keep-logs"]);
    service.stop();
    assert!(dump(&lab.directory().join("ntds.dit")) == expected);

    // So does the command, for whoever restores into a plain folder.
    let plain = lab.path("plain");
    let plain_name = plain.to_str().expect("plain");
    lab.succeed(&["restore", "latest", "--target", plain_name]);
    assert!(plain.join("edb.log").exists());
    let run = lab.succeed(&["recover", plain_name]);
    assert!(run.stdout.contains("replayed-logs"), "{run}");
    assert!(!plain.join("edb.log").exists() && !plain.join("edb.chk").exists());
    assert!(dump(&plain.join("ntds.dit")) == expected);
}

#[test]
fn corrected_bits_are_told_by_recovery_and_drill() {
    let (lab, expected) = dirty();
    lab.succeed(&["init"]);
    flip_bit(&lab.directory().join("edb00006.log"), 4096 * 20 + 1000);
    let service = lab.serve(&[]);
    let run = lab.run(&["backup", "--keep-logs", "--allow-corrupt"]);
    assert_eq!(run.code, Some(3), "a backup calls it damage: {run}");
    service.stop();

    let scratch = lab.path("scratch");
    std::fs::create_dir(&scratch).expect("a scratch folder");
    let scratch = scratch.to_str().expect("plain");
    let place = "generation 0x6: byte 0x3e8 of segment 0x14";
    let check = lab.json(&["check", "--drill", "--scratch", scratch]);
    assert_eq!(check["drills"][0]["proven"], true, "{check}");
    assert_eq!(check["drills"][0]["corrected"][0], place, "{check}");
    let snapshots = lab.succeed(&["snapshots"]);
    assert!(
        snapshots.stdout.contains("with corrected bits"),
        "{snapshots}"
    );

    let directory = lab.directory();
    let run = lab.succeed(&["recover", directory.to_str().expect("plain")]);
    assert!(run.stderr.contains(place), "{run}");
    assert!(dump(&lab.directory().join("ntds.dit")) == expected);
}

#[test]
fn a_drill_proves_a_snapshot_and_finds_one_that_cannot_be_used() {
    let (lab, _) = dirty();
    lab.succeed(&["init"]);
    let service = lab.serve(&[]);
    lab.succeed(&["backup", "--keep-logs"]);
    service.stop();
    let scratch = lab.path("scratch");
    std::fs::create_dir(&scratch).expect("a scratch folder");
    let scratch = scratch.to_str().expect("plain");
    let check = lab.json(&["check", "--drill", "--scratch", scratch]);
    assert_eq!(check["drills"][0]["proven"], true, "{check}");
    assert_eq!(check["drills"][0]["generations"], "0x6-0x7", "{check}");
    assert!(
        content(Path::new(scratch)).is_empty(),
        "nothing is left behind"
    );
    let snapshots = lab.json(&["snapshots"]);
    assert_eq!(
        snapshots.as_array().map(Vec::len),
        Some(1),
        "verdicts are no snapshots of a directory: {snapshots}"
    );
    assert_eq!(snapshots[0]["drill"]["proven"], true, "{snapshots}");

    // Its verdict is fresh: it is not drilled again, unless that is asked for.
    let time = check["drills"][0]["time"].clone();
    let drill = |more: &[&str]| {
        let check = ["check", "--drill", "--scratch", scratch];
        lab.json(&[&check[..], more].concat())["drills"][0].clone()
    };
    let passed_over = drill(&[]);
    assert_eq!(
        (&passed_over["time"], &passed_over["earlier"]),
        (&time, &true.into())
    );
    for again in [
        &["--all"][..],
        &["--fresh-for", "0"],
        &["--snapshot", "latest"],
    ] {
        let drilled = drill(again);
        assert!(
            drilled["proven"] == true && drilled["earlier"] == false,
            "{drilled}"
        );
    }

    // A snapshot whose page is damaged was stored on request; the drill says what it is worth. A
    // single bit would be corrected.
    flip_bit(&lab.directory().join("ntds.dit"), 41 * 8192 + 1234);
    flip_bit(&lab.directory().join("ntds.dit"), 41 * 8192 + 1301);
    let service = lab.serve(&[]);
    let run = lab.run(&["backup", "--allow-corrupt"]);
    assert_eq!(run.code, Some(3), "{run}");
    service.stop();
    let run = lab.run(&[
        "check",
        "--drill",
        "--snapshot",
        "latest",
        "--scratch",
        scratch,
    ]);
    assert_eq!(run.code, Some(3), "{run}");
    assert!(run.stdout.contains("FAILED"), "{run}");
    assert!(run.stdout.contains("page 40"), "{run}");
    let snapshots = lab.json(&["snapshots"]);
    assert_eq!(snapshots[1]["drill"]["proven"], false, "{snapshots}");
    // It is not drilled again either, and still damaged.
    let run = lab.run(&["check", "--drill", "--scratch", scratch]);
    assert_eq!(run.code, Some(3), "{run}");
    assert!(
        run.stdout.contains("FAILED its drill by the drill of"),
        "{run}"
    );
    // The newest snapshot is still the newest of a directory.
    let plain = lab.path("plain");
    lab.succeed(&[
        "restore",
        "latest",
        "--target",
        plain.to_str().expect("plain"),
    ]);
    assert!(plain.join("ntds.dit").exists());
}

#[test]
fn a_machine_that_cannot_drill_says_nothing_against_the_snapshot() {
    let (lab, _) = dirty();
    lab.succeed(&["init"]);
    let service = lab.serve(&[]);
    lab.succeed(&["backup", "--keep-logs"]);
    service.stop();
    let Some(disk) = SmallDisk::mount(lab.path("scratch"), 512) else {
        return;
    };
    let scratch = lab.path("scratch");
    let drill = [
        "check",
        "--drill",
        "--scratch",
        scratch.to_str().expect("plain"),
    ];
    let run = lab.run(&drill);
    assert_eq!(run.code, Some(5), "{run}");
    assert!(
        run.stdout
            .contains("is not proven, and not known to be damaged"),
        "{run}"
    );
    let snapshots = lab.json(&["snapshots"]);
    let verdict = &snapshots[0]["drill"];
    assert!(verdict["not_proven"].is_string() && verdict["findings"] == serde_json::json!([]));

    // With room it is drilled, and what a machine could not prove later takes nothing away.
    disk.resize(1 << 17);
    let drilled = lab.json(&drill);
    assert_eq!(drilled["drills"][0]["proven"], true, "{drilled:#}");
    disk.resize(512);
    let run = lab.run(&[&drill[..], &["--all"]].concat());
    assert_eq!(run.code, Some(5), "{run}");
    assert_eq!(lab.json(&["snapshots"])[0]["drill"]["proven"], true);
}
