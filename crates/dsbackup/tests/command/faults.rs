//! Faults, by doing them: kill -9 at random points, full disks, a repository that disappears, two
//! backups at once. Each ends with a clear error, no half snapshot, no lost log; and the next run
//! works.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::lab::{Content, Lab, Run, SmallDisk, assert_same, content};

/// Random points of one walk through a backup, and of one through a restore.
const POINTS: usize = 20;

/// Bytes of the database: enough for most of the points to fall into the transfer.
const DATABASE: u64 = 96 << 20;

/// A small generator of random numbers: the seed is printed, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn new(what: &str) -> Self {
        let seed = match std::env::var("DSBACKUP_TEST_SEED") {
            Ok(seed) => seed.parse().expect("a number"),
            Err(_) => std::time::UNIX_EPOCH
                .elapsed()
                .expect("after 1970")
                .as_nanos() as u64,
        };
        println!("{what}: DSBACKUP_TEST_SEED={seed}");
        Self(seed | 1)
    }

    fn below(&mut self, limit: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        limit.mul_f64((self.0 >> 11) as f64 / (1u64 << 53) as f64)
    }
}

fn lab() -> (Lab, Content) {
    let lab = Lab::with(&testkit::find("sample-forest/dirty").expect("shipped"));
    lab.grow(DATABASE);
    lab.succeed(&["init"]);
    let original = lab.content();
    (lab, original)
}

/// Logs may have been truncated by a backup that was killed after its snapshot was durable; nothing
/// else may change.
fn assert_no_lost_log(lab: &Lab, original: &Content, new_snapshots: usize) {
    let found = lab.content();
    if new_snapshots == 0 {
        assert_same(
            &found,
            original,
            "without a snapshot nothing may be deleted",
        );
    }
    for (name, bytes) in original {
        match found.get(name) {
            Some(kept) => assert!(kept == bytes, "{name} was changed"),
            None => assert!(name.starts_with("edb0"), "{name} is gone"),
        }
    }
}

#[test]
fn killed_at_random_points_of_a_backup() {
    let (lab, original) = lab();
    let service = lab.serve(&[]);
    let begin = Instant::now();
    lab.succeed(&["backup", "--keep-logs"]);
    let whole = begin.elapsed();
    let mut snapshots = 1;
    let mut service = Some(service);
    let mut random = Random::new("backup");
    for point in 0..POINTS {
        // New content, so that there is something to store.
        lab.touch_pages(3000);
        let before = lab.content();
        let running = service.take().unwrap_or_else(|| lab.serve(&[]));
        let kill_client = point % 2 == 0;
        let after = random.below(whole);
        let mut client = lab
            .dsbackup(&["backup"])
            .stderr(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start a backup");
        std::thread::sleep(after);
        if kill_client {
            client.kill().expect("kill");
            service = Some(running);
        } else {
            running.kill();
        }
        let run = Run::from(client.wait_with_output().expect("the client's end"));
        assert!(run.code.is_none_or(|code| code <= 1), "{run}");
        let now = lab.snapshot_count();
        let grew = now - snapshots;
        assert!(grew <= 1, "one backup makes one snapshot");
        if run.code == Some(0) {
            assert_eq!(grew, 1, "a backup that succeeded has its snapshot: {run}");
        } else if !kill_client && grew == 0 {
            assert!(run.stderr.contains("error"), "a clear error: {run}");
        }
        println!(
            "backup: {} killed after {:4} ms: exit {:?}, {grew} new snapshot",
            if kill_client { "client " } else { "service" },
            after.as_millis(),
            run.code
        );
        snapshots = now;
        assert_no_lost_log(&lab, &before, grew);
    }
    // No half snapshot: all that there are hold together, every byte of them.
    lab.succeed(&["check", "--read-data"]);
    let service = service.take().unwrap_or_else(|| lab.serve(&[]));
    lab.succeed(&["backup"]);
    service.stop();
    for (index, snapshot) in lab
        .json(&["snapshots"])
        .as_array()
        .expect("a list")
        .iter()
        .enumerate()
    {
        if index % 5 == 0 {
            let target = lab.path(&format!("plain-{index}"));
            let id = snapshot["snapshot"].as_str().expect("an id");
            lab.succeed(&["restore", id, "--target", target.to_str().expect("plain")]);
            for (name, bytes) in content(&target) {
                let is_log = name.ends_with(".log");
                assert!(!is_log || bytes == original[&name], "{id}: {name}");
            }
        }
    }
}

#[test]
fn killed_at_random_points_of_a_restore() {
    let (lab, original) = lab();
    let service = lab.serve(&[]);
    lab.succeed(&["backup", "--keep-logs"]);
    service.stop();
    let service = lab.serve(&["--restore-mode"]);
    let begin = Instant::now();
    lab.succeed(&["restore", "latest"]);
    let whole = begin.elapsed();
    let mut service = Some(service);
    let mut random = Random::new("restore");
    for point in 0..POINTS {
        let running = service
            .take()
            .unwrap_or_else(|| lab.serve(&["--restore-mode"]));
        let kill_client = point % 2 == 0;
        let after = random.below(whole);
        let mut client = lab
            .dsbackup(&["restore", "latest"])
            .stderr(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("start a restore");
        std::thread::sleep(after);
        let running = if kill_client {
            client.kill().expect("kill");
            Some(running)
        } else {
            running.kill();
            None
        };
        let run = Run::from(client.wait_with_output().expect("the client's end"));
        if let Some(running) = running {
            running.stop();
        }
        // Either the restore was complete, or the directory is as it was, or it refuses to start:
        // nothing between.
        let whole_again = lab.content() == original;
        let state = if whole_again {
            lab.serve(&[]).stop();
            "directory whole"
        } else {
            let refusal = lab.serve_refused(&[]);
            assert!(refusal.stderr.contains("restore"), "{refusal}");
            assert_ne!(run.code, Some(0), "{run}");
            "directory locked until a restore completes"
        };
        println!(
            "restore: {} killed after {:4} ms: exit {:?}, {state}",
            if kill_client { "client " } else { "service" },
            after.as_millis(),
            run.code
        );
    }
    let service = lab.serve(&["--restore-mode"]);
    lab.succeed(&["restore", "latest"]);
    service.stop();
    assert_same(&lab.content(), &original, "after the last restore");
    lab.serve(&[]).stop();
}

#[test]
fn two_backups_at_once() {
    let (lab, original) = lab();
    let service = lab.serve(&[]);
    let start = || {
        lab.dsbackup(&["backup", "--keep-logs"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start a backup")
    };
    let both =
        [start(), start()].map(|child| Run::from(child.wait_with_output().expect("its end")));
    let succeeded = both.iter().filter(|run| run.code == Some(0)).count();
    assert!(succeeded >= 1, "{} {}", both[0], both[1]);
    for run in both.iter().filter(|run| run.code != Some(0)) {
        assert_eq!(run.code, Some(4), "{run}");
        assert!(run.stderr.contains("hrBackupInProgress"), "{run}");
    }
    assert_eq!(lab.snapshot_count(), succeeded);
    lab.succeed(&["backup", "--keep-logs"]);
    service.stop();
    assert_same(&lab.content(), &original, "the directory");
    lab.succeed(&["check", "--read-data"]);
}

#[test]
fn full_disk_under_the_repository() {
    let lab = Lab::with(&testkit::find("sample-forest/dirty").expect("shipped"));
    lab.grow(24 << 20);
    let original = lab.content();
    let Some(disk) = SmallDisk::mount(lab.repository(), 400) else {
        return;
    };
    lab.succeed(&["init"]);
    let service = lab.serve(&[]);
    let run = lab.run(&["backup"]);
    assert_eq!(run.code, Some(1), "{run}");
    assert!(run.stderr.contains("No space left"), "{run}");
    assert_eq!(lab.snapshot_count(), 0);
    assert_same(&lab.content(), &original, "no log may be deleted");

    disk.resize(64 << 10);
    lab.succeed(&["backup"]);
    service.stop();
    lab.succeed(&["check", "--read-data"]);
}

#[test]
fn full_disk_under_the_destination() {
    let (lab, original) = lab();
    let service = lab.serve(&[]);
    lab.succeed(&["backup", "--keep-logs"]);
    service.stop();
    let enough = original
        .values()
        .map(|bytes| bytes.len() as u64 / 1024)
        .sum::<u64>()
        + 1024;
    let Some(disk) = SmallDisk::mount(lab.directory(), enough / 2) else {
        return;
    };

    // Known beforehand: refused, nothing touched.
    std::fs::write(lab.directory().join("edb.log"), b"still here").expect("write");
    let service = lab.serve(&["--restore-mode"]);
    let run = lab.run(&["restore", "latest"]);
    assert_eq!(run.code, Some(4), "{run}");
    assert!(run.stderr.contains("space"), "{run}");
    assert!(
        lab.directory().join("edb.log").exists(),
        "nothing is deleted before it fits"
    );

    // Not known beforehand: the disk fills up while the files are written.
    disk.resize(enough);
    let client = lab
        .dsbackup(&["restore", "latest"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("start a restore");
    let begin = Instant::now();
    while !lab.directory().join(&lab.database_name).exists()
        && begin.elapsed() < Duration::from_secs(20)
    {
        std::thread::sleep(Duration::from_micros(200));
    }
    let filler = lab.directory().join("filler");
    let _ = std::fs::write(&filler, vec![7; enough as usize * 1024]);
    let run = Run::from(client.wait_with_output().expect("the client's end"));
    std::fs::remove_file(&filler).expect("free the disk");
    if run.code == Some(0) {
        println!("note: the restore was faster than the disk filled up");
    } else {
        assert_eq!(run.code, Some(1), "{run}");
        assert!(run.stderr.contains("No space left"), "{run}");
        service.stop();
        lab.serve_refused(&[]);
        let service = lab.serve(&["--restore-mode"]);
        lab.succeed(&["restore", "latest"]);
        service.stop();
        assert_same(&lab.content(), &original, "with enough space");
        return;
    }
    service.stop();
}

#[test]
fn a_repository_that_disappears() {
    let (lab, original) = lab();
    let service = lab.serve(&[]);
    let begin = Instant::now();
    lab.succeed(&["backup", "--keep-logs"]);
    let whole = begin.elapsed();
    let away = lab.path("taken-away");
    let mut random = Random::new("disappearing repository");
    let mut failures = 0;
    for _ in 0..6 {
        // New content, so that there is something to write.
        lab.touch_pages(400);
        let original = lab.content();
        let client = lab
            .dsbackup(&["backup"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("start a backup");
        std::thread::sleep(random.below(whole));
        std::fs::rename(lab.repository(), &away).expect("take the repository away");
        let run = Run::from(client.wait_with_output().expect("the client's end"));
        assert!(
            run.code == Some(0) || !lab.repository().exists(),
            "the backup put something where its repository was: {run}"
        );
        std::fs::rename(&away, lab.repository()).expect("bring it back");
        match run.code {
            Some(0) => {}
            code => {
                assert_eq!(code, Some(1), "{run}");
                assert!(run.stderr.contains("repository"), "{run}");
                assert_same(&lab.content(), &original, "no log may be deleted");
                failures += 1;
            }
        }
        lab.succeed(&["check"]);
    }
    println!("{failures} of 6 backups met the missing repository");
    lab.succeed(&["backup"]);
    service.stop();
    lab.succeed(&["check", "--read-data"]);
    assert!(lab.content()[&lab.database_name].len() == original[&lab.database_name].len());
}
