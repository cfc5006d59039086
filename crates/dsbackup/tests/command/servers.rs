//! Several servers in one repository, and snapshots of other programs: whose snapshot is restored.

use std::process::Command;

use crate::lab::{Content, Lab, PASSWORD, Run, Service, assert_same, content};

/// A lab whose service says which server it is.
struct Servers {
    lab: Lab,
}

impl Servers {
    fn new() -> Self {
        let lab = Lab::empty();
        lab.succeed(&["init"]);
        Self { lab }
    }

    /// Puts a fixture into the service's folder.
    fn host(&self, fixture: &str) -> Content {
        let directory = self.lab.directory();
        std::fs::remove_dir_all(&directory).expect("remove");
        std::fs::create_dir(&directory).expect("make");
        testkit::find(fixture)
            .expect("shipped")
            .unpack_into(&directory);
        self.lab.content()
    }

    fn serve(&self, name: &str, arguments: &[&str]) -> Service {
        let file = self.lab.path(&format!("{name}.toml"));
        let folder = self.lab.directory();
        let text = format!("[directory]\ndatabase_folder = {folder:?}\nserver_name = {name:?}\n");
        std::fs::write(&file, text).expect("write");
        let config = ["--config", file.to_str().expect("plain")];
        self.lab.serve(&[&config, arguments].concat())
    }

    fn back_up(&self, name: &str) -> String {
        let service = self.serve(name, &[]);
        let backup = self.lab.json(&["backup", "--keep-logs"]);
        service.stop();
        assert_eq!(backup["server"], name);
        backup["snapshot"].as_str().expect("an id").to_owned()
    }
}

#[test]
fn latest_is_the_newest_of_the_server_and_another_needs_its_name() {
    let servers = Servers::new();
    let lab = &servers.lab;
    let first = servers.host("sample-forest/clean");
    let first_id = servers.back_up("DC1");
    let second = servers.host("sample-forest/dirty");
    let second_id = servers.back_up("DC2");
    assert_ne!(first.get("ntds.dit"), second.get("ntds.dit"));

    let service = servers.serve("DC1", &["--restore-mode"]);
    let run = lab.succeed(&["restore", "latest"]);
    let line = run.stderr.lines().next().unwrap_or_default();
    for part in ["the server DC1", "taken 2", &first_id[..8]] {
        assert!(line.contains(part), "{part}: {run}");
    }
    assert_same(&lab.content(), &first, "DC1's own");

    let refused = lab.run(&["restore", &second_id]);
    assert_eq!(refused.code, Some(4), "{refused}");
    assert!(refused.stderr.contains("--server-name DC2"), "{refused}");
    assert_same(&lab.content(), &first, "nothing was touched");
    lab.succeed(&["restore", "latest", "--server-name", "dc2"]);
    assert_same(&lab.content(), &second, "DC2's, since it was named");
    let refused = lab.run(&["restore", &first_id, "--server-name", "DC2"]);
    assert_eq!(refused.code, Some(4), "{refused}");
    service.stop();

    let service = servers.serve("DC3", &["--restore-mode"]);
    let refused = lab.run(&["restore", "latest"]);
    assert_eq!(refused.code, Some(4), "{refused}");
    assert!(refused.stderr.contains("DC1, DC2"), "{refused}");
    service.stop();

    let target = lab.path("target");
    let into = |more: &[&str]| {
        let target = target.to_str().expect("plain");
        lab.run(&[&["restore", "latest", "--target", target], more].concat())
    };
    let refused = into(&[]);
    assert_eq!(refused.code, Some(4), "{refused}");
    assert!(refused.stderr.contains("DC1, DC2"), "{refused}");
    assert!(!target.exists());
    let run = into(&["--server-name", "DC1", "--json"]);
    let result: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(result["server"], "DC1", "{run}");
    assert!(result["time"].is_string(), "{run}");
    assert_same(&content(&target), &first, "DC1's");
}

#[test]
fn snapshots_of_other_programs_are_passed_over() {
    let servers = Servers::new();
    let lab = &servers.lab;
    let original = servers.host("sample-forest/clean");
    servers.back_up("DC1");
    let notes = lab.path("notes");
    std::fs::write(&notes, "of another program").expect("write");
    let restic = Command::new("restic")
        .args(["--no-cache", "-r"])
        .arg(lab.repository())
        .args(["backup", "--host", "DC1"])
        .arg(&notes)
        .env("RESTIC_PASSWORD", PASSWORD)
        .output();
    let restic = Run::from(restic.expect("restic is installed"));
    assert_eq!(restic.code, Some(0), "{restic}");

    let target = lab.path("target");
    let target = target.to_str().expect("plain");
    lab.succeed(&["restore", "latest", "--target", target]);
    assert_same(&content(target.as_ref()), &original, "ours");
    let drills = lab.json(&["check", "--drill"]);
    assert_eq!(
        drills["drills"].as_array().expect("a list").len(),
        1,
        "{drills}"
    );
    let list = lab.json(&["snapshots"]);
    let foreign = (list.as_array().expect("a list").iter())
        .find(|line| line["unusable"].is_string())
        .expect("it is listed for what it is");
    let id = foreign["snapshot"].as_str().expect("an id");
    let refused = lab.run(&["restore", id, "--target", target]);
    assert_eq!(refused.code, Some(4), "{refused}");
}

/// An NTDS that starts under the invocation id of its backup is ignored by its partners.
#[test]
fn a_restored_ntds_does_not_start_under_its_old_invocation_id_without_a_word() {
    let servers = Servers::new();
    let lab = &servers.lab;
    let original = servers.host("sample-forest/clean");
    servers.back_up("DC1");
    let list = lab.json(&["snapshots"]);
    let former = list[0]["directory"]["invocation_id"].as_str();
    let former = former.expect("a clean directory tells it");
    let restore = |arguments: &[&str]| {
        let mut command = lab.dsbackup(&[&["restore", "latest"], arguments].concat());
        command.env_remove("DSBACKUP_NEW_INVOCATION_ID");
        Run::of(&mut command)
    };

    let service = servers.serve("DC1", &["--restore-mode"]);
    let refused = restore(&[]);
    assert_eq!(refused.code, Some(4), "{refused}");
    for word in ["USN rollback", "by-registry", "keep"] {
        assert!(refused.stderr.contains(word), "{word}: {refused}");
    }
    let registry_file = lab.directory().join("dsbackup.restored-from-backup.reg");
    assert!(!registry_file.exists());
    let run = restore(&["--new-invocation-id", "by-registry", "--json"]);
    assert_eq!(run.code, Some(0), "{run}");
    let result: serde_json::Value = serde_json::from_str(&run.stdout).expect("JSON");
    assert_eq!(result["invocation_id"]["former"], former, "{run}");
    assert_eq!(result["invocation_id"]["kept"], true, "{run}");
    assert_eq!(result["invocation_id"]["new"], "by-registry", "{run}");
    assert!(run.stderr.contains("reg import"), "even with --json: {run}");
    assert!(registry_file.exists());
    let text = std::fs::read_to_string(registry_file.with_extension("txt")).expect("instructions");
    assert!(text.contains(former) && text.contains("1109"), "{text}");
    assert_same(&lab.content(), &original, "restored");
    service.stop();
    // What the restore wrote beside it is in nobody's way, and in no backup.
    let service = servers.serve("DC1", &[]);
    let files = lab.json(&["backup", "--keep-logs"])["files"].as_u64();
    service.stop();
    assert_eq!(files, Some(original.len() as u64));

    let windows = lab.path("disk/Windows/NTDS");
    std::fs::create_dir_all(&windows).expect("make");
    let windows = windows.to_str().expect("plain");
    let refused = restore(&["--target", windows]);
    assert_eq!(refused.code, Some(4), "{refused}");
    let elsewhere = lab.path("elsewhere");
    let run = restore(&["--target", elsewhere.to_str().expect("plain")]);
    assert_eq!(run.code, Some(0), "{run}");
    assert!(run.stderr.contains(former), "{run}");
}
