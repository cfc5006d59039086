//! Snapshots as sources: the same objects as at the path that was backed up, and nothing stays
//! behind.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use crate::lab::samba_domain::{provision, store};
use crate::lab::{self, Lab, Run};
use serde_json::Value;

/// A lab whose directory was backed up.
fn backed_up(fixture: &str) -> Lab {
    let lab = Lab::with_repository(fixture);
    let folder = lab.directory();
    let folder = folder.to_str().expect("plain");
    lab.succeed(&["backup", "--keep-logs", "--directory", folder]);
    lab
}

/// A command with a cache of the lab.
fn dsbackup(lab: &Lab, arguments: &[&str]) -> Command {
    let mut command = lab.dsbackup(arguments);
    command.env("DSBACKUP_CACHE", lab.path("cache"));
    command
}

fn run(lab: &Lab, arguments: &[&str]) -> Run {
    Run::of(&mut dsbackup(lab, arguments))
}

/// All objects of a source, deleted ones as well.
fn export(lab: &Lab, source: &str, more: &[&str]) -> String {
    let arguments = [&["export", source, "--jsonl", "--deleted"], more].concat();
    let run = run(lab, &arguments);
    assert_eq!(run.code, Some(0), "{arguments:?}: {run}");
    assert!(run.stdout.lines().count() > 100, "{run}");
    run.stdout
}

fn entries(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let names = entries.map(|entry| entry.expect("readable").file_name());
    names
        .map(|name| name.into_string().expect("plain"))
        .collect()
}

#[test]
fn a_clean_database_is_read_without_a_copy() {
    let lab = backed_up("sample-forest/clean");
    let folder = lab.directory();
    let expected = export(&lab, folder.to_str().expect("plain"), &[]);
    let id = lab.json(&["snapshots"])[0]["snapshot"].clone();
    let id = id.as_str().expect("an id");
    for source in [
        "latest",
        id,
        &id[..6],
        "2100-01-01 08:00",
        "2100-01-01T08:00:00Z",
    ] {
        assert!(export(&lab, source, &[]) == expected, "{source}");
    }
    let server = lab.json(&["snapshots"])[0]["server"].clone();
    let server = server.as_str().expect("a name");
    assert!(export(&lab, "latest", &["--server-name", server]) == expected);
    assert_eq!(entries(&lab.path("cache")), [""; 0]);
    assert_eq!(entries(&lab.repository().join("locks")), [""; 0]);

    for (command, more) in [
        ("ls", &[][..]),
        ("show", &["Administrator", "--metadata"]),
        ("search", &["(objectClass=group)", "member"]),
    ] {
        let of = |source: &str| {
            let run = run(&lab, &[&[command, source], more].concat());
            assert_eq!(run.code, Some(0), "{command}: {run}");
            run.stdout
        };
        assert_eq!(of("latest"), of(folder.to_str().expect("plain")));
    }
    let path = folder.to_str().expect("plain");
    let same = run(&lab, &["diff", path, "latest", "--exit-code"]);
    assert_eq!(same.code, Some(0), "{same}");
}

#[test]
fn a_dirty_database_is_recovered_once_into_a_private_cache() {
    let lab = backed_up("sample-forest/dirty");
    let recovered = lab.path("recovered");
    let recovered = recovered.to_str().expect("plain");
    let folder = lab.directory();
    lab.succeed(&[
        "recover",
        folder.to_str().expect("plain"),
        "--to",
        recovered,
    ]);
    let expected = export(&lab, recovered, &[]);
    let cache = lab.path("cache");
    assert!(export(&lab, "latest", &["--no-cache"]) == expected);
    assert_eq!(entries(&cache), [""; 0], "--no-cache");

    let first = run(&lab, &["export", "latest", "--jsonl", "--deleted"]);
    assert!(first.stdout == expected, "{}", first.stderr);
    assert!(
        first.stderr.contains("logs are replayed"),
        "{}",
        first.stderr
    );
    let copies = entries(&cache);
    assert_eq!(copies.len(), 1, "{copies:?}");
    let copy = cache.join(&copies[0]);
    for (path, expected) in [
        (&cache, 0o700),
        (&copy, 0o700),
        (&copy.join("ntds.dit"), 0o600),
    ] {
        let mode = path.metadata().expect("there").permissions().mode();
        assert_eq!(mode & 0o777, expected, "{}: {mode:o}", path.display());
    }
    assert_eq!(entries(&copy), ["ntds.dit"], "no logs");

    let again = run(&lab, &["export", "latest", "--jsonl", "--deleted"]);
    assert!(again.stdout == expected, "{}", again.stderr);
    assert!(!again.stderr.contains("replayed"), "{}", again.stderr);
    assert_eq!(entries(&cache), copies);
}

#[test]
fn what_a_killed_command_left_is_removed_by_the_next() {
    let lab = backed_up("sample-forest/dirty");
    let cache = lab.path("cache");
    let arguments = ["show", "latest", "Administrator"];
    // One whose copy is ready before the signal comes is started again.
    let left = (0..20).find_map(|_| {
        let _ = std::fs::remove_dir_all(&cache);
        let show = dsbackup(&lab, &arguments);
        let is_killed = lab::kill_as_soon_as(show, || !entries(&cache).is_empty());
        let left = entries(&cache);
        let is_ready = left.iter().any(|name| name.starts_with("dsbackup-view-"));
        (is_killed && !is_ready).then_some(left)
    });
    let left = left.expect("each was faster");
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].starts_with("dsbackup-scratch-"), "{left:?}");
    let next = run(&lab, &arguments);
    assert_eq!(next.code, Some(0), "{next}");
    let copies = entries(&cache);
    assert_eq!(copies.len(), 1, "{copies:?}");
    assert!(copies[0].starts_with("dsbackup-view-"), "{copies:?}");
}

#[test]
fn history_shows_what_became_of_an_object() {
    let lab = backed_up("sample-forest/clean");
    // Later the directory is another state of the same forest.
    let later = testkit::find("sample-forest/dirty").expect("shipped");
    std::fs::remove_dir_all(lab.directory()).expect("remove it");
    std::fs::create_dir(lab.directory()).expect("make it");
    later.unpack_into(&lab.directory());
    let folder = lab.directory();
    let folder = folder.to_str().expect("plain");
    lab.succeed(&["backup", "--keep-logs", "--directory", folder]);
    let snapshots = lab.json(&["snapshots"]);
    let ids = [0, 1].map(|number| snapshots[number]["snapshot"].as_str().expect("an id"));
    let json = |arguments: &[&str]| -> Value {
        let run = run(&lab, &[arguments, &["--json"]].concat());
        assert_eq!(run.code, Some(0), "{arguments:?}: {run}");
        serde_json::from_str(&run.stdout).expect("JSON")
    };
    let differences = json(&["diff", ids[0], ids[1]]);
    let changes = differences["changes"].as_array().expect("changes");
    let mut followed = 0;
    for kind in ["added", "deleted", "changed"] {
        let Some(change) = changes.iter().find(|change| change["kind"] == kind) else {
            continue;
        };
        let guid = change["guid"].as_str().expect("a GUID");
        // An object without trace in the newest is found in the oldest.
        let source = if change["after"].is_null() {
            ids[0]
        } else {
            ids[1]
        };
        let history = json(&["show", source, guid, "--history"]);
        assert_eq!(history[0]["snapshot"], ids[0]);
        assert_eq!(history[0]["dn"], change["before"]["dn"]);
        assert!(history[0]["change"].is_null());
        assert_eq!(history[1]["snapshot"], ids[1]);
        assert_eq!(history[1]["change"], *change);
        let text = run(&lab, &["show", source, guid, "--history"]);
        assert_eq!(text.code, Some(0), "{text}");
        assert!(text.stdout.contains(&format!("{kind}: ")), "{text}");
        followed += 1;
    }
    assert!(followed > 1, "{differences}");
    let at_path = run(&lab, &["show", folder, "Administrator", "--history"]);
    assert_ne!(at_path.code, Some(0), "{at_path}");
}

#[test]
fn a_path_that_exists_wins_and_what_is_missing_is_named() {
    let lab = backed_up("sample-forest/clean");
    let work = lab.path("work");
    std::fs::create_dir(&work).expect("make it");
    std::fs::create_dir(work.join("latest")).expect("make it");
    let arguments = ["ls", "latest"];
    let run_there = Run::of(dsbackup(&lab, &arguments).current_dir(&work));
    assert_eq!(run_there.code, Some(1), "{run_there}");
    assert!(
        run_there.stderr.contains("neither ntds.dit nor"),
        "{run_there}"
    );

    let old = run(&lab, &["ls", "1999-12-31 23:59"]);
    assert_eq!(old.code, Some(4), "{old}");
    assert!(old.stderr.contains("no snapshot is as old as"), "{old}");
    let other = run(&lab, &["ls", "latest", "--server-name", "elsewhere"]);
    assert_eq!(other.code, Some(4), "{other}");
    for wrong in ["nowhere/ntds.dit", "yesterday"] {
        let run = run(&lab, &["ls", wrong]);
        assert_eq!(run.code, Some(1), "{run}");
        assert!(run.stderr.contains(wrong), "{run}");
    }
    let without = Run::of(dsbackup(&lab, &arguments).env_remove("DSBACKUP_REPOSITORY"));
    assert_eq!(without.code, Some(1), "{without}");
    assert!(without.stderr.contains("--repository"), "{without}");
}

#[test]
fn damage_in_the_repository_ends_with_exit_code_3() {
    let lab = backed_up("sample-forest/clean");
    for folder in std::fs::read_dir(lab.repository().join("data")).expect("packs") {
        for pack in std::fs::read_dir(folder.expect("readable").path()).expect("packs") {
            let pack = pack.expect("readable").path();
            if pack.metadata().expect("there").len() > 100_000 {
                let mode = std::fs::Permissions::from_mode(0o600);
                std::fs::set_permissions(&pack, mode).expect("chmod");
                for offset in (1000..pack.metadata().expect("there").len() - 4000).step_by(3000) {
                    lab::flip_bit(&pack, offset);
                }
            }
        }
    }
    let run = run(&lab, &["export", "latest", "--jsonl"]);
    assert_eq!(run.code, Some(3), "{run}");
    assert!(run.stderr.contains("pack"), "{run}");
}

#[test]
fn a_samba_directory_in_either_format_is_that_of_the_server() {
    for backend in ["tdb", "mdb"] {
        let lab = Lab::empty();
        if provision(&lab, backend).is_none() {
            return;
        }
        lab.succeed(&["init"]);
        let private = lab.path("samba/private");
        store(&lab, &private);
        let expected = export(&lab, private.to_str().expect("plain"), &[]);
        let cache = lab.path("cache");
        assert!(
            export(&lab, "latest", &["--no-cache"]) == expected,
            "{backend}"
        );
        assert_eq!(entries(&cache), [""; 0], "--no-cache");
        assert!(export(&lab, "latest", &[]) == expected, "{backend}");
        let copies = entries(&cache);
        assert_eq!(copies.len(), 1, "{copies:?}");
        let copy = cache.join(&copies[0]);
        assert_eq!(entries(&copy), ["private"], "only the databases");
        let mut private = entries(&copy.join("private"));
        private.sort();
        assert_eq!(private, ["sam.ldb", "sam.ldb.d"], "only the databases");
        assert!(export(&lab, "latest", &[]) == expected, "{backend}");
        assert_eq!(entries(&cache), copies);
    }
}
