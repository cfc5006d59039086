//! Commands killed at random times. Each runs in a process of its own: this test's program again.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use repository::*;

use crate::common;
use crate::model::{NewBackup, Place, Side};
use crate::random::Random;

const PATIENCE: Duration = Duration::from_secs(60);

/// The variables with the process's task.
const WHAT: &str = "DSBACKUP_HISTORY_WHAT";
const PATHS: [&str; 2] = ["DSBACKUP_HISTORY_ONE", "DSBACKUP_HISTORY_TWO"];
const ARGUMENTS: &str = "DSBACKUP_HISTORY_ARGUMENTS";

/// Printed by the process once it has opened its repositories.
const READY: &str = "history: ready";

/// Runs a command and kills it. Returns whether it was killed before its end.
pub fn step(one: &mut Side, two: &mut Side, place: &mut Place, random: &mut Random) -> bool {
    let some = one.some(random);
    let what = *random
        .pick(&["backup", "prune", "forget", "copy", "repair"])
        .expect("one");
    let arguments = match what {
        "backup" => {
            place.new_backup(random);
            format!("{} {}", place.seed, place.last_number())
        }
        _ => some.join(" "),
    };
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "killed::child", "--ignored", "--nocapture"])
        .env(WHAT, what)
        .env(PATHS[0], &one.path)
        .env(PATHS[1], &two.path)
        .env(ARGUMENTS, arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let mut lines = output.lines().map_while(Result::ok);
    assert!(
        lines.any(|line| line.contains(READY)),
        "{what} begins: {}",
        place.story()
    );
    // A command takes some milliseconds; each stretch of time is as likely as the next one, which
    // is twice as long.
    let longest = 1 << (6 + random.below(11));
    let delay = random.below(longest);
    std::thread::sleep(Duration::from_micros(delay));
    child.kill().unwrap();
    let status = child.wait().unwrap();
    place.tell(format!("{what} killed after {delay} µs ({status})"));
    if what == "forget" {
        one.may_be_removed(&some);
    }
    one.look_again(place);
    two.look_again(place);
    status.code().is_none()
}

/// The killed process.
#[test]
#[ignore = "run by the histories"]
fn child() {
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    let what = variable(WHAT);
    if what.is_empty() {
        return;
    }
    let one = common::open(&PathBuf::from(variable(PATHS[0])));
    let arguments = variable(ARGUMENTS);
    let arguments: Vec<&str> = arguments.split_whitespace().collect();
    let two = (what == "copy").then(|| common::open(&PathBuf::from(variable(PATHS[1]))));
    let exclusive = || one.lock(LockKind::Exclusive, PATIENCE).unwrap();
    println!("{READY}");
    match (what.as_str(), two) {
        ("backup", _) => {
            let number = |index: usize| arguments[index].parse::<u64>().unwrap();
            let _ = NewBackup::new(number(0), number(1)).store(&one);
        }
        ("prune", _) => drop(one.prune(&exclusive(), false, &mut |_, _, _| ())),
        ("forget", _) => {
            let lock = exclusive();
            let _ = one.forget(&arguments);
            let _ = one.prune(&lock, false, &mut |_, _, _| ());
        }
        ("repair", _) => drop(one.repair_index(&exclusive(), false, &mut |_, _, _| ())),
        (_, Some(two)) => {
            let mut snapshots = one.snapshots().unwrap();
            snapshots.retain(|snapshot| arguments.contains(&snapshot.id.as_str()));
            let lock = two.lock(LockKind::Shared, PATIENCE).unwrap();
            let _ = one.copy_to(&snapshots, &two, &lock, &mut |_, _, _| ());
        }
        _ => {}
    }
}
