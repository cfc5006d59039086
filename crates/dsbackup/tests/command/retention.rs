//! What becomes of snapshots over the days: by `dsbackup forget`, and by restic's own.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::lab::{self, Lab, PASSWORD, Run};
use repository::*;

/// Noon of the third day.
const NOON: u64 = 1_795_780_800;

fn restic(lab: &Lab, arguments: &[&str]) -> Option<Run> {
    let output = Command::new("restic")
        .args(arguments)
        .args(["--no-cache", "--repo"])
        .arg(lab.repository())
        .env("RESTIC_PASSWORD", PASSWORD)
        .output();
    match output {
        Ok(output) => Some(Run::from(output)),
        Err(_) => {
            eprintln!("note: restic is not installed; this part of the test is skipped");
            None
        }
    }
}

fn open(lab: &Lab) -> Repository {
    let location = Location::parse(lab.repository().to_str().expect("plain")).expect("a location");
    Repository::open(&location, &Password::new(PASSWORD), &Default::default())
        .expect("the repository")
}

/// The files of a snapshot once more.
struct Again {
    files: std::vec::IntoIter<SnapshotFileInfo>,
    snapshot: OpenSnapshot,
}

impl Source for Again {
    fn next(&mut self) -> Result<Option<SourceFile<'_>>, BoxError> {
        let Some(file) = self.files.next() else {
            return Ok(None);
        };
        Ok(Some(SourceFile {
            content: Box::new(self.snapshot.open(&file.path)?),
            path: file.path,
            size: file.size,
            modified: file.modified,
            chunk_size: ChunkSize::Standard,
            prove: false,
        }))
    }

    fn finish(&mut self, _: &[StoredFile]) -> Result<Vec<NewFile>, BoxError> {
        Ok(Vec::new())
    }
}

/// Stores a snapshot again as it would have been made of another server at another time; returns
/// its id.
fn made(repository: &Repository, model: &str, host: &str, time: u64) -> String {
    let info = repository.snapshot(model).expect("a snapshot");
    let snapshot = repository.open_snapshot(&info).expect("readable");
    let files: Vec<_> = snapshot.files().collect();
    let mut source = Again {
        files: files.into_iter(),
        snapshot,
    };
    let request = BackupRequest {
        host: host.into(),
        path: WHOLE.into(),
        label: info.label,
        tags: Vec::new(),
        time: SystemTime::UNIX_EPOCH + Duration::from_secs(time),
        program: info.program,
    };
    let lock = repository.lock(LockKind::Shared, Duration::ZERO);
    let lock = lock.expect("a lock");
    let backup = repository.backup(&lock, &request, &mut source, &mut |_| ());
    backup.expect("stored").snapshot.id
}

/// A repository with three days of backups of two servers, two a day, and nothing else; the ids by
/// server, oldest first.
fn three_days(lab: &Lab) -> [Vec<String>; 2] {
    lab.succeed(&["init"]);
    let service = lab.serve(&[]);
    let model = lab.json(&["backup", "--keep-logs"]);
    service.stop();
    let model = model["snapshot"].as_str().expect("an id");
    let repository = open(lab);
    let servers = [("DC1", 0), ("DC2", 60)].map(|(server, later)| {
        let day = |day: u64| {
            let time = NOON + later - (2 - day) * 86_400;
            [time - 10_800, time].map(|time| made(&repository, model, server, time))
        };
        (0..3).flat_map(day).collect::<Vec<_>>()
    });
    repository.forget(&[model]).expect("the model goes");
    servers
}

fn drill(lab: &Lab, snapshot: &str) {
    let scratch = lab.path("scratch");
    let _ = std::fs::create_dir(&scratch);
    let scratch = scratch.to_str().expect("plain");
    lab.succeed(&[
        "check",
        "--drill",
        "--snapshot",
        snapshot,
        "--scratch",
        scratch,
    ]);
}

fn listed(lab: &Lab) -> BTreeSet<String> {
    let list = lab.json(&["snapshots"]);
    let id = |line: &serde_json::Value| line["snapshot"].as_str().expect("an id").to_owned();
    list.as_array().expect("a list").iter().map(id).collect()
}

fn lab() -> Lab {
    Lab::with(&testkit::find("sample-forest/clean").expect("shipped"))
}

/// What restic would remove of the backups, and not of the verdicts.
fn removed_by_restic(lab: &Lab, arguments: &[&str]) -> Option<BTreeSet<String>> {
    let run = restic(
        lab,
        &[&["forget", "--dry-run", "--json"], arguments].concat(),
    )?;
    assert_eq!(run.code, Some(0), "{run}");
    let groups: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
    let groups = groups.as_array().expect("groups").iter();
    let removed = groups.flat_map(|group| group["remove"].as_array().into_iter().flatten());
    let backups = removed.filter(|snapshot| snapshot["hostname"] != "dsbackup-verdicts");
    let id = |snapshot: &serde_json::Value| snapshot["id"].as_str().expect("an id").to_owned();
    Some(backups.map(id).collect())
}

#[test]
fn no_policy_of_restics_takes_a_verdict_for_a_backup() {
    let lab = lab();
    for server in &three_days(&lab) {
        drill(&lab, &server[4]);
    }
    for grouping in ["host,paths", "host", "paths", "tags", ""] {
        for policy in [["--keep-daily", "7"], ["--keep-last", "2"]] {
            let arguments = [&policy[..], &["--group-by", grouping]].concat();
            let Some(with) = removed_by_restic(&lab, &arguments) else {
                return;
            };
            let backups = [&arguments[..], &["--host", "DC1", "--host", "DC2"]].concat();
            let without = removed_by_restic(&lab, &backups).expect("restic");
            assert_eq!(with, without, "{arguments:?}: as if there were no verdicts");
        }
    }
}

#[test]
fn a_verdict_outlives_a_policy_of_restics_and_so_do_the_backups() {
    let lab = lab();
    let servers = three_days(&lab);
    drill(&lab, &servers[0][1]);
    drill(&lab, &servers[1][5]);
    let Some(run) = restic(&lab, &["forget", "--keep-daily", "7", "--prune"]) else {
        return;
    };
    assert_eq!(run.code, Some(0), "{run}");
    let expected = servers
        .iter()
        .flat_map(|ids| [1, 3, 5].map(|index| ids[index].clone()));
    assert_eq!(listed(&lab), expected.collect());
    let list = lab.json(&["snapshots"]);
    let proven = list.as_array().expect("a list").iter();
    assert_eq!(
        proven
            .filter(|line| line["drill"]["proven"] == true)
            .count(),
        2,
        "{list}"
    );
    lab.succeed(&["check", "--read-data"]);
    let run = restic(&lab, &["snapshots", "--json", "latest"]).expect("restic");
    assert!(
        !run.stdout.contains("dsbackup-verdicts\""),
        "latest is a backup: {run}"
    );
}

/// The numbers of a server's snapshots that are still listed.
fn left(lab: &Lab, server: &[String]) -> Vec<usize> {
    let listed = listed(lab);
    (0..server.len())
        .filter(|&index| listed.contains(&server[index]))
        .collect()
}

#[test]
fn forget_counts_each_server_by_itself_and_never_takes_the_last() {
    let lab = lab();
    let [dc1, dc2] = three_days(&lab);
    drill(&lab, &dc1[0]);
    let dry = lab.json(&["forget", "--keep-daily", "2", "--dry-run"]);
    let reasons = |id: &str| {
        let lines = dry["snapshots"].as_array().expect("a list");
        let line = lines
            .iter()
            .find(|line| line["snapshot"] == id)
            .expect("a line");
        let reasons: Vec<_> = line["reasons"]
            .as_array()
            .expect("reasons")
            .iter()
            .collect();
        (line["keep"] == true, format!("{reasons:?}"))
    };
    assert!(reasons(&dc1[0]).1.contains("newest proven"), "{dry}");
    assert!(
        reasons(&dc1[5]).1.contains("daily") && reasons(&dc1[5]).1.contains("newest"),
        "{dry}"
    );
    assert!(!reasons(&dc2[0]).0, "{dry}");
    assert_eq!(
        (left(&lab, &dc1).len(), left(&lab, &dc2).len()),
        (6, 6),
        "a dry run"
    );
    let table = lab
        .succeed(&["forget", "--keep-daily", "2", "--dry-run"])
        .stdout;
    assert_eq!(table.lines().count(), 1 + 12 + 1, "{table}");

    lab.succeed(&["forget", "--keep-daily", "2", "--server", "dc1"]);
    assert_eq!(left(&lab, &dc1), [0, 3, 5], "the proven one stays");
    assert_eq!(left(&lab, &dc2).len(), 6, "another server is not meant");
    let run = lab.succeed(&["forget", "--keep-last", "1", "--prune"]);
    assert_eq!(left(&lab, &dc1), [0, 5], "{run}");
    assert_eq!(left(&lab, &dc2), [5], "{run}");
    assert_eq!(lab.json(&["snapshots"])[0]["drill"]["proven"], true);
    lab.succeed(&["check", "--read-data"]);

    // By id: what is protected only with --even-the-last.
    for id in [&dc1[0], &dc1[5], &dc2[5]] {
        let run = lab.run(&["forget", id]);
        assert_eq!(run.code, Some(4), "{run}");
        assert!(run.stderr.contains("--even-the-last"), "{run}");
    }
    assert_eq!((left(&lab, &dc1), left(&lab, &dc2)), (vec![0, 5], vec![5]));
    lab.succeed(&["forget", &dc1[0][..8], "--even-the-last"]);
    assert_eq!(left(&lab, &dc1), [5]);
    let run = lab.run(&["forget", &dc1[5], &dc2[5], "--even-the-last", "--prune"]);
    nothing_is_left(&lab, run);
}

/// Every command says so, and ends with exit code 3.
fn nothing_is_left(lab: &Lab, run: Run) {
    let other = lab.path("other");
    let other = other.to_str().expect("plain");
    lab.succeed(&["init", "--repository", other]);
    let target = lab.path("target");
    let target = target.to_str().expect("plain");
    let mut runs = vec![run];
    for arguments in [
        &["snapshots"][..],
        &["check"],
        &["check", "--drill"],
        &["forget", "--keep-last", "3"],
        &["prune"],
        &["repair", "index"],
        &["restore", "latest", "--target", target],
        &[
            "copy",
            "--to",
            other,
            "--to-password-command",
            "echo 'correct horse battery staple'",
        ],
    ] {
        runs.push(lab.run(arguments));
    }
    for run in runs {
        assert_eq!(run.code, Some(3), "{run}");
        assert!(run.stderr.contains("holds no backup"), "{run}");
    }
}

#[test]
fn forget_leaves_alone_what_restic_made_and_says_what_to_keep() {
    let lab = lab();
    let [dc1, _] = three_days(&lab);
    let folder = lab.path("folder");
    std::fs::create_dir(&folder).expect("a folder");
    std::fs::write(folder.join("file"), b"made by restic").expect("a file");
    let backup = [
        "backup",
        folder.to_str().expect("plain"),
        "--host",
        "DC1",
        "--time",
        "2020-01-01 00:00:00",
    ];
    let Some(run) = restic(&lab, &backup) else {
        return;
    };
    assert_eq!(run.code, Some(0), "{run}");
    lab.succeed(&["forget", "--keep-last", "1", "--prune"]);
    assert_eq!(left(&lab, &dc1), [5]);
    let list = lab.json(&["snapshots"]);
    assert_eq!(list.as_array().map(Vec::len), Some(3), "{list}");
    let foreign = list[0]["snapshot"].as_str().expect("an id");
    lab.succeed(&["forget", foreign]);
    assert_eq!(listed(&lab).len(), 2);

    for arguments in [
        &["forget"][..],
        &["forget", "--dry-run"],
        &["forget", &dc1[5], "--keep-last", "1"],
    ] {
        assert_eq!(lab.run(arguments).code, Some(2), "{arguments:?}");
    }
}

#[test]
fn a_copy_is_restored_without_the_first_repository() {
    let lab = lab();
    let [dc1, dc2] = three_days(&lab);
    drill(&lab, &dc2[5]);
    let other = lab.path("other");
    let other = other.to_str().expect("plain");
    let init = |command: &mut Command| Run::of(command.env("DSBACKUP_PASSWORD", "another one"));
    let run = init(&mut lab.dsbackup(&["init", "--repository", other]));
    assert_eq!(run.code, Some(0), "{run}");
    let copy = |arguments: &[&str]| {
        let arguments = [&["copy", "--json", "--to", other], arguments].concat();
        let run = Run::of(
            lab.dsbackup(&arguments)
                .env("DSBACKUP_TO_PASSWORD", "another one"),
        );
        assert_eq!(run.code, Some(0), "{run}");
        serde_json::from_str::<serde_json::Value>(&run.stdout).expect("JSON")
    };
    let first = copy(&[&dc1[0]]);
    assert_eq!(first["copied"].as_array().map(Vec::len), Some(1), "{first}");
    let second = copy(&["--server", "DC2"]);
    assert_eq!(
        second["copied"].as_array().map(Vec::len),
        Some(6),
        "{second}"
    );
    assert!(
        second["stored_bytes"].as_u64() < first["stored_bytes"].as_u64(),
        "{second}"
    );
    assert_eq!(copy(&[])["had"].as_array().map(Vec::len), Some(7));

    std::fs::remove_dir_all(lab.repository()).expect("the first repository is lost");
    let at_other = |arguments: &[&str]| {
        let arguments = [arguments, &["--repository", other]].concat();
        Run::of(
            lab.dsbackup(&arguments)
                .env("DSBACKUP_PASSWORD", "another one"),
        )
    };
    let run = at_other(&["snapshots", "--json"]);
    let list: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(list.as_array().map(Vec::len), Some(12), "{run}");
    let proven = list
        .as_array()
        .expect("a list")
        .iter()
        .filter(|line| line["drill"]["proven"] == true);
    assert_eq!(proven.count(), 1, "{list}");
    let target = lab.path("target");
    let id = list[11]["snapshot"].as_str().expect("an id");
    let run = at_other(&["restore", id, "--target", target.to_str().expect("plain")]);
    assert_eq!(run.code, Some(0), "{run}");
    lab::assert_same(
        &lab::content(&target),
        &lab.content(),
        "restored from the copy",
    );
}

#[test]
fn unlock_removes_the_locks_that_nobody_holds() {
    let lab = lab();
    three_days(&lab);
    let repository = open(&lab);
    let lock = repository
        .lock(LockKind::Shared, Duration::ZERO)
        .expect("a lock");
    let run = lab.run(&["prune"]);
    assert_eq!(run.code, Some(1), "in use: {run}");
    assert!(run.stderr.contains("dsbackup unlock"), "{run}");
    lab.succeed(&["prune", "--dry-run"]);
    assert_eq!(lab.json(&["unlock"])["removed"], 0, "somebody holds it");
    lab.succeed(&["unlock", "--all"]);
    lab.succeed(&["prune"]);
    assert!(lock.check().is_err(), "and knows that it is gone");
}

#[test]
fn a_bad_snapshot_file_is_named_and_the_rest_is_used() {
    let lab = lab();
    let [dc1, dc2] = three_days(&lab);
    let bad = lab.repository().join("snapshots").join(&dc1[5]);
    std::fs::write(bad, b"").expect("cut short");
    let run = lab.run(&["snapshots", "--json"]);
    assert_eq!(run.code, Some(3), "{run}");
    assert!(run.stderr.contains(&dc1[5]), "{run}");
    let list: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(list.as_array().map(Vec::len), Some(11));
    let run = lab.run(&["check"]);
    assert_eq!(run.code, Some(3), "{run}");
    assert!(run.stdout.contains(&dc1[5]), "{run}");

    // The policy counts what can be read, and leaves the rest alone; nothing is pruned until that
    // is given up.
    let run = lab.run(&["forget", "--keep-last", "1"]);
    assert_eq!(run.code, Some(3), "{run}");
    let run = lab.run(&["prune"]);
    assert_eq!(run.code, Some(3), "{run}");
    assert!(run.stderr.contains("dsbackup forget"), "{run}");
    lab.succeed(&["forget", &dc1[5], "--prune"]);
    assert_eq!(
        listed(&lab),
        BTreeSet::from([dc1[4].clone(), dc2[5].clone()])
    );
    lab.succeed(&["check", "--read-data"]);
}

#[test]
fn verdicts_of_earlier_releases_are_moved_over_by_the_next_command_that_writes() {
    let lab = lab();
    lab.succeed(&["init"]);
    let service = lab.serve(&[]);
    let backup = lab.json(&["backup", "--keep-logs"]);
    let id = backup["snapshot"].as_str().expect("an id");
    store_old_verdict(&lab, id);
    let shown = lab.json(&["snapshots"]);
    assert_eq!(shown.as_array().map(Vec::len), Some(1), "{shown}");
    assert_eq!(shown[0]["drill"]["proven"], true, "{shown}");

    lab.succeed(&["backup", "--keep-logs"]);
    service.stop();
    let hosts: Vec<_> = (open(&lab).snapshots().expect("readable").iter())
        .map(|snapshot| (snapshot.host.clone(), snapshot.label.clone()))
        .collect();
    assert_eq!(hosts.len(), 3, "{hosts:?}");
    assert_eq!(hosts[0].0, "dsbackup-verdicts", "the oldest: {hosts:?}");
    assert!(
        hosts.iter().all(|(_, label)| label != "dsbackup-drill"),
        "{hosts:?}"
    );
    let shown = lab.json(&["snapshots"]);
    assert_eq!(shown[0]["drill"]["proven"], true, "{shown}");
}

/// As dsbackup 0.1.0 stored it: a snapshot of the same server, an hour later.
fn store_old_verdict(lab: &Lab, snapshot: &str) {
    struct Drill(String);
    impl Source for Drill {
        fn next(&mut self) -> Result<Option<SourceFile<'_>>, BoxError> {
            Ok(None)
        }
        fn finish(&mut self, _: &[StoredFile]) -> Result<Vec<NewFile>, BoxError> {
            let verdict = serde_json::json!({
                "snapshot": self.0, "time": "2026-11-20T10:00:00Z", "tool": "dsbackup 0.1.0",
                 "proven": true,
                "findings": [], "generations": null, "records": 0, "rows": 7, "index_entries": 9,
            });
            Ok(vec![NewFile {
                path: "drill.json".into(),
                content: serde_json::to_vec(&verdict)?,
            }])
        }
    }
    let repository = open(lab);
    let info = repository.snapshot(snapshot).expect("a snapshot");
    let request = BackupRequest {
        host: info.host,
        path: WHOLE.into(),
        label: "dsbackup-drill".into(),
        tags: vec!["dsbackup-drill".into()],
        time: SystemTime::now() + Duration::from_secs(3_600),
        program: "dsbackup 0.1.0".into(),
    };
    let mut source = Drill(snapshot.to_owned());
    let lock = repository.lock(LockKind::Shared, Duration::ZERO);
    repository
        .backup(&lock.expect("a lock"), &request, &mut source, &mut |_| ())
        .expect("stored");
}
