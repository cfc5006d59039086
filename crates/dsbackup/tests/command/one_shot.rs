//! Backups and restores without a service: the command hosts the directory while it runs.

use std::process::Stdio;
use std::time::Duration;

use crate::lab::{self, Lab, assert_same};

/// `--directory` and the lab's folder.
fn hosted<'a>(lab: &Lab, arguments: &[&'a str], folder: &'a mut String) -> Vec<&'a str> {
    *folder = lab.directory().display().to_string();
    let name = ["--directory", folder.as_str()];
    arguments.iter().copied().chain(name).collect()
}

#[test]
fn a_directory_comes_and_goes_without_a_service() {
    for fixture in ["sample-forest/clean", "sample-forest/dirty"] {
        let lab = Lab::with_repository(fixture);
        let mut folder = String::new();
        let before = lab.content();
        let run = lab.succeed(&hosted(&lab, &["backup", "--keep-logs"], &mut folder));
        assert!(run.stderr.contains("[9/9] DsBackupEnd"), "{run}");
        assert_same(&lab.content(), &before, "a backup reads");
        assert!(!lab.path("socket").exists(), "nothing listens");
        assert_eq!(lab.snapshot_count(), 1);

        for name in before.keys() {
            std::fs::write(lab.directory().join(name), "lost").expect("lose a file");
        }
        let run = lab.succeed(&hosted(&lab, &["restore", "latest"], &mut folder));
        assert!(!run.stderr.contains("start the service"), "{run}");
        let after = lab.content();
        for (name, content) in &before {
            assert!(after.get(name) == Some(content), "{fixture}: {name}");
        }
    }
}

#[test]
fn a_service_that_runs_already_is_used_if_it_hosts_that_directory() {
    let lab = Lab::with_repository("sample-forest/clean");
    let mut folder = String::new();
    let service = lab.serve(&[]);
    let run = lab.succeed(&hosted(&lab, &["backup"], &mut folder));
    assert!(
        run.stderr.contains("a service hosts the directory already"),
        "{run}"
    );
    let run = lab.run(&hosted(&lab, &["restore", "latest"], &mut folder));
    assert_eq!(run.code, Some(4), "it is online: {run}");
    service.stop();

    // The directory is in use, and the service at the socket hosts another one.
    let other = Lab::with(&testkit::find("sample-forest/clean").expect("shipped"));
    let elsewhere = other.serve(&[]);
    let service = lab.serve(&[]);
    let mut command = lab.dsbackup(&hosted(&lab, &["backup"], &mut folder));
    let run = lab::Run::of(command.env("DSBACKUP_SOCKET", other.path("socket")));
    assert_eq!(run.code, Some(4), "{run}");
    assert!(run.stderr.contains("another directory"), "{run}");
    assert_eq!(lab.snapshot_count(), 1);
    elsewhere.stop();
    service.stop();

    // In use without a service at the socket.
    let service = lab.serve(&[]);
    let mut command = lab.dsbackup(&hosted(&lab, &["backup"], &mut folder));
    let run = lab::Run::of(command.env("DSBACKUP_SOCKET", other.path("nothing")));
    assert_ne!(run.code, Some(0), "{run}");
    assert!(run.stderr.contains("in use"), "{run}");
    service.stop();
}

#[test]
fn no_lock_stays_after_kill() {
    let lab = Lab::with_repository("sample-forest/dirty");
    lab.grow(96 << 20);
    let mut folder = String::new();
    for milliseconds in [50, 300, 600] {
        let mut command = lab.dsbackup(&hosted(&lab, &["backup", "--keep-logs"], &mut folder));
        let mut child =
            (command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()).expect("start a backup");
        std::thread::sleep(Duration::from_millis(milliseconds));
        child.kill().expect("kill it");
        child.wait().expect("its end");
    }
    lab.succeed(&hosted(&lab, &["backup", "--keep-logs"], &mut folder));
    lab.succeed(&["check", "--read-data"]);
}

#[test]
fn an_ifm_folder_is_a_directory_too() {
    let lab = Lab::with_repository("sample-forest/clean");
    let ifm = lab.path("ifm");
    let database = ifm.join("Active Directory");
    std::fs::create_dir_all(&database).expect("a folder");
    let run = lab.run(&["backup", "--ifm", &lab.directory().display().to_string()]);
    assert_eq!(run.code, Some(4), "{run}");
    assert!(run.stderr.contains("--directory"), "{run}");

    std::fs::copy(lab.directory().join("ntds.dit"), database.join("ntds.dit")).expect("a copy");
    let run = lab.succeed(&["backup", "--ifm", &ifm.display().to_string()]);
    assert!(
        run.stderr.contains("registry"),
        "what is not in it is said: {run}"
    );
    let target = lab.path("target").display().to_string();
    lab.succeed(&["restore", "latest", "--target", &target]);
    let restored = std::fs::read(lab.path("target").join("ntds.dit")).expect("restored");
    assert!(restored == std::fs::read(database.join("ntds.dit")).expect("the copy"));
}
