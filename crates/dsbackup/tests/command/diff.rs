//! `dsbackup diff` on two states of the sample forest, and on directories with hostile values.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use crate::lab::{dsbackup, succeed};
use serde_json::Value as Json;

/// A folder with the forest before (`a`) and after (`b`).
fn forests() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, path) in [("sample-forest/clean", "a"), ("sample-forest/dirty", "b")] {
        let fixture = testkit::find(name).expect("shipped");
        fixture.unpack_into(&folder.path().join(path));
    }
    succeed(folder.path(), &["recover", "b"]);
    folder
}

/// The objects that live, by GUID.
fn truth(name: &str) -> BTreeMap<String, Json> {
    let fixture = testkit::find(name).expect("shipped");
    let lines = fixture.listed_objects().expect("ground truth").into_iter();
    let objects = lines.map(|line| serde_json::from_slice::<Json>(&line).expect("JSON"));
    let living = objects.filter(|object| object["isDeleted"] == false);
    let pairs =
        living.filter_map(|object| Some((object["objectGUID"].as_str()?.to_owned(), object)));
    pairs.collect()
}

#[test]
fn text_json_page_and_exit_code() {
    let folder = forests();
    let [before, after] = ["sample-forest/clean", "sample-forest/dirty"].map(truth);
    let json = succeed(
        folder.path(),
        &["diff", "a", "b", "--json", "--html", "page.html"],
    );
    let json: Json = serde_json::from_str(&json).expect("JSON");
    let changes = json["changes"].as_array().expect("changes");
    let of_kind = |kind: &str| -> Vec<&Json> {
        changes
            .iter()
            .filter(|change| change["kind"] == kind)
            .collect()
    };
    let added = after
        .keys()
        .filter(|guid| !before.contains_key(*guid))
        .count();
    let deleted = before
        .keys()
        .filter(|guid| !after.contains_key(*guid))
        .count();
    assert_eq!(
        (of_kind("added").len(), of_kind("deleted").len()),
        (added, deleted)
    );
    assert_eq!(
        (&json["totals"]["added"], &json["totals"]["deleted"]),
        (&added.into(), &deleted.into())
    );

    let text = succeed(folder.path(), &["diff", "a", "b"]);
    for change in changes {
        let line = format!(": {} (", change["dn"].as_str().expect("a name"));
        assert!(text.contains(&line), "{line}");
    }
    // Who added a member when.
    let members = of_kind("changed").into_iter();
    let member = members.flat_map(|change| change["attributes"].as_array().unwrap());
    let member = member.filter(|attribute| attribute["attribute"] == "member");
    let added: Vec<&Json> = member
        .flat_map(|member| member["added"].as_array().unwrap())
        .collect();
    assert!(added.len() > 3);
    for value in added {
        assert_eq!(value["server"], "DC01", "{value}");
        let line = format!("+ member: {}  [", value["value"].as_str().unwrap());
        assert!(text.contains(&line), "{line}");
    }

    let page = std::fs::read_to_string(folder.path().join("page.html")).expect("a page");
    assert_eq!(page.matches("<section>").count(), changes.len());
    assert!(page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"));
    let outside = ["<script", "<link", "src=", "href=", "url("];
    assert!(outside.iter().all(|part| !page.contains(part)));
    let totals = text.lines().last().expect("totals");
    assert!(
        page.contains(&format!("<strong>{totals}</strong>")),
        "{totals}"
    );

    // The page is whole even if nobody reads what is printed.
    let mut child = Command::new(env!("CARGO_BIN_EXE_dsbackup"))
        .args(["diff", "a", "b", "--json", "--html", "unread.html"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    drop(child.stdout.take());
    assert!(child.wait().expect("ended").success());
    let unread = std::fs::read_to_string(folder.path().join("unread.html")).expect("a page");
    assert!(unread == page, "{} and {} bytes", unread.len(), page.len());

    let code = |arguments: &[&str]| dsbackup(folder.path(), arguments).code;
    assert_eq!(code(&["diff", "a", "b", "--exit-code"]), Some(6));
    assert_eq!(code(&["diff", "a", "a", "--exit-code"]), Some(0));
    let same = succeed(folder.path(), &["diff", "b", "b", "--json"]);
    let same: Json = serde_json::from_str(&same).expect("JSON");
    assert_eq!(same["changes"], serde_json::json!([]));
    for mistake in [
        ["--attribute", "nothing"],
        ["--class", "nothing"],
        ["--base", "OU=no"],
    ] {
        let run = dsbackup(folder.path(), &[&["diff", "a", "b"], &mistake[..]].concat());
        assert_eq!(run.code, Some(1), "{run}");
        assert!(run.stderr.contains(mistake[1]), "{run}");
    }
}

/// No value of a password or key is in any form of the output.
#[test]
fn secrets_are_not_shown() {
    let folder = forests();
    let [before, after] = ["sample-forest/clean", "sample-forest/dirty"].map(truth);
    let mut out = succeed(
        folder.path(),
        &["diff", "a", "b", "--json", "--all", "--html", "page.html"],
    );
    out += &succeed(folder.path(), &["diff", "a", "b", "--all"]);
    succeed(folder.path(), &["diff", "a", "b", "--ldif", "changes.ldif"]);
    let records = std::fs::read_to_string(folder.path().join("changes.ldif")).expect("records");
    assert!(records.contains("\nchangetype: "), "{records}");
    assert!(records.contains("(withheld)"), "{records}");
    for name in ["unicodePwd:", "ntPwdHistory:", "supplementalCredentials:"] {
        assert!(
            !records.lines().any(|line| line.starts_with(name)),
            "{name}"
        );
    }
    out += &std::fs::read_to_string(folder.path().join("page.html")).expect("a page");
    assert!(out.contains("unicodePwd"));
    let mut count = 0;
    for object in before.values().chain(after.values()) {
        for name in ["unicodePwd", "ntPwdHistory", "supplementalCredentials"] {
            for value in object["attributes"][name].as_array().into_iter().flatten() {
                // Of long values the list has only the sum.
                if let Some(digits) = value.as_str().filter(|text| !text.starts_with("sha256:")) {
                    let rest = digits.get(40..).unwrap_or(digits);
                    assert!(!out.contains(rest), "{name}");
                    count += 1;
                }
            }
        }
    }
    assert!(count > 100, "{count}");
}
