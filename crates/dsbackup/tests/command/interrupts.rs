//! Signals, kill -9 and what they leave of a directory's copies: nothing, or nothing after the next
//! run.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::lab::{self, Lab, signal};

/// At how many points a command is interrupted.
const POINTS: u32 = 20;

fn entries(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect()
}

/// The command with its signals at their defaults: a shell starts background jobs with SIGINT
/// ignored, and nohup those with SIGHUP ignored.
fn heeding_signals(command: &Command) -> Command {
    let mut heeding = Command::new("env");
    heeding
        .arg("--default-signal=INT,TERM,HUP")
        .arg(command.get_program())
        .args(command.get_args())
        .stdin(Stdio::null());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => heeding.env(name, value),
            None => heeding.env_remove(name),
        };
    }
    heeding
}

/// Interrupts a command at points spread over the time that it takes; `check` sees what each
/// interruption left. Runs that were over before their signal do not count.
fn interrupt(command: impl Fn() -> Command, reset: impl Fn(), check: impl Fn(&str)) {
    let run = |delay: Option<Duration>, signal_name: &str| {
        let begin = Instant::now();
        let mut child = heeding_signals(&command())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("start it");
        if let Some(delay) = delay {
            std::thread::sleep(delay);
            signal(child.id(), signal_name);
        }
        (child.wait().expect("its end"), begin.elapsed())
    };
    let (status, mut whole) = run(None, "");
    assert_eq!(status.code(), Some(0), "{status}");
    reset();
    let mut point = 0;
    for attempt in 0.. {
        if point == POINTS {
            return;
        }
        assert!(attempt < 10 * POINTS, "only {point} were interrupted");
        let (name, number) = [("INT", 2), ("TERM", 15), ("HUP", 1)][point as usize % 3];
        let (status, elapsed) = run(Some(whole * point / POINTS), name);
        match status.signal() {
            Some(ended_by) => {
                assert_eq!(ended_by, number, "point {point}: {status}");
                check(&format!("SIG{name} at point {point}"));
                point += 1;
            }
            None => {
                assert_eq!(status.code(), Some(0), "point {point}: {status}");
                // Aim earlier from now on: the first run was slower than this one.
                whole = whole.min(elapsed) * 9 / 10;
            }
        }
        reset();
    }
}

#[test]
fn an_interrupted_drill_leaves_no_copy() {
    let lab = Lab::with_backup("sample-forest/dirty");
    let scratch = lab.path("scratch");
    let command = || {
        let mut command = lab.dsbackup(&["check", "--drill", "--snapshot", "latest"]);
        command.env("DSBACKUP_SCRATCH", &scratch);
        command
    };
    interrupt(
        command,
        || assert_eq!(entries(&scratch), [""; 0]),
        |when| assert_eq!(entries(&scratch), [""; 0], "{when}"),
    );
    let mode = scratch.metadata().expect("made").permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    // The variable may be set for commands that need no scratch folder.
    let mut check = lab.dsbackup(&["check"]);
    let run = lab::Run::of(check.env("DSBACKUP_SCRATCH", &scratch));
    assert_eq!(run.code, Some(0), "{run}");
}

#[test]
fn an_interrupted_restore_into_a_folder_leaves_no_copy() {
    let lab = Lab::with_backup("sample-forest/dirty");
    let target = lab.path("target");
    let restore = || lab.dsbackup(&["restore", "latest", "--target", target.to_str().unwrap()]);
    let remove = || drop(std::fs::remove_dir_all(&target));
    interrupt(restore, remove, |when| assert!(!target.exists(), "{when}"));

    let make_empty = || {
        remove();
        std::fs::create_dir(&target).expect("make it");
    };
    make_empty();
    interrupt(restore, make_empty, |when| {
        assert!(target.exists(), "{when}: the user's own folder stays");
        assert_eq!(entries(&target), [""; 0], "{when}");
    });
}

#[test]
fn a_folder_made_at_the_moment_of_the_signal_does_not_stay() {
    let lab = Lab::with_backup("sample-forest/dirty");
    let target = lab.path("target");
    let text = target.to_str().expect("plain");
    let restore = lab.dsbackup(&["restore", "latest", "--target", text]);
    // The signal comes with the call that makes the folder; what looks at the folder next waits.
    let mut traced = Command::new("strace");
    traced
        .args(["-f", "-o", "/dev/null", "-P", text])
        .args(["-e", "trace=mkdir,readlink,openat,flock"])
        .args(["-e", "inject=mkdir:signal=SIGTERM"])
        .args(["-e", "inject=readlink,openat,flock:delay_enter=200000"])
        .args(["env", "--default-signal=INT,TERM,HUP"])
        .arg(restore.get_program())
        .args(restore.get_args());
    traced.envs(
        restore
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let run = lab::Run::of(&mut traced);
    assert_ne!(run.code, Some(0), "{run}");
    assert!(!target.exists(), "{run}");
}

#[test]
fn an_interrupted_recovery_into_a_folder_leaves_no_copy() {
    let lab = Lab::with_backup("sample-forest/dirty");
    let output = lab.path("output");
    let evidence = lab.content();
    let directory = lab.directory();
    let recover = || {
        let directory = directory.to_str().unwrap();
        lab.dsbackup(&["recover", directory, "--to", output.to_str().unwrap()])
    };
    let reset = || {
        let _ = std::fs::remove_dir_all(&output);
        std::fs::create_dir(&output).expect("make it");
        std::fs::write(output.join("notes"), "mine").expect("write");
    };
    reset();
    interrupt(recover, reset, |when| {
        assert_eq!(entries(&output), ["notes"], "{when}");
    });
    lab::assert_same(&lab.content(), &evidence, "the evidence");
}

#[test]
fn what_a_killed_drill_left_is_removed_by_the_next_and_a_live_one_is_not() {
    let lab = Lab::with_backup("sample-forest/dirty");
    let scratch = lab.path("scratch");
    let drill = || {
        let mut command = lab.dsbackup(&["check", "--drill", "--snapshot", "latest"]);
        command.arg("--scratch").arg(&scratch);
        command
    };
    // One that is faster than the signal is started again.
    let is_killed = (0..20).any(|_| {
        let is_killed = lab::kill_as_soon_as(drill(), || !entries(&scratch).is_empty());
        is_killed && !entries(&scratch).is_empty()
    });
    assert!(is_killed, "each was faster");
    assert_eq!(entries(&scratch).len(), 1, "kill -9 leaves it");

    let live = scratch.join("dsbackup-scratch-live");
    std::fs::create_dir(&live).expect("make it");
    let lock = std::fs::File::open(&live).expect("open it");
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).expect("lock it");
    let run = lab::Run::of(&mut drill());
    assert_eq!(run.code, Some(0), "{run}");
    assert_eq!(entries(&scratch), ["dsbackup-scratch-live"]);
}

#[test]
fn folders_that_others_may_write_into_get_no_copy() {
    let lab = Lab::with_backup("sample-forest/dirty");
    let target = lab.path("target");
    std::fs::create_dir(&target).expect("make it");
    std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o777)).expect("chmod");
    let text = target.to_str().expect("plain");
    for arguments in [
        ["restore", "latest", "--target", text],
        ["check", "--drill", "--scratch", text],
    ] {
        let run = lab.run(&arguments);
        assert_eq!(run.code, Some(4), "{run}");
        assert!(run.stderr.contains("chmod go-w"), "{run}");
    }
    assert_eq!(entries(&target), [""; 0]);
}
