//! Logs that are shipped while the directory is in use: what is stored, what is lost, what is told.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::lab::chain::Chain;
use crate::lab::{self, Lab, Run, signal, write_secret};
use serde_json::Value;

/// A lab with the files of the chain's full backup, a repository, and the job `files`.
fn lab(chain: &Chain, settings: &str) -> Lab {
    let lab = Lab::empty();
    chain.full(&lab.directory());
    let text = format!(
        "[repository.local]\nlocation = {:?}\npassword_file = {:?}\n\
         [job.files]\nsource = {{ directory = {:?}, database_name = {:?} }}\n\
         repositories = [\"local\"]\n[job.files.ship]\nevery = \"0s\"\n{settings}",
        lab.repository(),
        lab.path("password"),
        lab.directory(),
        chain.database_name(),
    );
    std::fs::write(lab.path("dsbackup.toml"), text).expect("write");
    write_secret(&lab.path("password"), &format!("{}\n", lab::PASSWORD));
    lab.succeed(&["init"]);
    lab
}

fn command(lab: &Lab, arguments: &[&str]) -> Command {
    let mut command = lab.dsbackup(arguments);
    command
        .env("DSBACKUP_CONFIG", lab.path("dsbackup.toml"))
        .env("DSBACKUP_STATE_FOLDER", lab.path("state"));
    command
}

fn run(lab: &Lab, arguments: &[&str]) -> Run {
    Run::of(&mut command(lab, arguments))
}

fn succeed(lab: &Lab, arguments: &[&str]) -> Run {
    let run = run(lab, arguments);
    assert_eq!(run.code, Some(0), "{arguments:?}: {run}");
    run
}

fn status(lab: &Lab) -> (Option<i32>, Value) {
    let run = run(lab, &["status", "--json"]);
    let status: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|_| panic!("{run}"));
    (run.code, status["jobs"][0].clone())
}

fn start(lab: &Lab) -> Child {
    let mut command = command(lab, &["ship", "files", "--json"]);
    let output = std::fs::File::options()
        .create(true)
        .append(true)
        .open(lab.path("shipped.jsonl"))
        .expect("a file");
    (command.stdout(output).stderr(Stdio::null()).spawn()).expect("start to ship")
}

/// Waits until a look of the shipping process finds no log waiting, and `generation` stored.
fn wait_for(lab: &Lab, generation: u32) {
    let deadline = Instant::now() + Duration::from_secs(120);
    let record = lab.path("state/ship/files.json");
    loop {
        let text = std::fs::read_to_string(&record).unwrap_or_default();
        let stored = format!("{generation:#x}\"");
        if text.contains(&stored) && text.contains("\"waiting\": 0") {
            return;
        }
        assert!(Instant::now() < deadline, "{text}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until the status is critical because the logs are behind, and returns that of the job.
fn wait_until_behind(lab: &Lab) -> Value {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let (code, job) = status(lab);
        if code == Some(2) && job["ship"]["lag_seconds"].as_u64() >= Some(2) {
            return job;
        }
        assert!(Instant::now() < deadline, "{code:?}: {job:#}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn restored(lab: &Lab, until: u32) -> PathBuf {
    let folder = lab.path(&format!("restored-{until}"));
    let target = folder.display().to_string();
    let until = format!("{until:#x}");
    lab.succeed(&["restore", "latest", "--target", &target, "--until", &until]);
    folder
}

/// Every point of the chain is what the engine made of it.
fn assert_points(lab: &Lab, chain: &Chain) {
    for point in chain.points() {
        let folder = restored(lab, chain.end(point));
        chain.assert_is(point, &folder);
    }
}

/// Copies a folder with all in it, in place of another.
fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    let copied = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.expect("cp").success(), "{}", from.display());
}

/// All logs wait each time, and the process is killed while it works on them.
#[test]
fn kill_at_twenty_points_loses_nothing() {
    let chain = Chain::shipped();
    let lab = lab(&chain, "");
    succeed(&lab, &["run", "files"]);
    for log in chain.later() {
        log.finish_in(&lab.directory());
    }
    let folders = [lab.repository(), lab.path("state")];
    let saved = ["saved-repository", "saved-state"].map(|name| lab.path(name));
    for (folder, saved) in folders.iter().zip(&saved) {
        copy(folder, saved);
    }
    let seconds = |arguments: &[&str]| {
        let begin = Instant::now();
        succeed(&lab, arguments);
        begin.elapsed()
    };
    // Most of the first part is the key, which is derived from the password on purpose slowly.
    let opening = seconds(&["snapshots", "-r", &lab.repository().display().to_string()]);
    let mut shipping = seconds(&["ship", "files", "--once"]);
    let last = chain.end(chain.points().last().expect("points"));
    let (mut point, mut attempts) = (0, 0);
    while point < 20 {
        assert!(attempts < 200, "killed at work: {point} times of 20");
        attempts += 1;
        for (folder, saved) in folders.iter().zip(&saved) {
            copy(saved, folder);
        }
        let begin = Instant::now();
        let mut child = command(&lab, &["ship", "files", "--once"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("start to ship");
        let first = opening.min(shipping) * 4 / 5;
        std::thread::sleep(first + (shipping - first) * point / 20);
        child.kill().expect("kill -9");
        if let Some(code) = child.wait().expect("its end").code() {
            assert_eq!(code, 0, "{point}: it ended by itself");
            // Aim earlier from now on: the first run was slower than this one.
            shipping = shipping.min(begin.elapsed()) * 9 / 10;
            continue;
        }
        succeed(&lab, &["ship", "files", "--once"]);
        let list = lab.json(&["snapshots"]);
        let list = list.as_array().expect("snapshots");
        assert!(
            list.iter().all(|one| one["unusable"].is_null()),
            "{point}: {list:#?}"
        );
        let newest = list
            .iter()
            .filter_map(|one| one["logs"]["highest"].as_u64())
            .max();
        assert_eq!(newest, Some(last.into()), "{point}: {list:#?}");
        if point % 5 == 4 {
            assert_points(&lab, &chain);
            for point in chain.points() {
                let restored = lab.path(&format!("restored-{}", chain.end(point)));
                std::fs::remove_dir_all(restored).expect("removed");
            }
        }
        point += 1;
    }
    lab.succeed(&["check", "--read-data"]);
}

#[test]
fn logs_are_shipped_as_they_come_and_told_of() {
    let chain = Chain::shipped();
    let lab = lab(&chain, "");
    succeed(&lab, &["run", "files"]);
    let new = chain.later();
    let last = chain.end(chain.points().last().expect("points"));
    let mut child = start(&lab);
    for log in new {
        log.finish_in(&lab.directory());
        std::thread::sleep(Duration::from_millis(50));
    }
    wait_for(&lab, last);
    let (code, job) = status(&lab);
    assert_eq!(code, Some(0), "{job:#}");
    assert_eq!(job["ship"]["waiting"], 0, "{job:#}");

    let metrics = lab.path("dsbackup.prom");
    succeed(
        &lab,
        &["status", "--prometheus", metrics.to_str().expect("plain")],
    );
    let metrics = std::fs::read_to_string(metrics).expect("written");
    let of_shipping = jobs::metrics::METRICS.iter().map(|metric| metric.name);
    for name in of_shipping.filter(|name| name.starts_with("dsbackup_ship_")) {
        assert!(
            metrics.contains(&format!("\n{name}{{")),
            "{name}: {metrics}"
        );
    }

    // SIGTERM ends it cleanly.
    signal(child.id(), "TERM");
    assert!(child.wait().expect("its end").success());
    let told = std::fs::read_to_string(lab.path("shipped.jsonl")).expect("told");
    for line in told.lines() {
        let event: Value = serde_json::from_str(line).expect("a document");
        assert!(
            event["lag_seconds"].as_u64().expect("the lag") < 30,
            "{event}"
        );
    }
    assert_points(&lab, &chain);
    lab.succeed(&["check", "--read-data"]);
}

/// As left by a process that was killed after it stored a batch and before it wrote so.
#[test]
fn the_record_names_what_the_repository_holds() {
    let chain = Chain::shipped();
    let lab = lab(&chain, "");
    succeed(&lab, &["run", "files"]);
    let mut new = chain.later();
    new.pop_front().expect("a log").finish_in(&lab.directory());
    succeed(&lab, &["ship", "files", "--once"]);
    let record = lab.path("state/ship/files.json");
    let shipped = |text: &str| -> Value {
        let record: Value = serde_json::from_str(text).expect("a document");
        record["repositories"]["local"].clone()
    };
    let written = shipped(&std::fs::read_to_string(&record).expect("a record"));
    assert!(written["snapshot"].is_string(), "{written}");

    std::fs::remove_file(&record).expect("remove it");
    succeed(&lab, &["ship", "files", "--once"]);
    let found = shipped(&std::fs::read_to_string(&record).expect("a record"));
    assert_eq!(found["snapshot"], written["snapshot"]);
    assert_eq!(found["generations"], written["generations"]);
}

#[test]
fn a_gap_is_named_and_a_full_backup_begins_a_new_chain() {
    for wanted in [false, true] {
        let chain = Chain::shipped();
        let lab = lab(&chain, &format!("full_after_gap = {wanted}\n"));
        // Without a backup there is nothing to continue.
        let first = run(&lab, &["ship", "files", "--once"]);
        match wanted {
            true => assert_eq!(first.code, Some(0), "{first}"),
            false => {
                assert_eq!(first.code, Some(4), "{first}");
                assert!(first.stderr.contains("take a full backup"), "{first}");
                succeed(&lab, &["run", "files"]);
            }
        }
        let mut new = chain.later();
        new.pop_front().expect("a log").finish_in(&lab.directory());
        let shipped = succeed(&lab, &["ship", "files", "--once"]);
        assert!(shipped.stdout.contains("generations 0x3"), "{shipped}");
        assert!(shipped.stdout.contains("nothing waits"), "{shipped}");

        // One is gone before it was stored.
        let gone = new.pop_front().expect("a log");
        new.pop_front().expect("a log").finish_in(&lab.directory());
        let gap = run(&lab, &["ship", "files", "--once"]);
        if wanted {
            // The fixture's database needs no log that is missing.
            assert_eq!(gap.code, Some(0), "{gap}");
            assert!(gap.stderr.contains("0x4 is gone"), "{gap}");
        } else {
            assert_eq!(gap.code, Some(4), "{gap}");
            assert!(gap.stderr.contains("0x4 is gone"), "{gap}");
            assert!(gap.stderr.contains("take a full backup"), "{gap}");
            let (code, job) = status(&lab);
            assert_eq!(code, Some(1), "{job:#}");
            let problems = job["problems"].to_string();
            assert!(problems.contains("0x4 is gone"), "{problems}");
            // It comes back, as from a folder of old logs.
            gone.finish_in(&lab.directory());
            succeed(&lab, &["ship", "files", "--once"]);
        }
        new.pop_front().expect("a log").finish_in(&lab.directory());
        succeed(&lab, &["ship", "files", "--once"]);
        if !wanted {
            assert_points(&lab, &chain);
        }
    }
}

#[test]
fn an_outage_is_told_and_ends_by_itself() {
    let chain = Chain::shipped();
    let lab = lab(&chain, "max_lag = \"1s\"\n");
    succeed(&lab, &["run", "files"]);
    std::fs::rename(lab.repository(), lab.path("away")).expect("take it away");
    let mut child = start(&lab);
    let mut new = chain.later();
    new.pop_front().expect("a log").finish_in(&lab.directory());
    let job = wait_until_behind(&lab);
    assert!(
        job["problems"].to_string().contains("may not be stored"),
        "{job:#}"
    );
    std::fs::rename(lab.path("away"), lab.repository()).expect("bring it back");
    wait_for(&lab, 3);
    signal(child.id(), "TERM");
    assert!(child.wait().expect("its end").success());

    // Whoever ships no more falls behind, whatever was stored last.
    let job = wait_until_behind(&lab);
    let problems = job["problems"].to_string();
    assert!(
        problems.contains("dsbackup ship does not run"),
        "{problems}"
    );
}

#[test]
fn a_log_that_is_damaged_or_still_copied_is_not_stored() {
    let chain = Chain::shipped();
    let lab = lab(&chain, "");
    succeed(&lab, &["run", "files"]);
    let log = chain.later().pop_front().expect("a log");
    let path = log.finish_in(&lab.directory());
    let whole = std::fs::read(&path).expect("read");

    // Its first half is there: it waits.
    std::fs::write(&path, &whole[..whole.len() / 2]).expect("write");
    let shipped = succeed(&lab, &["ship", "files", "--once"]);
    assert!(shipped.stdout.contains("no log was stored"), "{shipped}");
    let mut damaged = whole.clone();
    damaged[whole.len() / 4] ^= 1;
    std::fs::write(&path, &damaged).expect("write");
    let refused = run(&lab, &["ship", "files", "--once"]);
    assert_eq!(refused.code, Some(3), "{refused}");
    assert_eq!(lab.snapshot_count(), 1);
    std::fs::write(&path, &whole).expect("write");
    succeed(&lab, &["ship", "files", "--once"]);
    assert_eq!(lab.snapshot_count(), 2);
    let list = lab.json(&["snapshots"]);
    assert_eq!(list[1]["continues"], list[0]["snapshot"], "{list:#}");

    // A second process does not ship the same job. The first one writes its record once it has its
    // lock.
    std::fs::remove_file(lab.path("state/ship/files.json")).expect("remove it");
    let mut child = start(&lab);
    wait_for(&lab, 3);
    let second = run(&lab, &["ship", "files", "--once"]);
    assert_eq!(second.code, Some(1), "{second}");
    assert!(second.stderr.contains("runs already"), "{second}");
    signal(child.id(), "TERM");
    child.wait().expect("its end");
}

#[test]
fn forget_keeps_the_logs_with_their_backup() {
    let chain = Chain::shipped();
    let lab = lab(&chain, "");
    for log in chain.later() {
        succeed(&lab, &["run", "files"]);
        log.finish_in(&lab.directory());
        succeed(&lab, &["ship", "files", "--once"]);
    }
    assert_eq!(lab.snapshot_count(), 8);
    lab.succeed(&["forget", "--keep-last", "2", "--prune"]);
    assert_eq!(lab.snapshot_count(), 4, "two backups, each with its logs");
    let last = chain.points().last().expect("points");
    chain.assert_is(last, &restored(&lab, chain.end(last)));
}

/// The whole directory online, as far as this machine has it: a domain controller that is written
/// to while it is backed up.
#[test]
fn a_domain_controller_in_use_is_restored_to_each_point() {
    let Some(chain) = Chain::contoso() else {
        return;
    };
    let lab = lab(&chain, "");
    succeed(&lab, &["run", "files"]);
    let mut child = start(&lab);
    for log in chain.later() {
        log.finish_in(&lab.directory());
    }
    wait_for(&lab, chain.end(chain.points().last().expect("points")));
    signal(child.id(), "TERM");
    child.wait().expect("its end");
    assert_points(&lab, &chain);
}
