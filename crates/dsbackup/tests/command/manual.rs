//! The man pages and completions of the packages: every command has a page, and shells and man take
//! them without complaint.

use crate::lab;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The commands that the help of a command lists.
fn listed(folder: &Path, of: &[&str]) -> Vec<String> {
    let help = lab::succeed(folder, &[of, &["--help"]].concat());
    let commands = help
        .split_once("\nCommands:\n")
        .map_or("", |(_, rest)| rest);
    (commands.lines())
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

fn written() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let manual = folder.path().join("manual");
    let said = lab::succeed(folder.path(), &["manual", &manual.display().to_string()]);
    assert!(said.contains("man pages"), "{said}");
    (folder, manual)
}

/// Whether a program is there; says so if not.
fn found(program: &str) -> bool {
    let run = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if run.is_err() {
        eprintln!("{program} is not installed: its part is skipped");
    }
    run.is_ok()
}

/// Runs a program, which must succeed and complain of nothing; returns its output.
fn quiet(program: &str, arguments: &[&str], file: &Path) -> String {
    let run = Command::new(program)
        .args(arguments)
        .arg(file)
        .env("MANWIDTH", "80")
        .env("LC_ALL", "C.UTF-8")
        .output()
        .expect("the program runs");
    let stderr = String::from_utf8_lossy(&run.stderr);
    assert!(
        run.status.success() && stderr.is_empty(),
        "{program} {file:?}: {stderr}"
    );
    String::from_utf8(run.stdout).expect("UTF-8")
}

#[test]
fn every_command_has_its_page() {
    let (folder, manual) = written();
    let mut expected = BTreeSet::from(["dsbackup.1".to_owned()]);
    for command in listed(folder.path(), &[]) {
        for nested in listed(folder.path(), &[&command]) {
            expected.insert(format!("dsbackup-{command}-{nested}.1"));
        }
        expected.insert(format!("dsbackup-{command}.1"));
    }
    assert!(expected.len() > 25, "{expected:?}");
    let pages: BTreeSet<String> = std::fs::read_dir(manual.join("man1"))
        .expect("man1")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("ASCII")
        })
        .collect();
    assert_eq!(pages, expected);
}

#[test]
fn man_shows_the_pages_as_they_are_meant() {
    let (_folder, manual) = written();
    if !found("man") {
        return;
    }
    let man = ["--warnings", "--encoding=UTF-8", "--local-file"];
    for page in std::fs::read_dir(manual.join("man1")).expect("man1") {
        quiet("man", &man, &page.expect("an entry").path());
    }
    let page = quiet("man", &man, &manual.join("man1/dsbackup-backup.1"));
    for line in [
        "dsbackup-backup - Back up the directory of a service into a repository",
        "EXAMPLES",
        // A line of its own, not filled.
        "\n       dsbackup backup --directory /var/lib/ntds ...\n",
        "--password-file <FILE>",
        "DSBACKUP_REPOSITORY",
    ] {
        assert!(page.contains(line), "{line:?} is not in: {page}");
    }
    let root = quiet("man", &man, &manual.join("man1/dsbackup.1"));
    for line in ["EXIT CODES", "\n       5  check --drill: no damage found"] {
        assert!(root.contains(line), "{line:?} is not in: {root}");
    }
}

#[test]
fn shells_take_the_completions() {
    let (_folder, manual) = written();
    for (shell, file) in [
        ("bash", "dsbackup"),
        ("zsh", "_dsbackup"),
        ("fish", "dsbackup.fish"),
    ] {
        if found(shell) {
            quiet(shell, &["-n"], &manual.join(shell).join(file));
        }
    }
    let complete = "source \"$0\"; COMP_WORDS=(dsbackup snap); COMP_CWORD=1; \
                    _dsbackup dsbackup snap dsbackup; echo \"${COMPREPLY[*]}\"";
    let said = quiet("bash", &["-c", complete], &manual.join("bash/dsbackup"));
    assert_eq!(said.trim(), "snapshots");
}
