//! The facts of real directories equal what their makers put in.

use std::collections::HashMap;

use ese::Database;
use ese::recovery::{Options, recover};
use ntds::{Directory, Error, Facts};
use serde_json::Value;
use testkit::Fixture;

/// The facts of a set, after recovery of a dirty one; for a backup in a chain with the logs of all
/// earlier ones.
fn facts_of(fixture: &Fixture) -> Facts {
    let folder = fixture.unpack_chain();
    recover(Options::new(folder.path())).expect("recovery");
    let database = Database::open(folder.path().join("ntds.dit")).expect("open");
    let directory = Directory::of(&database).expect("a directory");
    let facts = directory.facts().expect("facts");
    let quick = directory.tombstone_lifetime().expect("the lifetime alone");
    assert_eq!(facts.tombstone_lifetime, quick);
    facts
}

/// The directory's objects, as listed by its maker.
struct Truth(Vec<Value>);

impl Truth {
    fn of(fixture: &Fixture) -> Self {
        let lines = fixture.listed_objects().expect("ground truth");
        Self(
            (lines.iter())
                .map(|line| serde_json::from_slice(line).expect("JSON"))
                .collect(),
        )
    }

    /// Rows with an objectGUID of their own.
    fn objects(&self) -> impl Iterator<Item = &Value> {
        self.0
            .iter()
            .filter(|object| object.get("objectGUID").is_some())
    }

    fn live(&self) -> impl Iterator<Item = &Value> {
        self.objects().filter(|object| object["isDeleted"] == false)
    }

    /// Live objects of this class, but of none of the others.
    fn of_class(&self, class: &str, but: &[&str]) -> u64 {
        let is = |object: &Value, class: &str| {
            let classes = object["objectClass"].as_array().expect("classes");
            classes.iter().any(|found| found == class)
        };
        let live = self.live().filter(|object| is(object, class));
        live.filter(|object| !but.iter().any(|class| is(object, class)))
            .count() as u64
    }

    fn links(&self, kind: impl Fn(&Value) -> bool) -> u64 {
        let links = self
            .0
            .iter()
            .filter_map(|object| object.get("links")?.as_array());
        links.flatten().filter(|link| kind(link)).count() as u64
    }

    fn highest_usn(&self) -> u64 {
        let changed = self.objects().map(|object| &object["uSNChanged"]);
        let links = self
            .0
            .iter()
            .filter_map(|object| object.get("links")?.as_array());
        let links = links.flatten().map(|link| &link["usn"]);
        let all = changed.chain(links).filter_map(Value::as_u64);
        all.max().expect("changes")
    }

    fn heads(&self) -> HashMap<&str, &str> {
        self.objects()
            .filter(|object| {
                object["attributes"]["instanceType"][0]
                    .as_i64()
                    .unwrap_or(0)
                    & 1
                    == 1
            })
            .map(|object| {
                let text = |name: &str| object[name].as_str().expect("text");
                (text("dn"), text("objectGUID"))
            })
            .collect()
    }
}

/// The identity in the sets' descriptions.
struct Identity {
    forest: &'static str,
    netbios: &'static str,
    name: &'static str,
    sid: &'static str,
    guid: &'static str,
    dsa_guid: &'static str,
    invocation_id: &'static str,
}

fn check(name: &str, identity: &Identity) {
    let Some(fixture) = testkit::find(name) else {
        return;
    };
    let facts = facts_of(&fixture);
    let truth = Truth::of(&fixture);

    let domain = facts.domain.as_ref().expect("a domain");
    assert_eq!(facts.forest.as_deref(), Some(identity.forest));
    assert_eq!(domain.dns_name.as_deref(), Some(identity.forest));
    assert_eq!(domain.netbios_name.as_deref(), Some(identity.netbios));
    assert_eq!(domain.name, identity.name);
    assert_eq!(
        domain.sid.as_ref().expect("a SID").to_string(),
        identity.sid
    );
    assert_eq!(domain.guid.expect("a GUID").to_string(), identity.guid);
    assert_eq!(facts.server, "DC01");
    assert_eq!(facts.dsa_guid.to_string(), identity.dsa_guid);
    assert_eq!(facts.invocation_id.to_string(), identity.invocation_id);
    assert_eq!(facts.tombstone_lifetime.days, 180);
    assert!(!facts.tombstone_lifetime.is_default);
    assert!(facts.recycle_bin_enabled);

    let contexts = facts.naming_contexts.iter().map(|context| {
        assert!(context.writable, "{context:?}");
        let guid = context.guid.expect("a GUID").to_string();
        (context.name.clone(), guid)
    });
    let contexts: HashMap<String, String> = contexts.collect();
    let found: HashMap<&str, &str> = (contexts.iter())
        .map(|(name, guid)| (name.as_str(), guid.as_str()))
        .collect();
    assert_eq!(found, truth.heads());

    let counts = &facts.counts;
    assert_eq!(counts.objects, truth.live().count() as u64);
    let deleted = || truth.objects().filter(|object| object["isDeleted"] == true);
    let recycled = deleted().filter(|object| object["isRecycled"] == true);
    let in_recycle_bin = deleted().filter(|object| {
        object["isRecycled"] == false && object["attributes"].get("msDS-LastKnownRDN").is_some()
    });
    assert_eq!(counts.deleted.recycled, recycled.count() as u64);
    assert_eq!(counts.deleted.recycle_bin, in_recycle_bin.count() as u64);
    assert_eq!(counts.deleted.total(), deleted().count() as u64);
    let phantoms = truth.0.iter().filter(|object| object["phantom"] == true);
    assert_eq!(counts.phantoms, phantoms.count() as u64);
    assert_eq!(counts.users, truth.of_class("user", &["computer"]));
    assert_eq!(counts.computers, truth.of_class("computer", &[]));
    assert_eq!(counts.groups, truth.of_class("group", &[]));
    assert_eq!(counts.contacts, truth.of_class("contact", &[]));
    let policies = truth.of_class("groupPolicyContainer", &[]);
    assert_eq!(counts.group_policies, policies);
    assert_eq!(counts.links.total(), truth.links(|_| true));
    // A removed value that was then deactivated counts as removed.
    let is = |link: &Value, state| link.get(state).is_some();
    let deactivated = truth.links(|link| is(link, "deactivated") && !is(link, "deleted"));
    assert_eq!(counts.links.deactivated, deactivated);
    assert_eq!(
        counts.links.removed,
        truth.links(|link| is(link, "deleted"))
    );
    assert_eq!(facts.highest_committed_usn, truth.highest_usn());
    assert!(facts.reserved_usn >= facts.highest_committed_usn);
    println!("{name}: {counts:?}");
}

const CORP: Identity = Identity {
    forest: "corp.example",
    netbios: "CORP",
    name: "DC=corp,DC=example",
    sid: "S-1-5-21-1847206351-2960417783-740391256",
    guid: "94c2f7b1-0a6e-4d35-8b9f-27e4d1a05c63",
    dsa_guid: "3e7d9a04-58c1-4f2b-a6d3-91b07c5e2f18",
    invocation_id: "e1450b96-7fa3-4c88-9d12-60a5f3c8b74d",
};

const CONTOSO: Identity = Identity {
    forest: "contoso.example",
    netbios: "CONTOSO",
    name: "DC=contoso,DC=example",
    sid: "S-1-5-21-1004336348-1177238915-682003330",
    guid: "5b9d4e1c-6f0a-4a3e-9c57-1d2e3f405162",
    dsa_guid: "c0ffee11-1234-4a5b-8c6d-0123456789ab",
    invocation_id: "7c1f3a52-2b64-4d8f-9e13-a0b1c2d3e4f5",
};

#[test]
fn the_sample_forest_is_what_its_description_says() {
    // The numbers in the description: live users and groups, computers, contacts, and deleted
    // objects.
    for (name, living, deleted) in [
        ("sample-forest/clean", [116, 38, 15, 5], [3, 3, 3]),
        ("sample-forest/dirty", [142, 42, 15, 5], [3, 6, 3]),
    ] {
        check(name, &CORP);
        let counts = facts_of(&testkit::find(name).expect("it ships")).counts;
        let found = [
            counts.users,
            counts.groups,
            counts.computers,
            counts.contacts,
        ];
        assert_eq!(found, living, "{name}");
        let gone = &counts.deleted;
        assert_eq!(
            [gone.tombstones, gone.recycle_bin, gone.recycled],
            deleted,
            "{name}"
        );
    }
}

#[test]
fn directories_with_the_whole_schema_are_what_their_description_says() {
    for name in [
        "ntds/contoso-small",
        "ntds/contoso",
        "ntds/contoso-online:backup-0",
        "ntds/contoso-online:backup-1",
        "ntds/contoso-online:backup-2",
    ] {
        check(name, &CONTOSO);
    }
}

#[test]
fn a_directory_that_was_not_shut_down_needs_replay() {
    let fixture = testkit::find("sample-forest/dirty").expect("it ships");
    let folder = fixture.unpack();
    let database = Database::open(folder.path().join("ntds.dit")).expect("open");
    let error = Directory::of(&database).err().expect("a refusal");
    assert!(matches!(error, Error::NeedsReplay { .. }), "{error}");
    assert!(error.to_string().contains("Dirty Shutdown"), "{error}");
}

#[test]
fn another_applications_database_is_no_directory() {
    let fixture = testkit::find("ese/p4096-clean").expect("it ships");
    let folder = fixture.unpack();
    let database = Database::open(folder.path().join("test.edb")).expect("open");
    assert!(!ntds::is_directory(&database).expect("readable"));
    let error = Directory::of(&database).err().expect("a refusal");
    assert!(error.to_string().contains("no table datatable"), "{error}");
}
