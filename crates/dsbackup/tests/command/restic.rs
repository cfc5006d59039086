//! Debian's own restic opens the repository and finds the same files.

use std::process::Command;

use crate::lab::{Lab, PASSWORD, Run, assert_same, content};

fn restic(lab: &Lab, arguments: &[&str]) -> Run {
    let run = Run::of(
        Command::new("restic")
            .args(arguments)
            .args(["--no-cache", "--repo"])
            .arg(lab.repository())
            .env("RESTIC_PASSWORD", PASSWORD),
    );
    assert_eq!(run.code, Some(0), "restic {arguments:?}: {run}");
    run
}

#[test]
fn restic_lists_checks_and_restores_our_snapshots() {
    let fixture = testkit::find("sample-forest/dirty").expect("shipped");
    let lab = Lab::with(&fixture);
    lab.succeed(&["init"]);
    let service = lab.serve(&[]);
    let first = lab.json(&["backup", "--keep-logs"]);
    lab.succeed(&["backup", "--keep-logs"]);
    service.stop();

    let snapshots = restic(&lab, &["snapshots", "--json"]).stdout;
    let snapshots: serde_json::Value = serde_json::from_str(&snapshots).expect("restic's JSON");
    assert_eq!(snapshots.as_array().map(Vec::len), Some(2));
    let id = first["snapshot"].as_str().expect("an id");
    assert!(snapshots[0]["id"].as_str().expect("an id").starts_with(id));

    restic(&lab, &["check", "--read-data"]);

    let target = lab.path("by-restic");
    restic(
        &lab,
        &["restore", id, "--target", target.to_str().expect("plain")],
    );
    let mut restored = content(&target.join("database"));
    restored.extend(content(&target.join("logs")));
    restored.extend(content(&target.join("checkpoint")));
    assert_same(&restored, &lab.content(), "restored by restic");
    assert!(target.join("expiry-token").exists());
    assert!(target.join("manifest.json").exists());
}
