//! What becomes of a command whose output goes nowhere: a reader that has gone away is harmless, a
//! full disk is not.

use std::fs::File;
use std::process::{Command, Stdio};

use crate::lab::{self, Lab, Run};

/// Every command that ends by itself, each of which can be run again and again. `N` stands for a
/// new name.
const COMMANDS: [&[&str]; 36] = [
    &["init", "--repository", "N"],
    &["backup", "--keep-logs"],
    &["snapshots"],
    &["check"],
    &["check", "--read-data"],
    &["check", "--drill", "--scratch", "."],
    &["forget", "--keep-last", "9"],
    &["prune"],
    &["repair", "index"],
    &["unlock"],
    &["restore", "latest", "--target", "N"],
    &["recover", "directory", "--to", "N"],
    &["recovery-plan", "--no-cache", "repository"],
    &["inspect", "directory/ntds.dit"],
    &["inspect", "directory/edb00006.log"],
    &["inspect", "--records", "directory/edb00006.log"],
    &["tables", "restored/ntds.dit"],
    &["dump", "restored/ntds.dit"],
    &[
        "dump",
        "--csv",
        "--table",
        "hiddentable",
        "restored/ntds.dit",
    ],
    &["space", "restored/ntds.dit"],
    &["facts", "restored/ntds.dit"],
    &["verify-db", "restored/ntds.dit"],
    &["ls", "restored"],
    &["search", "restored", "(objectClass=user)"],
    &["show", "restored", "Administrator", "--metadata"],
    &["export", "restored", "--ldif"],
    &["files", "latest"],
    &["cat", "directory", "edb.chk"],
    &["config", "sample"],
    &["manual", "N"],
    &["restore-objects", "--help"],
    &["undo", "--help"],
    &["ship", "files", "--once"],
    &["--help"],
    &["backup", "--help"],
    &["--version"],
];

/// A lab with a snapshot, what was restored from it, and a service.
fn lab() -> (Lab, lab::Service) {
    let lab = Lab::with_repository("sample-forest/dirty");
    let recovered = lab.path("restored");
    let (directory, recovered) = (lab.directory(), recovered.display().to_string());
    lab.succeed(&[
        "recover",
        &directory.display().to_string(),
        "--to",
        &recovered,
    ]);
    lab::write_secret(&lab.path("password"), lab::PASSWORD);
    let configuration = format!(
        "[repository.local]\nlocation = {:?}\npassword_file = {:?}\n\
         [job.files]\nsource = {{ socket = {:?} }}\nrepositories = [\"local\"]\n\
         ship = {{ logs = {:?} }}\n",
        lab.repository(),
        lab.path("password"),
        lab.path("socket"),
        lab.directory()
    );
    std::fs::write(lab.path("dsbackup.toml"), configuration).expect("write");
    let service = lab.serve(&[]);
    lab.succeed(&["backup", "--keep-logs"]);
    (lab, service)
}

/// Runs every command, as text and with `--json`, with what `redirect` does to its output.
fn each(lab: &Lab, redirect: impl Fn(&mut Command), verify: impl Fn(&[&str], Run)) {
    let mut number = 0;
    for json in [&[][..], &["--json"]] {
        for command in COMMANDS {
            number += 1;
            let new = format!("new-{number}");
            let arguments: Vec<&str> = (command.iter().chain(json))
                .map(|argument| if *argument == "N" { &new } else { *argument })
                .collect();
            let mut command = lab.dsbackup(&arguments);
            command.current_dir(lab.path(""));
            command.env("DSBACKUP_CONFIG", "dsbackup.toml");
            command.env("DSBACKUP_STATE_FOLDER", "state");
            redirect(&mut command);
            verify(&arguments, Run::of(&mut command));
        }
    }
}

#[test]
fn a_full_disk_under_standard_output_is_a_failure() {
    let (lab, service) = lab();
    let full = |command: &mut Command| {
        let file = File::options().write(true).open("/dev/full");
        command.stdout(file.expect("/dev/full"));
    };
    each(&lab, full, |arguments, run| {
        // verify-db has codes of its own.
        let expected = if arguments[0] == "verify-db" { 2 } else { 1 };
        assert_eq!(run.code, Some(expected), "{arguments:?}: {run}");
        assert!(
            run.stderr
                .contains("cannot write the result to standard output"),
            "{arguments:?}: {run}"
        );
    });
    service.stop();
}

#[test]
fn a_reader_that_has_gone_away_is_harmless() {
    let (lab, service) = lab();
    let closed = |command: &mut Command| {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        command.stdout(Stdio::from(writer));
    };
    each(&lab, closed, |arguments, run| {
        assert_eq!(run.code, Some(0), "{arguments:?}: {run}");
        assert!(!run.stderr.contains("error"), "{arguments:?}: {run}");
    });
    service.stop();
}

#[test]
fn what_cannot_be_said_on_standard_error_stops_no_work() {
    let (lab, service) = lab();
    let full = |command: &mut Command| {
        let file = File::options().write(true).open("/dev/full");
        command.stderr(file.expect("/dev/full"));
    };
    each(&lab, full, |arguments, run| {
        assert_eq!(run.code, Some(0), "{arguments:?}: {run}");
        assert!(!run.stdout.is_empty(), "{arguments:?}: {run}");
    });
    let mut mistake = lab.dsbackup(&["backup", "--no-such-option"]);
    full(&mut mistake);
    assert_eq!(Run::of(&mut mistake).code, Some(2));
    service.stop();
}
