//! What is no database, or none in a state to be read: every command says so, and none waits or
//! reads without end.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::lab::Run;
use crate::lab::set::{Set, dsbackup, edit_header, json, run, succeed, text};

/// The commands that read a database or another file, with one file each.
fn commands(file: &str) -> Vec<Vec<&str>> {
    let mut commands: Vec<Vec<&str>> = ["tables", "dump", "space", "facts", "verify-db", "inspect"]
        .into_iter()
        .map(|command| vec![command, file])
        .collect();
    commands.push(vec!["dump", "--csv", "--table", "datatable", file]);
    commands.push(vec!["inspect", "--records", file]);
    commands.push(vec!["recover", file]);
    commands
}

#[test]
fn a_file_that_is_none_of_the_engines_is_said_to_be_that_by_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let contents: [(&str, &[u8]); 4] = [
        (
            "Windows.db",
            b"SQLite format 3\0\x10\0\x01\x01\0\x40\x20\x20",
        ),
        (
            "ntds.dit",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n",
        ),
        ("some.dit.gz", b"\x1f\x8b\x08\0\0\0\0\0\0\x03"),
        ("empty.edb", b""),
    ];
    for (name, content) in contents {
        let file = folder.path().join(name);
        std::fs::write(&file, content).unwrap();
        let file = text(&file);
        for command in commands(&file) {
            if command.contains(&"--records") {
                continue;
            }
            let run = run(&command);
            assert_eq!(run.code, Some(2), "{command:?}: {run}");
            assert!(
                run.stderr
                    .contains("no file of the storage engine: neither database, log"),
                "{command:?}: {run}"
            );
            assert!(!run.stderr.contains("restore brings"), "{command:?}: {run}");
        }
        std::fs::remove_file(&file).unwrap();
    }
    // The database of a folder, too.
    std::fs::write(folder.path().join("ntds.dit"), contents[0].1).unwrap();
    for rest in [&[][..], &["--database", "ntds.dit"]] {
        let folder = text(folder.path());
        let run = run(&[&["recover", &folder][..], rest].concat());
        assert_eq!(run.code, Some(2), "{run}");
        assert!(
            run.stderr.contains("no file of the storage engine"),
            "{run}"
        );
    }
}

/// Runs a command that must end soon.
fn run_briefly(arguments: &[&str]) -> Run {
    let mut command = dsbackup(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child: Child = command.spawn().expect("start");
    let start = Instant::now();
    let id = child.id();
    let waiter = std::thread::spawn(move || child.wait_with_output().expect("its end"));
    while !waiter.is_finished() {
        if start.elapsed() > Duration::from_secs(30) {
            let pid = rustix::process::Pid::from_raw(id as i32).expect("a process");
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            panic!("{arguments:?} reads without end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Run::from(waiter.join().expect("joined"))
}

fn pipe(path: &Path) {
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, 0).expect("a pipe");
}

#[test]
fn pipes_devices_and_endless_files_are_refused_before_they_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("ntds.dit");
    pipe(&fifo);
    let fifo = text(&fifo);
    for (file, words) in [
        (&*fifo, "a named pipe"),
        ("/dev/zero", "a device"),
        // Without a size, and with as much content as is asked for.
        ("/proc/self/pagemap", "no file of the storage engine"),
    ] {
        for command in commands(file) {
            let run = run_briefly(&command);
            let code = if command.contains(&"--records") && !words.starts_with("a ") {
                1
            } else {
                2
            };
            assert_eq!(run.code, Some(code), "{command:?}: {run}");
            assert!(
                run.stderr.contains(words) || code == 1,
                "{command:?}: {run}"
            );
        }
    }
}

#[test]
fn pipes_among_logs_and_checkpoints_are_refused_too() {
    let set = Set::shipped("sample-forest/dirty");
    std::fs::remove_file(set.path("edb.chk")).unwrap();
    pipe(Path::new(&set.path("edb.chk")));
    pipe(Path::new(&set.path("edb00009.log")));
    pipe(Path::new(&set.path("ntds.jfm.log")));
    let found = json(&run_briefly(&["inspect", "--json", &set.database]));
    assert!(
        found["logs"]["unusable"]
            .to_string()
            .contains("a named pipe"),
        "{found}"
    );
    run_briefly(&["verify-db", &set.database]);
    for file in ["edb.chk", "edb00009.log"] {
        let run = run_briefly(&["inspect", &set.path(file)]);
        assert_eq!(run.code, Some(2), "{run}");
    }
    // Of a log that is needed, its place is taken by a pipe.
    std::fs::remove_file(set.path("edb00006.log")).unwrap();
    pipe(Path::new(&set.path("edb00006.log")));
    let out = tempfile::tempdir().unwrap();
    let folder = text(set.folder.path());
    let run = run_briefly(&["recover", &folder, "--to", &text(out.path())]);
    assert!(run.code.is_some_and(|code| code != 0), "{run}");
}

#[test]
fn states_that_are_none_and_newer_formats_are_said() {
    for (state, words) in [(77, "77 is no state of the engine"), (4, "Being Converted")] {
        let set = Set::shipped("ese/p4096-clean");
        edit_header(&set.database, |header| header.state.set(state));
        let checked = run(&["verify-db", &set.database]);
        assert_eq!(checked.code, Some(1), "{checked}");
        assert!(checked.stdout.contains(words), "{checked}");
        assert!(checked.stdout.contains("database header"), "{checked}");
        for command in ["tables", "dump", "space"] {
            let read = succeed(&[command, &set.database]);
            assert!(read.stderr.contains(words), "{command}: {read}");
        }
        let inspected = succeed(&["inspect", &set.database]);
        assert!(inspected.stdout.contains(words), "{inspected}");
    }
    let set = Set::shipped("ese/p4096-clean");
    edit_header(&set.database, |header| header.update_major.set(999));
    let words = "format 0x620,999, newer than the newest known here (0x620,290)";
    let checked = succeed(&["verify-db", &set.database]);
    assert!(
        checked.stdout.contains(words) && checked.stdout.contains("1 note"),
        "{checked}"
    );
    let read = succeed(&["tables", &set.database]);
    assert!(read.stderr.contains(words), "{read}");
    let inspected = succeed(&["inspect", &set.database]);
    assert!(inspected.stdout.contains(words), "{inspected}");
}

#[test]
fn a_temporary_database_is_no_damaged_one() {
    let set = Set::shipped("ese/p4096-clean");
    edit_header(&set.database, |header| {
        header.state.set(1);
        header.log_signature = Default::default();
    });
    for command in ["verify-db", "tables", "dump", "space", "facts"] {
        let run = run(&[command, &set.database]);
        assert_eq!(run.code, Some(2), "{command}: {run}");
        assert!(
            run.stderr
                .contains("a temporary database of the engine; nothing to"),
            "{run}"
        );
    }
    let inspected = succeed(&["inspect", &set.database]);
    assert!(
        inspected.stdout.contains("a temporary database"),
        "{inspected}"
    );
}

#[test]
fn a_database_is_recovered_by_its_own_name_as_by_its_folders() {
    let set = Set::shipped("sample-forest/dirty");
    let outs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let folder = text(set.folder.path());
    for (named, out) in [&folder, &set.database].into_iter().zip(&outs) {
        succeed(&["recover", named, "--to", &text(out.path())]);
    }
    let read =
        |out: &tempfile::TempDir| succeed(&["dump", &text(&out.path().join("ntds.dit"))]).stdout;
    assert!(read(&outs[0]) == read(&outs[1]));
}

#[test]
fn foreign_logs_are_named_and_no_logs_are_not_advised_away() {
    let set = Set::shipped("sample-forest/dirty");
    let other = Set::shipped("ese/ad2016-ntds");
    std::fs::copy(other.path("edb.log"), set.path("edb.log")).unwrap();
    let folder = text(set.folder.path());
    let out = tempfile::tempdir().unwrap();
    let refused = run(&["recover", &folder, "--to", &text(out.path())]);
    assert_eq!(refused.code, Some(1), "{refused}");
    assert!(
        refused.stderr.contains("edb.log") && refused.stderr.contains("another sequence of logs"),
        "{refused}"
    );
    let found = json(&succeed(&["inspect", "--json", &set.database]));
    assert_eq!(found["logs"]["foreign"][0]["file"], "edb.log", "{found}");
    let words = succeed(&["inspect", &set.database]).stdout;
    assert!(
        words.contains("Foreign") && words.contains("another sequence"),
        "{words}"
    );

    for entry in std::fs::read_dir(set.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|kind| kind == "log") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let refused = run(&[
        "recover",
        &folder,
        "--to",
        &text(out.path()),
        "--allow-loss",
    ]);
    assert_eq!(refused.code, Some(1), "{refused}");
    assert!(
        !refused.stderr.contains("allow loss explicitly"),
        "{refused}"
    );
    for words in ["no log of this database", "--logs DIR", "dsbackup dump"] {
        assert!(refused.stderr.contains(words), "{words}: {refused}");
    }
}
