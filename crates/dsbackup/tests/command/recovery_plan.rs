//! The plan of a forest's recovery, from the snapshots in a repository.

use crate::lab::{Lab, Run};
use serde_json::Value;

/// A lab whose directory was backed up.
fn backed_up() -> Lab {
    let lab = Lab::with_repository("sample-forest/clean");
    let folder = lab.directory();
    let folder = folder.to_str().expect("plain");
    lab.succeed(&["backup", "--keep-logs", "--directory", folder]);
    lab
}

fn plan(lab: &Lab, arguments: &[&str]) -> Run {
    let repository = lab.repository();
    let repository = repository.to_str().expect("plain");
    let mut command = lab.dsbackup(&[&["recovery-plan", repository], arguments].concat());
    command.env("DSBACKUP_CACHE", lab.path("cache"));
    Run::of(&mut command)
}

#[test]
fn a_plan_names_snapshot_and_controller_and_is_complete_once_the_snapshot_is_proven() {
    let lab = backed_up();
    let id = lab.json(&["snapshots"])[0]["snapshot"].clone();
    let id = &id.as_str().expect("an id")[..8];

    let before = plan(&lab, &[]);
    assert_eq!(before.code, Some(5), "{before}");
    let words = before
        .stdout
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    for expected in [
        "Recovery of the forest corp.example",
        "corp.example from DC01: snapshot",
        "is proven: run dsbackup check --drill",
        "SYSVOL and system state of DC01",
        &format!("dsbackup restore {id} --repository"),
        "Change the password of krbtgt twice",
    ] {
        assert!(words.contains(expected), "{expected}: {before}");
    }

    let scratch = lab.path("scratch");
    lab.succeed(&[
        "check",
        "--drill",
        "--scratch",
        scratch.to_str().expect("plain"),
    ]);
    let page = lab.path("plan.html");
    let after = plan(&lab, &["--html", page.to_str().expect("plain"), "--json"]);
    assert_eq!(after.code, Some(0), "{after}");
    let json: Value = serde_json::from_str(&after.stdout).expect("JSON");
    assert_eq!(json["domains"][0]["controller"], "DC01");
    assert!(
        json["domains"][0]["snapshot"]["proven"].is_string(),
        "{json}"
    );
    let page = std::fs::read_to_string(page).expect("written");
    assert!(page.contains("<h1>Recovery of the forest corp.example</h1>"));
    assert!(!page.contains("<script"), "{page}");
}

#[test]
fn a_repository_without_a_usable_snapshot_gives_no_plan() {
    let lab = Lab::empty();
    lab.succeed(&["init"]);
    let refused = plan(&lab, &[]);
    assert_eq!(refused.code, Some(1), "{refused}");
    assert!(
        refused
            .stderr
            .contains("no snapshot of a domain controller"),
        "{refused}"
    );
}
