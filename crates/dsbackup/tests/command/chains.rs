//! Backups of logs alone: what continues what, points in time, gaps.

use crate::lab;
use crate::lab::Lab;
use crate::lab::chain::Chain;
use crate::lab::token::{expired, store_with_token};
use ese::header::LogHeader;
use serde_json::Value;

/// The generation in use at each backup of the fixture.
const CURRENT: [u32; 3] = [2, 4, 6];

/// The database is not called as that of an installed directory.
const NAME: [&str; 2] = ["--database-name", "test.edb"];

/// The directory goes on to a point of the fixture, which holds closed logs only: its last one
/// stands for the log in use.
fn goes_on(lab: &Lab, point: usize) {
    let directory = lab.directory();
    let _ = std::fs::remove_file(directory.join("edb.log"));
    let source = Chain::shipped().part(point);
    for entry in std::fs::read_dir(source.path()).expect("listed") {
        let name = entry.expect("listed").file_name();
        let name = name.to_str().expect("plain");
        let to = match name == format!("edb{:05X}.log", CURRENT[point]) {
            true => "edb.log",
            false => name,
        };
        std::fs::copy(source.path().join(name), directory.join(to)).expect("copied");
    }
}

/// A full backup and two of logs, without a service; their ids.
fn chain() -> (Lab, Vec<String>) {
    let lab = Lab::empty();
    lab.succeed(&["init"]);
    let mut ids = Vec::new();
    for point in 0..3 {
        goes_on(&lab, point);
        let report = back_up(&lab, point > 0);
        assert_eq!(report["continues"].as_str(), ids.last().map(String::as_str));
        ids.push(report["snapshot"].as_str().expect("an id").to_owned());
    }
    (lab, ids)
}

fn directory_of(lab: &Lab) -> String {
    lab.directory().display().to_string()
}

fn back_up(lab: &Lab, logs_only: bool) -> Value {
    let directory = directory_of(lab);
    let mut arguments = vec!["backup", "--directory", &directory, NAME[0], NAME[1]];
    arguments.extend(logs_only.then_some("--logs-only"));
    lab.json(&arguments)
}

fn restore(lab: &Lab, snapshot: &str, until: Option<&str>, name: &str) -> lab::Run {
    let target = lab.path(name).display().to_string();
    let mut arguments = vec!["restore", snapshot, "--target", &target];
    arguments.extend(until.iter().flat_map(|until| ["--until", until]));
    lab.run(&arguments)
}

fn forget_by_force(lab: &Lab, id: &str) {
    std::fs::remove_file(lab.repository().join("snapshots").join(id)).expect("a snapshot");
}

#[test]
fn a_chain_leads_to_each_of_its_points() {
    let (lab, ids) = chain();
    let list = lab.json(&["snapshots"]);
    assert_eq!(list[0]["continues"], Value::Null);
    assert_eq!(list[2]["continues"].as_str(), Some(ids[1].as_str()));
    let text = lab.succeed(&["snapshots"]).stdout;
    assert!(
        text.contains(&format!("continues {}", &ids[0][..8])),
        "{text}"
    );

    let chain_of_engine = Chain::shipped();
    // By the snapshot, and by the generation: the whole chain, or as much of it as that takes.
    for (point, id) in ids.iter().enumerate() {
        let last = format!("{:#x}", CURRENT[point]);
        for (how, snapshot) in [("id", id.as_str()), ("latest", "latest")] {
            let name = format!("{how}-{point}");
            let run = restore(&lab, snapshot, Some(&last), &name);
            assert_eq!(run.code, Some(0), "{run}");
            assert!(run.stdout.contains("replayed generations"), "{run}");
            chain_of_engine.assert_is(point, &lab.path(&name));
        }
    }

    // Without --until the files are as they were, for a later recovery.
    let run = restore(&lab, "latest", None, "plain");
    assert_eq!(run.code, Some(0), "{run}");
    let plain = lab.path("plain").display().to_string();
    lab.succeed(&["recover", &plain]);
    Chain::shipped().assert_is(2, &lab.path("plain"));

    // Back into the directory, which hosts it again: all of it.
    let directory = directory_of(&lab);
    lab.succeed(&[
        "restore",
        "latest",
        "--directory",
        &directory,
        NAME[0],
        NAME[1],
    ]);
    lab.succeed(&["recover", &directory]);
    Chain::shipped().assert_is(2, &lab.directory());
}

#[test]
fn a_directory_is_restored_as_of_a_point_between_two_snapshots() {
    let (lab, engine) = (Lab::empty(), Chain::shipped());
    lab.succeed(&["init"]);
    goes_on(&lab, 0);
    back_up(&lab, false);
    // With the logs of two points.
    goes_on(&lab, 1);
    goes_on(&lab, 2);
    let later = back_up(&lab, true)["snapshot"].clone();
    let later = later.as_str().expect("an id");
    // The logs are older than all of these snapshots, so a time lies within the whole one.
    let whole = back_up(&lab, false)["snapshot"].clone();
    let whole = whole.as_str().expect("an id");
    let begun = LogHeader::read(&lab.directory().join("edb00005.log"));
    let begun = begun.expect("a log").created;
    let (hours, minutes, seconds, milliseconds) = begun.time_of_day();
    let time = format!(
        "{:04}-{:02}-{:02}T{hours:02}:{minutes:02}:{seconds:02}.{milliseconds:03}Z",
        begun.year(),
        begun.month(),
        begun.day()
    );

    let directory = directory_of(&lab);
    let restore = |snapshot, until| {
        let into = ["--directory", &directory, NAME[0], NAME[1]];
        lab.run(&[&["restore", snapshot, "--until", until][..], &into].concat())
    };
    for (snapshot, until) in [("latest", "4"), (later, "0x4"), (whole, time.as_str())] {
        let run = restore(snapshot, until);
        assert_eq!(run.code, Some(0), "{until}: {run}");
        assert!(
            run.stderr.contains("after generation 0x4"),
            "{until}: {run}"
        );
        lab.succeed(&["recover", &directory]);
        engine.assert_is(1, &lab.directory());
    }

    // The database itself is newer than that; nothing is touched.
    for until in ["1", "1999-12-31T23:59:59Z"] {
        let refused = restore(whole, until);
        assert_eq!(refused.code, Some(4), "{until}: {refused}");
        assert!(refused.stderr.contains("earlier snapshot"), "{refused}");
        engine.assert_is(1, &lab.directory());
    }
}

#[test]
fn each_snapshot_of_a_chain_is_drilled_with_what_it_continues() {
    let lab = Lab::with_repository("sample-forest/dirty");
    let directory = directory_of(&lab);
    lab.succeed(&["backup", "--directory", &directory]);
    lab.succeed(&["backup", "--directory", &directory, "--logs-only"]);
    let drilled = lab.json(&["check", "--drill", "--all"]);
    let drills = drilled["drills"].as_array().expect("drills");
    assert_eq!(drills.len(), 2);
    assert!(
        drills
            .iter()
            .all(|drill| drill["proven"] == true && drill["rows"] == drills[0]["rows"]),
        "{drilled:#}"
    );
    let mut list = lab.dsbackup(&["snapshots"]);
    let list = lab::Run::of(list.env("TZ", "EST5"));
    assert_eq!(list.stdout.matches(" EST").count(), 6, "{list}");
    assert!(!list.stdout.contains("Z"), "{list}");
    let cache = lab.path("cache").display().to_string();
    let exported = |snapshot: &Value| {
        let id = snapshot["snapshot"].as_str().expect("an id");
        lab.succeed(&["export", id, "--jsonl", "--cache", &cache])
            .stdout
    };
    assert!(exported(&drills[1]).lines().count() > 100, "its objects");
    assert!(
        exported(&drills[0]) == exported(&drills[1]),
        "nothing changed"
    );
    lab.succeed(&["forget", "--keep-last", "1"]);
    assert_eq!(lab.snapshot_count(), 2, "the newest continues the other");
}

/// A domain controller goes on between three backups. Each drill proves the state of its own point.
#[test]
fn drills_of_a_chain_prove_what_changed() {
    let Some(engine) = Chain::contoso() else {
        return;
    };
    let lab = Lab::empty();
    lab.succeed(&["init"]);
    let directory = directory_of(&lab);
    engine.full(&lab.directory());
    let mut later = engine.later();
    lab.succeed(&["backup", "--directory", &directory]);
    for point in 1..engine.points().end {
        for _ in engine.end(point - 1)..engine.end(point) {
            later
                .pop_front()
                .expect("a log")
                .finish_in(&lab.directory());
        }
        // The chain holds closed logs only: the last one of a point stands for the log in use.
        let closed = (lab.directory()).join(format!("edb{:05X}.log", engine.end(point)));
        let in_use = lab.directory().join("edb.log");
        std::fs::rename(&closed, &in_use).expect("renamed");
        lab.succeed(&["backup", "--directory", &directory, "--logs-only"]);
        std::fs::rename(&in_use, &closed).expect("renamed");
    }
    let drilled = lab.json(&["check", "--drill", "--all"]);
    let drills = drilled["drills"].as_array().expect("drills");
    assert_eq!(drills.len(), engine.points().end);
    for (point, drill) in drills.iter().enumerate() {
        assert_eq!(drill["proven"], true, "point {point}: {drill:#}");
        let name = format!("point-{point}");
        let id = drill["snapshot"].as_str().expect("an id");
        let run = restore(&lab, id, None, &name);
        assert_eq!(run.code, Some(0), "{run}");
        let folder = lab.path(&name).display().to_string();
        lab.succeed(&["recover", &folder]);
        engine.assert_is(point, &lab.path(&name));
        let database = lab.path(&name).join(engine.database_name());
        let facts = lab.json(&["facts", database.to_str().expect("plain")]);
        for (proven, read) in [
            (&drill["directory"]["objects"], &facts["counts"]["objects"]),
            (
                &drill["directory"]["highest_committed_usn"],
                &facts["highest_committed_usn"],
            ),
        ] {
            assert!(
                proven.is_u64() && proven == read,
                "point {point}: {drill:#}"
            );
        }
    }
    let rows = |point: usize| drills[point]["rows"].as_u64();
    assert!(rows(0) < rows(1) && rows(1) < rows(2), "{drilled:#}");
}

#[test]
fn a_copy_of_a_chain_is_a_chain() {
    let (lab, _) = chain();
    let other = lab.path("other").display().to_string();
    let second = ["--repository", other.as_str()];
    lab.succeed(&[&["init"], &second[..]].concat());
    let mut copy = lab.dsbackup(&["copy", "latest", "--to", &other]);
    let run = lab::Run::of(copy.env("DSBACKUP_TO_PASSWORD", lab::PASSWORD));
    assert_eq!(run.code, Some(0), "{run}");
    let list = lab.json(&[&["snapshots"], &second[..]].concat());
    assert_eq!(list.as_array().map(Vec::len), Some(3), "{list:#}");
    assert_eq!(list[2]["continues"], list[1]["snapshot"]);
    let target = lab.path("target").display().to_string();
    let until = ["restore", "latest", "--target", &target, "--until", "6"];
    lab.succeed(&[&until[..], &second[..]].concat());
    Chain::shipped().assert_is(2, &lab.path("target"));
    // The next logs continue the copy.
    let directory = directory_of(&lab);
    let logs = [
        "backup",
        "--logs-only",
        "--directory",
        &directory,
        NAME[0],
        NAME[1],
    ];
    lab.succeed(&[&logs[..], &second[..]].concat());
}

#[test]
fn a_gap_is_named_and_nothing_is_restored_over_it() {
    let (lab, ids) = chain();
    forget_by_force(&lab, &ids[1]);
    let text = lab.succeed(&["snapshots"]).stdout;
    assert!(
        text.contains(&format!("continues {}, which is gone", &ids[1][..8])),
        "{text}"
    );
    let run = restore(&lab, &ids[2], None, "target");
    assert_eq!(run.code, Some(3), "{run}");
    assert!(
        run.stderr.contains(&ids[1][..8]) && run.stderr.contains("take a full backup"),
        "{run}"
    );
    assert!(!lab.path("target").exists());
    let directory = directory_of(&lab);
    let run = lab.run(&[
        "backup",
        "--logs-only",
        "--directory",
        &directory,
        NAME[0],
        NAME[1],
    ]);
    assert_eq!(run.code, Some(3), "{run}");
    let drilled = lab.run(&["check", "--drill", "--snapshot", &ids[2]]);
    assert_eq!(drilled.code, Some(3), "{drilled}");

    // A point beyond the gap is not taken for the last one before it.
    let run = restore(&lab, "latest", Some("6"), "beyond");
    assert_eq!(run.code, Some(3), "{run}");
    assert!(run.stderr.contains(&ids[1][..8]), "{run}");
    assert!(!lab.path("beyond").exists());
    let run = restore(&lab, &ids[0], Some("2"), "before");
    assert_eq!(run.code, Some(0), "{run}");
    Chain::shipped().assert_is(0, &lab.path("before"));

    let checked = lab.run(&["check"]);
    assert_eq!(checked.code, Some(3), "{checked}");
    assert!(checked.stdout.contains(&ids[1][..8]), "{checked}");
    let other = lab.path("other").display().to_string();
    lab.succeed(&["init", "--repository", &other]);
    let mut copy = lab.dsbackup(&["copy", "--to", &other]);
    let copied = lab::Run::of(copy.env("DSBACKUP_TO_PASSWORD", lab::PASSWORD));
    assert_eq!(copied.code, Some(3), "{copied}");
    assert!(copied.stdout.contains(&ids[1][..8]), "{copied}");

    // What can be restored stays, although the logs are newer.
    let forgotten = lab.succeed(&["forget", "--keep-last", "1"]);
    assert!(
        forgotten.stdout.contains("newest of its server"),
        "{forgotten}"
    );
    let run = restore(&lab, &ids[0], None, "whole");
    assert_eq!(run.code, Some(0), "{run}");
}

#[test]
fn nothing_of_a_chain_without_its_beginning_can_be_restored() {
    let (lab, ids) = chain();
    for (snapshot, until) in [
        ("latest", "7"),
        (ids[1].as_str(), "5"),
        (ids[0].as_str(), "4"),
    ] {
        let run = restore(&lab, snapshot, Some(until), "beyond");
        assert_eq!(run.code, Some(4), "{until}: {run}");
        assert!(run.stderr.contains("a later snapshot"), "{until}: {run}");
        assert!(!lab.path("beyond").exists());
    }
    forget_by_force(&lab, &ids[0]);
    let list = lab.json(&["snapshots"]);
    let unusable = |index: usize| list[index]["unusable"].as_str().unwrap_or_default();
    assert_eq!(
        unusable(0),
        format!("continues {}, which is gone", &ids[0][..8])
    );
    assert_eq!(
        unusable(1),
        format!("continues {}, which cannot be restored", &ids[1][..8])
    );
    let run = restore(&lab, "latest", Some("6"), "target");
    assert_eq!(run.code, Some(4), "{run}");
    assert!(run.stderr.contains("take a full backup"), "{run}");
    lab.succeed(&["forget", "--keep-last", "1"]);
    assert_eq!(
        lab.snapshot_count(),
        2,
        "another repository may have the beginning"
    );
}

#[test]
fn logs_continue_a_snapshot_or_are_refused() {
    let lab = Lab::empty();
    lab.succeed(&["init"]);
    goes_on(&lab, 0);
    let directory = directory_of(&lab);
    let logs_only = [
        "backup",
        "--logs-only",
        "--directory",
        &directory,
        NAME[0],
        NAME[1],
    ];
    let run = lab.run(&logs_only);
    assert_eq!(run.code, Some(4), "nothing to continue: {run}");
    back_up(&lab, false);

    // A log that no snapshot holds is gone.
    goes_on(&lab, 2);
    std::fs::remove_file(lab.directory().join("edb00003.log")).ok();
    let run = lab.run(&logs_only);
    assert_ne!(run.code, Some(0), "{run}");
    assert!(run.stderr.contains("full backup"), "{run}");

    // Another database, with logs of the same names.
    for entry in std::fs::read_dir(lab.directory()).expect("listed") {
        std::fs::remove_file(entry.expect("listed").path()).expect("removed");
    }
    let other = testkit::find("sample-forest/dirty").expect("shipped");
    other.unpack_into(&lab.directory());
    let run = lab.run(&logs_only[..4]);
    assert_eq!(run.code, Some(4), "{run}");
    assert!(run.stderr.contains("take a full backup"), "{run}");
    assert_eq!(lab.snapshot_count(), 1);
}

#[test]
fn the_token_of_what_is_restored_decides() {
    let lab = Lab::empty();
    lab.succeed(&["init"]);
    goes_on(&lab, 0);
    let full = back_up(&lab, false);
    // The whole directory is a tombstone lifetime old, the logs that continue it are new.
    store_with_token(&lab, expired);
    forget_by_force(&lab, full["snapshot"].as_str().expect("an id"));
    goes_on(&lab, 1);
    let logs = back_up(&lab, true);
    let logs = logs["snapshot"].as_str().expect("an id");
    for (how, until, code) in [
        ("old", (CURRENT[0] - 1).to_string(), 4),
        ("old-time", "2026-09-22T00:00:00Z".into(), 4),
        ("new", CURRENT[1].to_string(), 0),
    ] {
        let run = restore(&lab, logs, Some(&until), how);
        assert_eq!(run.code, Some(code), "{how}: {run}");
        let expired = run.stderr.contains("hrContentsExpired");
        assert_eq!(expired, code == 4, "{how}: {run}");
    }
    Chain::shipped().assert_is(1, &lab.path("new"));
}
