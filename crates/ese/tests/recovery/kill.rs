//! A recovery in place can be killed at any moment: the next one gives the same result, and no file
//! left behind is marked clean.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{contents, database_in, dump, unpacked};
use ese::header::DatabaseHeaders;
use ese::recovery::{Options, recover};

/// The folder for the child process to recover.
const FOLDER: &str = "ESE_TEST_RECOVER_IN_PLACE";

/// Little memory, so that pages move to the side file and back.
fn options(folder: &Path) -> Options {
    Options::new(folder).cache_bytes(1 << 20).archive_logs(true)
}

/// Not a test by itself: the work of the process to kill.
#[test]
fn child_that_is_killed() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        recover(options(Path::new(&folder))).unwrap();
    }
}

fn child(folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "kill::child_that_is_killed"])
        .env(FOLDER, folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

fn copy(from: &Path, to: &Path) {
    for path in contents(from).into_keys() {
        std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

#[test]
fn a_killed_recovery_is_run_again_with_the_same_result() {
    let fixture = ["ese/stream-ad2016", "sample-forest/dirty"]
        .into_iter()
        .find_map(testkit::find)
        .unwrap();
    let original = unpacked(&fixture);

    let whole = tempfile::tempdir().unwrap();
    copy(original.path(), whole.path());
    let started = Instant::now();
    assert!(child(whole.path()).status().unwrap().success());
    let mut duration = started.elapsed();
    let expected = dump(&database_in(whole.path()));
    let names = |folder: &Path| -> Vec<_> {
        let names = contents(folder).into_keys();
        names
            .map(|path| path.file_name().unwrap().to_owned())
            .collect()
    };
    let after = names(whole.path());
    println!("left behind: {after:?}");
    assert!(
        after
            .iter()
            .all(|name| !name.to_string_lossy().contains("recovery"))
    );

    let logs = names(&whole.path().join("replayed-logs"));
    assert!(!logs.is_empty());

    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut killed = 0;
    let mut completed = 0;
    for _ in 0..50 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let folder = tempfile::tempdir().unwrap();
        copy(original.path(), folder.path());
        let begin = Instant::now();
        let mut process = child(folder.path()).spawn().unwrap();
        let delay = duration.mul_f64((random % 1000) as f64 / 1000.0);
        std::thread::sleep(delay.max(Duration::from_millis(1)));
        process.kill().unwrap();
        match process.wait().unwrap().success() {
            // Aim earlier from now on: the first run was slower than this one.
            true => duration = duration.min(begin.elapsed()) * 9 / 10,
            false => killed += 1,
        }

        let database = database_in(folder.path());
        let header = DatabaseHeaders::read(&database).unwrap().header;
        if header.is_clean() {
            assert!(dump(&database) == expected, "clean, so complete");
        }
        let summary = recover(options(folder.path())).unwrap();
        completed += usize::from(summary.completed_earlier);
        assert!(dump(&database) == expected);
        assert_eq!(names(folder.path()), after);
        assert_eq!(names(&folder.path().join("replayed-logs")), logs);
    }
    println!(
        "{}: {killed} of 50 were killed in {duration:?}, {completed} amid writing",
        fixture.name
    );
    assert!(killed > 10);
}
