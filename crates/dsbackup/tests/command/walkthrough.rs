//! The two walk-throughs as a user sees them: what is said, what is refused, what scripts can rely
//! on.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

use crate::lab::{self, Lab, PASSWORD, Run, assert_same};

#[test]
fn the_nine_steps_are_walked_and_said() {
    let lab = Lab::with_repository("sample-forest/clean");
    let service = lab.serve(&[]);
    let run = lab.succeed(&["backup"]);
    service.stop();
    let mut rest = run.stderr.as_str();
    for step in [
        "DsIsNTDSOnline",
        "DsBackupPrepare",
        "DsBackupGetDatabaseNames",
        "DsBackupOpenFile",
        "DsBackupGetBackupLogs",
        "DsBackupTruncateLogs",
        "expiry token",
        "DsBackupFree",
        "DsBackupEnd",
    ] {
        let position = rest
            .find(step)
            .unwrap_or_else(|| panic!("{step} is missing or out of order: {run}"));
        rest = &rest[position..];
    }
}

#[test]
fn truncation_leaves_what_recovery_needs_and_the_next_backup_works() {
    let lab = Lab::with_repository("sample-forest/dirty");
    let original = lab.content();
    let service = lab.serve(&[]);
    let backup = lab.json(&["backup"]);
    let kept = lab.content();
    // Generations 6 and 7 are required, and 7 is the current log.
    for name in ["ntds.dit", "edb.log", "edb00006.log", "edb.chk"] {
        assert_eq!(kept.get(name), original.get(name), "{name}");
    }
    let deleted = backup["truncated"].as_array().expect("a list").len();
    assert!(
        kept.contains_key("dsbackup.current-log.json"),
        "where a backup of logs would begin"
    );
    assert_eq!(original.len() + 1 - kept.len(), deleted);
    assert!(deleted > 0, "some logs are not needed any more: {backup}");
    lab.succeed(&["backup"]);
    assert_same(
        &lab.content(),
        &kept,
        "a second backup has nothing to truncate",
    );
    service.stop();

    // The first snapshot still holds everything.
    let plain = lab.path("plain");
    let id = backup["snapshot"].as_str().expect("an id");
    lab.succeed(&["restore", id, "--target", plain.to_str().expect("plain")]);
    assert_same(&lab::content(&plain), &original, "the first snapshot");
}

#[test]
fn no_backup_while_offline_and_no_restore_while_online() {
    let lab = Lab::with_repository("sample-forest/clean");
    let original = lab.content();
    let service = lab.serve(&[]);
    lab.succeed(&["backup", "--keep-logs"]);
    let run = lab.run(&["restore", "latest"]);
    assert_eq!(run.code, Some(4), "{run}");
    assert!(run.stderr.contains("online"), "{run}");
    service.stop();

    let service = lab.serve(&["--restore-mode"]);
    let run = lab.run(&["backup"]);
    assert_eq!(run.code, Some(4), "{run}");
    assert!(run.stderr.contains("offline"), "{run}");
    service.stop();
    assert_eq!(lab.snapshot_count(), 1);
    assert_same(&lab.content(), &original, "refusals changed the directory");
}

#[test]
fn a_second_host_is_refused() {
    let lab = Lab::with_repository("sample-forest/clean");
    let service = lab.serve(&[]);
    let other = lab.path("other-socket");
    let other = ["--socket", other.to_str().expect("plain")];
    let run = lab.serve_refused(&other);
    assert!(run.stderr.contains("in use"), "{run}");
    let run = lab.serve_refused(&[other[0], other[1], "--restore-mode"]);
    assert!(run.stderr.contains("in use"), "{run}");
    service.stop();
}

#[test]
fn without_a_service_the_message_says_what_to_do() {
    let lab = Lab::with_repository("sample-forest/clean");
    let run = lab.run(&["backup"]);
    assert_eq!(run.code, Some(1), "{run}");
    assert!(run.stderr.contains("dsbackup serve"), "{run}");
    assert_eq!(lab.snapshot_count(), 0);
}

#[test]
fn the_password_comes_from_file_command_or_environment() {
    let lab = Lab::with_repository("sample-forest/clean");
    let file = lab.path("password");
    lab::write_secret(&file, &format!("{PASSWORD}\n"));
    let file = file.to_str().expect("plain");
    let command = format!("cat {file}");
    let run = |arguments: &[&str]| Run::of(lab.dsbackup(arguments).env_remove("DSBACKUP_PASSWORD"));
    for option in [["--password-file", file], ["--password-command", &command]] {
        let run = run(&["snapshots", option[0], option[1]]);
        assert!(run.stderr.contains("holds no backup"), "opened: {run}");
        assert_eq!(run.code, Some(3), "{run}");
    }
    let none = run(&["snapshots"]);
    assert_eq!(none.code, Some(4), "{none}");
    assert!(none.stderr.contains("--password-file"), "{none}");
    std::fs::write(file, "wrong\n").expect("write");
    let wrong = run(&["snapshots", "--password-file", file]);
    assert_eq!(wrong.code, Some(1), "{wrong}");
    assert!(wrong.stderr.contains("password"), "{wrong}");

    for (mode, refused) in [(0o644, true), (0o620, true), (0o640, false), (0o400, false)] {
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(file, permissions).expect("chmod");
        let run = run(&["snapshots", "--password-file", file]);
        assert_eq!(run.stderr.contains("chmod 600"), refused, "{mode:o}: {run}");
        assert_eq!(run.code, Some(if refused { 4 } else { 1 }), "{run}");
    }
    let argument = run(&["snapshots", "--password", PASSWORD]);
    assert_eq!(argument.code, Some(2), "there is no such argument");
}

#[test]
fn everything_created_is_private() {
    let lab = Lab::with_repository("sample-forest/clean");
    let service = lab.serve(&[]);
    let mode =
        |path: &std::path::Path| path.metadata().expect("metadata").permissions().mode() & 0o777;
    assert_eq!(mode(&lab.path("socket")), 0o600);
    lab.succeed(&["backup", "--keep-logs"]);
    service.stop();
    let plain = lab.path("plain");
    lab.succeed(&[
        "restore",
        "latest",
        "--target",
        plain.to_str().expect("plain"),
    ]);
    for root in [lab.repository(), plain] {
        let mut open = vec![root];
        while let Some(path) = open.pop() {
            assert_eq!(mode(&path) & 0o077, 0, "{}", path.display());
            if path.is_dir() {
                open.extend(
                    std::fs::read_dir(&path)
                        .expect("list")
                        .map(|entry| entry.expect("entry").path()),
                );
            }
        }
    }
}

#[test]
fn what_root_restores_belongs_to_the_owner_of_the_directory() {
    const OWNER: u32 = 65534;
    let lab = Lab::with_repository("sample-forest/clean");
    let service = lab.serve(&[]);
    lab.succeed(&["backup", "--keep-logs"]);
    service.stop();
    let original = lab.content();
    let directory = lab.directory();
    if chown(&directory, Some(OWNER), Some(OWNER)).is_err() {
        eprintln!("note: only root gives files away; skipped");
        return;
    }
    let service = lab.serve(&["--restore-mode"]);
    lab.succeed(&["restore", "latest"]);
    service.stop();
    assert_same(&lab.content(), &original, "restored");
    for name in original.keys() {
        let found = directory.join(name).metadata().expect("metadata");
        assert_eq!((found.uid(), found.gid()), (OWNER, OWNER), "{name}");
        assert_eq!(found.permissions().mode() & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_target_with_files_in_it_is_left_alone() {
    let lab = Lab::with_repository("sample-forest/clean");
    let service = lab.serve(&[]);
    lab.succeed(&["backup", "--keep-logs"]);
    service.stop();
    let target = lab.path("target");
    std::fs::create_dir(&target).expect("create");
    std::fs::write(target.join("keep me"), b"precious").expect("write");
    let run = lab.run(&[
        "restore",
        "latest",
        "--target",
        target.to_str().expect("plain"),
    ]);
    assert_eq!(run.code, Some(4), "{run}");
    assert_eq!(lab::content(&target).len(), 1);
}

#[test]
fn a_snapshot_says_whose_directory_it_holds_and_expires_by_the_directorys_own_rule() {
    for name in ["sample-forest/clean", "sample-forest/dirty"] {
        let lab = Lab::with_repository(name);
        // A directory that was not shut down is recovered before it goes online, and can then tell
        // as well.
        let service = lab.serve_recovering(&["--tombstone-lifetime", "30"]);
        lab.succeed(&["backup", "--keep-logs"]);
        service.stop();

        let snapshot = &lab.json(&["snapshots"])[0];
        let directory = &snapshot["directory"];
        assert_eq!(directory["domain"], "corp.example", "{name}: {snapshot}");
        assert_eq!(
            directory["invocation_id"],
            "e1450b96-7fa3-4c88-9d12-60a5f3c8b74d"
        );
        assert_eq!(
            directory["naming_contexts"].as_array().map(Vec::len),
            Some(3)
        );
        let words = lab.succeed(&["snapshots"]).stdout;
        assert!(words.contains("corp.example"), "{words}");

        // The drill finds the same directory in what it restored.
        lab.succeed(&["check", "--drill"]);
        let proven = &lab.json(&["snapshots"])[0];
        assert_eq!(proven["drill"]["directory"], *directory, "{proven}");

        let log = lab.service_log();
        assert!(
            log.contains("the directory's own") && log.contains("days=180"),
            "{log}"
        );
    }
}

/// Each file of a backup leaves one audit line, and the backup itself a handful of lines in the
/// service's own log.
#[test]
fn a_backup_does_not_drown_the_service_s_log() {
    let lab = Lab::with_repository("sample-forest/dirty");
    let audit = lab.path("audit.jsonl");
    let service = lab.serve(&["--audit-log", audit.to_str().expect("plain")]);
    let lines = |text: String| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let before = lines(lab.service_log()).len();
    lab.succeed(&["backup"]);
    service.stop();
    let said = lines(lab.service_log()).split_off(before);
    assert!(said.len() <= 6, "{said:#?}");
    let audited = lines(std::fs::read_to_string(&audit).expect("the audit log"));
    for file in lab.content().keys() {
        let name = lab.directory().join(file).display().to_string();
        let of_file = audited.iter().filter(|line| line.contains("HrRBackupRead"));
        let count = of_file.filter(|line| line.contains(&name)).count();
        assert!(
            count <= 1 && (count == 1 || file.ends_with(".json")),
            "{name}: {audited:#?}"
        );
    }
    let others = audited
        .iter()
        .filter(|line| !line.contains("HrRBackupRead"));
    assert!(others.count() <= 12, "{audited:#?}");
}

#[test]
fn the_repository_may_be_named_before_the_command() {
    let lab = Lab::with_repository("sample-forest/clean");
    let repository = lab.repository().display().to_string();
    let mut command = lab.dsbackup(&["-r", &repository, "--quiet", "snapshots"]);
    let run = Run::of(command.env_remove("DSBACKUP_REPOSITORY"));
    assert_eq!(run.code, Some(3), "an empty repository: {run}");
    assert!(run.stderr.contains("holds no backup"), "{run}");
}
