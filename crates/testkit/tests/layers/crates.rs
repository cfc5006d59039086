//! `docs/architecture.md` lists the crates, lowest first. No crate depends on one below it in the
//! list.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The workspace's folder.
pub fn workspace() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).expect("crates/testkit").to_owned()
}

/// The names in the first column of the table of crates.
fn listed() -> Vec<String> {
    let text = std::fs::read_to_string(workspace().join("docs/architecture.md")).unwrap();
    let (_, section) = text.split_once("## The crates, lowest first").unwrap();
    let table = section.split("\n## ").next().unwrap();
    (table.lines())
        .filter_map(|line| Some(line.strip_prefix("| `")?.split('`').next()?.to_owned()))
        .collect()
}

/// The crates of the workspace with their dependencies, without dev-dependencies.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(workspace())
        .output()
        .expect("run cargo metadata");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let list = |value: &serde_json::Value| value.as_array().unwrap().clone();
    let name = |value: &serde_json::Value| value["name"].as_str().unwrap().to_owned();
    (list(&metadata["packages"]).iter())
        .map(|package| {
            let used = list(&package["dependencies"]);
            let of_ours = used
                .iter()
                .filter(|used| used["path"].is_string() && used["kind"] != "dev");
            (name(package), of_ours.map(name).collect())
        })
        .collect()
}

#[test]
fn no_crate_depends_upwards() {
    let (listed, dependencies) = (listed(), dependencies());
    let place = |name: &str| {
        let places = listed.iter().filter(|other| *other == name);
        assert_eq!(
            places.count(),
            1,
            "docs/architecture.md must list the crate {name} once"
        );
        listed.iter().position(|other| other == name)
    };
    for (name, used) in &dependencies {
        for other in used {
            assert!(
                place(other) < place(name),
                "{name} uses {other}, which docs/architecture.md does not list above it"
            );
        }
    }
    for name in &listed {
        assert!(
            dependencies.contains_key(name),
            "docs/architecture.md lists {name}, and there is no such crate"
        );
    }
}
