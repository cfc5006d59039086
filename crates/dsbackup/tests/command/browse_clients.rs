//! `dsbackup browse`, read by programs in other languages: Python's ldap3, ldapdomaindump, Java.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::lab::browse::{Server, objects};
use crate::lab::samba_domain::provision;
use crate::lab::{self, Lab, Run};
use serde_json::Value as Json;

const DOMAIN: &str = "DC=corp,DC=example";

fn forest() -> tempfile::TempDir {
    testkit::find("sample-forest/clean")
        .expect("shipped")
        .unpack()
}

fn script(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/command/clients")
        .join(name)
}

/// Whether the command succeeds, which shows that a client is installed.
fn is_there(program: &str, arguments: &[&str]) -> bool {
    let output = Command::new(program).args(arguments).output();
    output.is_ok_and(|output| output.status.success())
}

/// What `export` writes, in the form of the clients' scripts: values in hexadecimal digits, sorted.
fn exported(folder: &Path) -> BTreeMap<String, BTreeMap<String, Vec<String>>> {
    let mut found = BTreeMap::new();
    for (dn, values) in objects(&lab::succeed(folder, &["export", ".", "--ldif"])) {
        let mut attributes = BTreeMap::<String, Vec<String>>::new();
        for (name, value) in values {
            attributes
                .entry(name)
                .or_default()
                .push(ids::hex::encode(&value));
        }
        attributes.values_mut().for_each(|values| values.sort());
        found.insert(String::from_utf8(dn).expect("UTF-8"), attributes);
    }
    found
}

/// The objects that a script prints equal those of `export`.
fn check(folder: &Path, run: &Run) -> Json {
    assert_eq!(run.code, Some(0), "{run}");
    let told: Json = serde_json::from_str(&run.stdout).expect("JSON");
    let found = serde_json::from_value(told["objects"].clone()).expect("objects");
    let expected = exported(folder);
    assert!(expected.len() > 100);
    assert!(
        expected == found,
        "{} and {} objects",
        expected.len(),
        found.len()
    );
    told
}

#[test]
fn ldap3_reads_all_objects_and_the_schema() {
    if !is_there("/usr/bin/python3", &["-c", "import ldap3"]) {
        eprintln!("note: ldap3 (package python3-ldap3) is not installed: not tested");
        return;
    }
    let folder = forest();
    let server = Server::over(folder.path(), &[]);
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-B"]).arg(script("read.py")).arg(&server.url);
    let told = check(
        folder.path(),
        &Run::of(command.env("LDAP_PASSWORD", &server.password)),
    );
    assert_eq!(told["root"], DOMAIN);
    assert_eq!(told["schema"]["sAMAccountName"], "1.2.840.113556.1.4.221");
    assert_eq!(told["schema"]["user"], "1.2.840.113556.1.5.9");
}

#[test]
fn ldapdomaindump_dumps_users_groups_and_computers() {
    if !is_there("ldapdomaindump", &["--help"]) {
        eprintln!(
            "note: ldapdomaindump (package python3-ldapdomaindump) is not installed: not tested"
        );
        return;
    }
    // It asks for classes that the sample forest's schema lacks.
    let lab = Lab::empty();
    if provision(&lab, "mdb").is_none() {
        return;
    }
    let folder = lab.path("samba/private");
    let server = Server::over(&folder, &[]);
    let dump = lab.path("dump");
    let mut command = Command::new("ldapdomaindump");
    command.args([
        &server.url,
        "-at",
        "SIMPLE",
        "-u",
        "lab\\reader",
        "-p",
        &server.password,
    ]);
    let run = Run::of(command.args(["--no-html", "--no-grep", "-o"]).arg(&dump));
    assert_eq!(run.code, Some(0), "{run}");
    for (kind, filter) in [
        ("users", "(&(objectCategory=person)(objectClass=user))"),
        ("groups", "(objectClass=group)"),
        ("computers", "(&(objectClass=computer)(objectClass=user))"),
    ] {
        let text = std::fs::read(dump.join(format!("domain_{kind}.json"))).expect("a file");
        let told: Vec<Json> = serde_json::from_slice(&text).expect("JSON");
        let mut found: Vec<&str> = (told.iter())
            .map(|entry| entry["dn"].as_str().expect("a name"))
            .collect();
        found.sort_unstable();
        let arguments = [
            "export",
            ".",
            "--jsonl",
            "--base",
            "DC=lab,DC=example",
            "--filter",
            filter,
            "cn",
        ];
        let mut expected: Vec<String> = (lab::succeed(&folder, &arguments).lines())
            .map(|line| {
                let entry: Json = serde_json::from_str(line).expect("JSON");
                entry["dn"].as_str().expect("a name").to_owned()
            })
            .collect();
        expected.sort_unstable();
        assert!(!expected.is_empty(), "{kind}");
        assert_eq!(found, expected, "{kind}");
    }
}

#[test]
fn java_reads_all_objects() {
    if !is_there("java", &["--version"]) {
        eprintln!("note: java is not installed: not tested");
        return;
    }
    let folder = forest();
    let server = Server::over(folder.path(), &[]);
    let mut command = Command::new("java");
    // As a whole source file, which only a JDK compiles.
    command.arg(script("Read.java")).arg(&server.url);
    let run = Run::of(command.env("LDAP_PASSWORD", &server.password));
    if run.stderr.contains("jdk.compiler") {
        eprintln!("note: this java is no JDK: not tested");
        return;
    }
    check(folder.path(), &run);
}
