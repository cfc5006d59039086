//! Long work shows how far it is, how fast and how long still on a terminal, and is quiet elsewhere.

use crate::lab::chain::Chain;
use crate::lab::{Lab, PASSWORD, Run, write_secret};
use std::process::{Command, Stdio};

/// A command, for which `OUT` stands for a file as standard output, and what its progress names.
const WORK: [(&[&str], &str); 24] = [
    (
        &["backup", "--keep-logs", "--directory", "directory"],
        "ntds.dit",
    ),
    (&["check"], "reading snapshots"),
    (&["check", "--read-data"], "reading packs"),
    (
        &["check", "--drill", "--all", "--scratch", "."],
        "replaying log",
    ),
    (
        &["check", "--drill", "--all", "--scratch", "."],
        "fits together",
    ),
    (&["restore", "latest", "--target", "restored"], "ntds.dit"),
    (&["recover", "restored"], "replaying log"),
    (&["verify-db", "restored/ntds.dit"], "checking every page"),
    (&["dump", "restored/ntds.dit", "OUT"], "dumping"),
    (&["facts", "restored/ntds.dit", "OUT"], "counting objects"),
    (&["facts", "latest", "OUT"], "objects"),
    (&["export", "restored", "--csv", "OUT"], "objects"),
    (&["search", "latest", "(cn=*)", "OUT"], "objects"),
    (
        &["diff", "latest", "restored", "OUT"],
        "objects that may differ",
    ),
    (
        &["show", "latest", "Administrator", "--history"],
        "reading snapshots",
    ),
    (&["snapshots"], "reading snapshots"),
    (&["copy", "--to", "other"], "copying"),
    (&["copy", "--to", "third"], "reading back"),
    (&["run", "nightly"], "ntds.dit"),
    (&SETUP, "ntds.dit"),
    (&["forget", "--keep-last", "1"], "reading snapshots"),
    (&["prune"], "reading snapshots"),
    (&["repair", "index"], "reading packs"),
    (&["recovery-plan", "repository"], "reading the domains"),
];

const SETUP: [&str; 10] = [
    "setup",
    "--directory",
    "directory",
    "--repository",
    "fourth",
    "--repository-name",
    "fourth",
    "--job",
    "hourly",
    "--no-timer",
];

/// The job of `run` and `ship`.
fn job(lab: &Lab, database_name: &str) -> String {
    format!(
        "[repository.local]\nlocation = {:?}\npassword_file = {:?}\n\
         [job.nightly]\nsource = {{ directory = {:?}, database_name = {:?} }}\nrepositories = [\"local\"]\n\
         keep_logs = true\n[job.nightly.ship]\n",
        lab.repository(),
        lab.path("password"),
        lab.directory(),
        database_name,
    )
}

/// Whether commands can have a terminal here; says so if not.
fn has_terminals() -> bool {
    let exists = Command::new("script").arg("--version").output().is_ok();
    if !exists {
        eprintln!("note: script (util-linux) is not installed; skipped");
    }
    exists
}

/// Runs a command whose standard error, and without `OUT` its standard output, is a terminal.
fn on_a_terminal(lab: &Lab, arguments: &[&str]) -> Run {
    let plain = lab.dsbackup(&[]);
    let mut line = format!("'{}'", plain.get_program().display());
    for argument in arguments {
        line += &match *argument {
            "OUT" => " > out".to_owned(),
            argument => format!(" '{argument}'"),
        };
    }
    let mut command = Command::new("script");
    command
        .args(["--quiet", "--return", "--command", &line, "/dev/null"])
        .current_dir(lab.path(""))
        .env("TERM", "xterm")
        .env("DSBACKUP_CACHE", lab.path("cache"))
        .env("DSBACKUP_CONFIG", lab.path("dsbackup.toml"))
        .env("DSBACKUP_STATE_FOLDER", lab.path("state"))
        .env("DSBACKUP_TO_PASSWORD", PASSWORD)
        .stdin(Stdio::null());
    for (name, value) in plain.get_envs() {
        command.env(name, value.expect("set"));
    }
    Run::of(&mut command)
}

/// Whether a bar of this item was drawn: how much of how much, how fast, and how long still.
fn shows_bar(drawn: &str, item: &str) -> bool {
    let is_time = |word: &str| {
        let number = word.strip_suffix(['s', 'm', 'h', 'd']);
        number.is_some_and(|number| number.parse::<u32>().is_ok())
    };
    let mut lines = drawn.split(['\r', '\n', '\u{1b}']);
    lines.any(|line| {
        let mut words = line.split_whitespace().rev();
        let [left, rate] = [words.next(), words.next()].map(Option::unwrap_or_default);
        line.contains(item) && line.contains(" / ") && rate.ends_with("/s") && is_time(left)
    })
}

/// The logs wait that the engine finished after the backup.
#[test]
fn shipping_shows_rate_and_time_left_on_a_terminal() {
    if !has_terminals() {
        return;
    }
    let chain = Chain::shipped();
    let lab = Lab::empty();
    chain.full(&lab.directory());
    let job = job(&lab, chain.database_name());
    std::fs::write(lab.path("dsbackup.toml"), job).expect("write");
    write_secret(&lab.path("password"), &format!("{PASSWORD}\n"));
    lab.succeed(&["init"]);
    let full = on_a_terminal(&lab, &["run", "nightly"]);
    assert_eq!(full.code, Some(0), "{full}");
    for log in chain.later() {
        log.finish_in(&lab.directory());
    }
    let shipped = on_a_terminal(&lab, &["ship", "nightly", "--once"]);
    assert_eq!(shipped.code, Some(0), "{shipped}");
    assert!(shows_bar(&shipped.stdout, "logs 0x"), "{shipped}");
}

#[test]
fn long_work_shows_rate_and_time_left_on_a_terminal_and_nothing_elsewhere() {
    if !has_terminals() {
        return;
    }
    let lab = Lab::with_repository("sample-forest/dirty");
    std::fs::write(lab.path("dsbackup.toml"), job(&lab, "ntds.dit")).expect("write");
    write_secret(&lab.path("password"), &format!("{PASSWORD}\n"));
    for name in ["other", "third"] {
        lab.succeed(&["init", "-r", lab.path(name).to_str().expect("plain")]);
    }
    for (arguments, item) in WORK {
        let shown = on_a_terminal(&lab, arguments);
        assert_eq!(shown.code, Some(0), "{arguments:?}: {shown}");
        assert!(shows_bar(&shown.stdout, item), "{arguments:?}: {shown}");
        // One that is not cleared stays beside the next.
        for line in shown.stdout.split(['\r', '\n']) {
            let bars = line.matches("/s ").count();
            assert!(bars <= 1, "{arguments:?}: {line:?}");
        }
    }
    for arguments in [WORK[1].0, WORK[2].0, WORK[6].0, &["snapshots"]] {
        let mut command = lab.dsbackup(arguments);
        let elsewhere = Run::of(command.current_dir(lab.path("")));
        assert_eq!(elsewhere.code, Some(0), "{arguments:?}: {elsewhere}");
        for sign in ["B/s", "\r", "\u{1b}"] {
            assert!(
                !elsewhere.stderr.contains(sign),
                "{arguments:?}: {elsewhere}"
            );
        }
        let quiet = on_a_terminal(&lab, &[arguments, &["--quiet"][..]].concat());
        assert!(!quiet.stdout.contains('\u{1b}'), "{arguments:?}: {quiet}");
    }
}
