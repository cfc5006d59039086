//! The objects of Samba's databases equal those that Samba itself reads, attribute by attribute.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use objects::descriptor::Domains;
use objects::filter::{Filter, Matcher};
use objects::samba::Samba;
use objects::{Entry, LinkDirection, LinkState, Lookup, Scope, Source, State, Value, Wanted};
use serde_json::Value as Json;

/// A provisioned and changed directory. `None` if Samba is not installed.
struct Lab {
    folder: tempfile::TempDir,
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/with_samba")
        .join(name)
}

impl Lab {
    fn provision(backend: &str) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let output = Command::new("samba-tool")
            .args(["domain", "provision", "--quiet", "--server-role=dc"])
            .args(["--realm=LAB.EXAMPLE", "--domain=LAB", "--host-name=dc1"])
            .args(["--host-ip=127.0.0.1", "--adminpass=Passw0rd-lab"])
            .arg(format!("--backend-store={backend}"))
            .arg(format!("--targetdir={}", folder.path().display()))
            .output();
        match output {
            Ok(output) if output.status.success() => {}
            Ok(output) if !nix_root() => {
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                eprintln!("note: a domain can only be provisioned by root: not tested ({said})");
                return None;
            }
            Ok(output) => panic!("{}", String::from_utf8_lossy(&output.stderr)),
            Err(_) => {
                eprintln!("note: samba-tool (package samba) is not installed: not tested");
                return None;
            }
        }
        let lab = Self { folder };
        lab.python("change.py", &[], "");
        Some(lab)
    }

    fn private(&self) -> PathBuf {
        self.folder.path().join("private")
    }

    /// Runs a script with smb.conf, sam.ldb and these arguments.
    fn python(&self, name: &str, arguments: &[&str], input: &str) -> String {
        let mut command = Command::new("/usr/bin/python3");
        command.arg(script(name));
        if arguments.is_empty() {
            command
                .arg(self.folder.path().join("etc/smb.conf"))
                .arg(self.private().join("sam.ldb"));
        }
        let mut child = (command.args(arguments))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3");
        let mut stdin = child.stdin.take().expect("a pipe");
        let input = input.to_owned();
        let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
        let output = child.wait_with_output().expect("python3");
        let _ = writer.join();
        assert!(output.status.success(), "{name}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }
}

fn nix_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

fn check(entry: &Entry, expected: &Json, totals: &mut BTreeMap<&str, usize>) {
    let dn = &*entry.dn;
    assert_eq!(Some(dn), expected["dn"].as_str());
    let mut missing: BTreeSet<&str> = expected["values"]
        .as_object()
        .expect("values")
        .keys()
        .map(String::as_str)
        .collect();
    for attribute in &entry.attributes {
        let name = &*attribute.schema.name;
        if attribute.schema.is_secret {
            assert!(
                attribute
                    .values
                    .iter()
                    .all(|value| matches!(value, Value::Withheld(_))),
                "{dn}: {name}"
            );
            missing.remove(name);
            *totals.entry("withheld").or_default() += 1;
            continue;
        }
        let found = attribute
            .values
            .iter()
            .map(|value| ids::hex::encode(&value.to_ldap().expect("no secret")));
        let found: Vec<String> = found.collect();
        let values = expected["values"][name].as_array();
        let values = values
            .unwrap_or_else(|| panic!("{dn}: Samba shows no {name}, we {:?}", attribute.values));
        let values: Vec<&str> = values.iter().filter_map(Json::as_str).collect();
        assert_eq!(found, values, "{dn}: {name}: {:?}", attribute.values);
        missing.remove(name);
        *totals.entry("values").or_default() += found.len();
    }
    assert!(missing.is_empty(), "{dn}: Samba shows {missing:?} besides");

    let mut found: Vec<Json> = (entry.links.iter())
        .filter(|link| link.direction == LinkDirection::Forward)
        .map(|link| {
            let guid = link.other.guid.expect("a GUID");
            let guid = ids::hex::encode(&guid.0);
            let flags = u8::from(link.state() == LinkState::Removed);
            match link.metadata {
                Some(stamp) => serde_json::json!([
                    *link.attribute.name,
                    guid,
                    (stamp.created.0 * 10_000_000),
                    (stamp.changed.0 * 10_000_000),
                    flags,
                    stamp.local_usn,
                    stamp.originating_usn,
                    stamp.version
                ]),
                None => serde_json::json!([*link.attribute.name, guid]),
            }
        })
        .collect();
    let mut links = expected["links"].as_array().expect("links").clone();
    for link in &mut links {
        let parts = link.as_array_mut().expect("a list");
        parts.truncate(if parts.last().is_some_and(Json::is_null) {
            2
        } else {
            8
        });
    }
    found.sort_by_key(Json::to_string);
    links.sort_by_key(Json::to_string);
    assert_eq!(found, links, "{dn}");
    *totals.entry("links").or_default() += links.len();
    *totals.entry("removed links").or_default() += links.iter().filter(|link| link[4] == 1).count();

    assert!(!entry.metadata.is_empty(), "{dn}");
    *totals.entry("stamps").or_default() += entry.metadata.len();
}

fn check_directory(backend: &str) {
    let Some(lab) = Lab::provision(backend) else {
        return;
    };
    let directory = Samba::open(&lab.private()).expect("a directory");
    let lines = lab.python("read.py", &[], "");
    let mut expected: BTreeMap<String, Json> = BTreeMap::new();
    for line in lines.lines() {
        let object: Json = serde_json::from_str(line).expect("JSON");
        expected.insert(object["guid"].as_str().expect("a GUID").to_owned(), object);
    }
    let wanted = Wanted::everything();
    let mut totals = BTreeMap::new();
    let mut descriptors = BTreeMap::new();
    let facts = directory.facts();
    let domain = facts
        .default_naming_context
        .as_ref()
        .and_then(|domain| domain.sid.clone());
    let domain = domain.expect("a domain's SID");
    let domains = Domains {
        domain: Some(&domain),
        root: Some(&domain),
    };
    let mut count = 0;
    for entry in directory.all(&wanted).expect("a scan") {
        let entry = entry.expect("an entry");
        let guid = ids::hex::encode(&entry.guid.expect("a GUID").0);
        let expected = expected
            .remove(&guid)
            .unwrap_or_else(|| panic!("{} is new", entry.dn));
        check(&entry, &expected, &mut totals);
        for stamp in &entry.metadata {
            let known = directory.schema().attribute_of_number(stamp.attribute);
            assert!(known.is_some(), "{}: {:?}", entry.dn, stamp.attribute);
        }
        if let Some(Value::Descriptor(bytes)) = entry.value("nTSecurityDescriptor") {
            let descriptor = entry.descriptor().expect("a descriptor");
            descriptors.insert(ids::hex::encode(bytes), descriptor.to_sddl(domains));
        }
        for found in [
            directory.find(&Lookup::Dn(&entry.dn)),
            directory.find(&Lookup::Guid(entry.guid.expect("a GUID"))),
        ] {
            assert_eq!(found.expect("a search"), [entry.id], "{}", entry.dn);
        }
        count += 1;
    }
    assert!(
        expected.is_empty(),
        "{:?}",
        expected
            .values()
            .map(|object| &object["dn"])
            .collect::<Vec<_>>()
    );
    assert!(
        totals["withheld"] > 30 && totals["removed links"] > 10,
        "{totals:?}"
    );
    totals.insert("objects", count);
    totals.insert("descriptors", descriptors.len());
    println!("{backend}: {totals:?}");

    let lines: String = descriptors
        .iter()
        .map(|(bytes, text)| format!("{bytes} {text}\n"))
        .collect();
    let wrong = lab.python("descriptors.py", &[&domain.to_string()], &lines);
    assert!(wrong.is_empty(), "{wrong}");

    check_searches(&directory);
}

/// What a filter on an identity matches is found without a scan.
fn check_identities(directory: &Samba) {
    let wanted = Wanted {
        deleted: true,
        ..Wanted::only(["objectSid", "sAMAccountName"])
    };
    let entries: Vec<Entry> = (directory.all(&wanted).expect("a scan"))
        .map(|entry| entry.expect("an entry"))
        .collect();
    for entry in entries.iter().filter(|entry| entry.sid.is_some()) {
        let sid = entry.sid.as_ref().expect("filtered");
        let guid = entry.guid.expect("every object has one");
        let mut filters = vec![format!("(objectSid={sid})"), format!("(objectGUID={guid})")];
        if let Some(name) = entry.text("sAMAccountName") {
            filters.push(format!("(&(objectClass=*)(sAMAccountName={name}))"));
        }
        for text in filters {
            let filter: Filter = text.parse().expect("a filter");
            let found = filter.candidates(directory).expect("a lookup");
            let matcher = Matcher::new(directory);
            let matching = |entry: &&Entry| match &filter {
                Filter::And(parts) => matcher.matches(&parts[1], entry).expect("an answer"),
                Filter::Equal(name, _) if name == "objectGUID" => entry.guid == Some(guid),
                filter => matcher.matches(filter, entry).expect("an answer"),
            };
            let mut scanned: Vec<_> = (entries.iter().filter(matching))
                .map(|entry| entry.id)
                .collect();
            scanned.sort();
            assert_eq!(found, Some(scanned), "{text}");
        }
    }
}

fn check_searches(directory: &Samba) {
    let facts = directory.facts();
    assert_eq!(facts.dns_host_name.as_deref(), Some("dc1.lab.example"));
    assert!(facts.invocation_id.is_some() && !facts.recycle_bin_enabled);
    assert_eq!(facts.naming_contexts.len(), 5);
    let base = facts
        .default_naming_context
        .as_ref()
        .expect("a domain")
        .dn
        .clone();
    let base = directory.find(&Lookup::Dn(&base)).expect("a search")[0];
    let find = |filter: &str| -> Vec<String> {
        let filter: Filter = filter.parse().expect("a filter");
        let names = filter.attributes();
        let wanted = Wanted::only(names.iter().map(String::as_str).chain(["sAMAccountName"]));
        let matcher = Matcher::new(directory);
        let entries = directory
            .scan(base, Scope::Subtree, &wanted)
            .expect("a scan");
        let entries = entries.map(|entry| entry.expect("an entry"));
        let found = entries.filter(|entry| matcher.matches(&filter, entry).expect("an answer"));
        let mut names: Vec<String> = found
            .map(|entry| entry.text("sAMAccountName").unwrap_or_default().to_owned())
            .collect();
        names.sort();
        names
    };
    assert_eq!(find("(sn=Møller 7)"), ["user7"]);
    assert_eq!(
        find("(&(objectCategory=person)(mail=USER1*2@*))"),
        ["user12"]
    );
    assert_eq!(
        find("(memberOf=CN=outer,CN=Users,DC=lab,DC=example)"),
        ["inner"]
    );
    let chain = "(&(objectClass=user)\
                 (memberOf:1.2.840.113556.1.4.1941:=CN=outer,CN=Users,DC=lab,DC=example))";
    assert_eq!(find(chain).len(), 19);
    assert_eq!(find("(sAMAccountName=user25)"), [""; 0]);
    check_identities(directory);
    let wanted = Wanted {
        deleted: true,
        ..Wanted::only(["lastKnownParent"])
    };
    let deleted = directory
        .find(&Lookup::Account("user25"))
        .expect("a search");
    let deleted = directory
        .entry(deleted[0], &wanted)
        .expect("readable")
        .expect("there");
    assert_eq!(deleted.state, State::Tombstone);
    let parent = deleted.last_known_parent().expect("a parent");
    assert_eq!(&*parent.dn, "OU=Zürich\\, External,DC=lab,DC=example");
}

#[test]
fn objects_in_tdb_files_are_what_samba_reads() {
    check_directory("tdb");
}

#[test]
fn objects_in_lmdb_files_are_what_samba_reads() {
    check_directory("mdb");
}
