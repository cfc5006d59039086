//! Nobody removes what a backup relies on, and nobody waits for ever.

use std::process::{Command, Stdio};

use crate::lab::{self, Lab, Run, SmallDisk, assert_same, content};

fn restic(lab: &Lab, arguments: &[&str]) -> Option<Run> {
    let mut command = Command::new("restic");
    command
        .args(["--no-cache", "-r"])
        .arg(lab.repository())
        .args(arguments)
        .env("RESTIC_PASSWORD", lab::PASSWORD);
    match command.output() {
        Ok(output) => Some(Run::from(output)),
        Err(error) => {
            eprintln!("note: restic cannot be run ({error}); skipped");
            None
        }
    }
}

/// Delays at system calls with which a backup changes the repository or looks at it, in
/// milliseconds.
const DELAYS: [(&str, u32); 4] = [
    ("rename:delay_enter", 500),
    ("rename:delay_exit", 500),
    ("fsync:delay_enter", 400),
    ("fsync:delay_exit", 400),
];

/// On a busy machine a prune may take longer than the backup: then the delays are so many times as
/// long.
const SLOWER: [u32; 3] = [1, 6, 36];

/// What was stored and forgotten is what the next backup finds and relies on, and what prune
/// removes.
#[test]
fn a_prune_beside_a_slow_backup_removes_nothing_of_it() {
    let lab = Lab::with_repository("sample-forest/dirty");
    let service = lab.serve(&[]);
    let original = lab.content();
    let mut refused_in_all = 0;
    let all = SLOWER
        .iter()
        .flat_map(|times| DELAYS.map(|(call, ms)| (call, ms * times)));
    for (number, (call, ms)) in all.enumerate() {
        if number >= DELAYS.len() && refused_in_all > 0 {
            break;
        }
        let delay = format!("{call}={}", ms * 1000);
        let stored = lab.json(&["backup", "--keep-logs"]);
        let id = stored["snapshot"].as_str().expect("an id");
        let Some(forgotten) = restic(&lab, &["forget", id]) else {
            return;
        };
        assert_eq!(forgotten.code, Some(0), "{forgotten}");
        let backup = lab.dsbackup(&["backup", "--keep-logs", "--retry-lock", "5m", "--json"]);
        let slow = Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null"])
            .arg(format!(
                "--trace={}",
                delay.split(':').next().unwrap_or_default()
            ))
            .arg(format!("--inject={delay}"))
            .arg(backup.get_program())
            .args(backup.get_args())
            .envs(backup.get_envs().filter_map(|(k, v)| Some((k, v?))))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut slow) = slow else {
            eprintln!("note: strace is not installed; slow backups are not tested");
            return;
        };
        let locked = || {
            let mut locks = std::fs::read_dir(lab.repository().join("locks")).expect("locks");
            locks.any(|lock| lock.is_ok_and(|lock| lock.file_name().len() == 64))
        };
        while !locked() && slow.try_wait().expect("its state").is_none() {
            std::thread::yield_now();
        }
        let (mut refused, mut pruned) = (0, 0);
        while slow.try_wait().expect("its state").is_none() {
            // restic asks by SIGHUP whether the process of a lock lives.
            let unlocked = restic(&lab, &["unlock"]).expect("restic");
            assert_eq!(unlocked.code, Some(0), "{unlocked}");
            let prune = restic(&lab, &["prune", "--max-unused", "0"]).expect("restic");
            match prune.code {
                Some(0) => pruned += 1,
                _ => refused += 1,
            }
        }
        println!("{delay}: {refused} prunes refused beside the backup, {pruned} before or after");
        let run = Run::from(slow.wait_with_output().expect("its end"));
        if run.stderr.contains("PTRACE") {
            eprintln!("note: nothing may be traced here; slow backups are not tested");
            return;
        }
        assert_eq!(run.code, Some(0), "{delay}: {run}");
        refused_in_all += refused;
        let target = lab.path(&format!("restored-{number}"));
        lab.succeed(&["restore", "latest", "--target", target.to_str().unwrap()]);
        assert_same(&content(&target), &original, &delay);
    }
    assert!(refused_in_all > 0, "every prune came too late");
    service.stop();
    lab.succeed(&["check", "--read-data"]);
}

#[test]
fn a_repository_that_may_only_be_read_is_restored_from_with_a_warning() {
    let lab = Lab::with(&testkit::find("sample-forest/clean").expect("shipped"));
    let Some(_disk) = SmallDisk::mount(lab.repository(), 64 << 10) else {
        return;
    };
    lab.succeed(&["init"]);
    let service = lab.serve(&[]);
    let original = lab.content();
    lab.succeed(&["backup", "--keep-logs"]);
    let read_only = Command::new("mount")
        .args(["-o", "remount,ro"])
        .arg(lab.repository())
        .status();
    assert!(read_only.expect("run mount").success());
    for (number, (arguments, warned)) in [(&[][..], true), (&["--no-lock"][..], false)]
        .iter()
        .enumerate()
    {
        let target = lab.path(&format!("restored-{number}"));
        let restore = ["restore", "latest", "--target", target.to_str().unwrap()];
        let run = lab.succeed(&[&restore, *arguments].concat());
        assert_eq!(run.stderr.contains("--no-lock"), *warned, "{run}");
        assert_same(&content(&target), &original, "restored");
    }
    let run = lab.run(&["backup", "--keep-logs"]);
    assert_eq!(run.code, Some(1), "{run}");
    assert!(run.stderr.contains("cannot be locked"), "{run}");
    service.stop();
}
