//! States of real directories: what differs is what differs between the lists of their maker, no
//! more and no less.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use comparison::{Change, Comparison, Kind, ObjectChange, Options};
use ese::Database;
use ese::recovery::{Options as Recovery, recover};
use objects::ntds::Ntds;
use objects::schema::Schema;
use objects::{Source, Value};
use serde_json::Value as Json;
use testkit::Fixture;

/// Two states of one forest each.
const PAIRS: [[&str; 2]; 4] = [
    ["sample-forest/clean", "sample-forest/dirty"],
    [
        "ntds/contoso-online:backup-0",
        "ntds/contoso-online:backup-1",
    ],
    [
        "ntds/contoso-online:backup-1",
        "ntds/contoso-online:backup-2",
    ],
    [
        "ntds/contoso-online:backup-0",
        "ntds/contoso-online:backup-2",
    ],
];

/// The directory of a set, after recovery where it was not shut down.
fn directory_of(fixture: &Fixture) -> Ntds {
    let folder = fixture.unpack_chain();
    recover(Recovery::new(folder.path())).expect("recovery");
    let bytes = std::fs::read(folder.path().join("ntds.dit")).expect("read");
    Ntds::over(Database::over(bytes, "ntds.dit").expect("open")).expect("a directory")
}

/// A state as its maker listed it.
struct Truth {
    objects: HashMap<String, Json>,
    guids_by_row: HashMap<u64, String>,
    guids_by_name: HashMap<String, String>,
}

impl Truth {
    fn of(fixture: &Fixture) -> Self {
        let mut truth = Self {
            objects: HashMap::new(),
            guids_by_row: HashMap::new(),
            guids_by_name: HashMap::new(),
        };
        for line in fixture.listed_objects().expect("ground truth") {
            let object: Json = serde_json::from_slice(&line).expect("JSON");
            let Some(guid) = object["objectGUID"].as_str().map(str::to_owned) else {
                continue;
            };
            let row = object["dnt"].as_u64().expect("a row");
            truth.guids_by_row.insert(row, guid.clone());
            let name = object["dn"].as_str().expect("a name");
            truth.guids_by_name.insert(name.to_owned(), guid.clone());
            truth.objects.insert(guid, object);
        }
        truth
    }

    fn parent(&self, object: &Json) -> String {
        let row = object["pdnt"].as_u64().expect("a row");
        self.guids_by_row.get(&row).cloned().unwrap_or_default()
    }

    /// The values of an object that count, with objects by their GUIDs.
    fn values(&self, object: &Json, schema: &Schema) -> BTreeMap<String, Vec<String>> {
        let mut all = BTreeMap::new();
        for (name, values) in object["attributes"].as_object().expect("attributes") {
            let attribute = schema.attribute(name).expect("an attribute of the schema");
            if !counts(name) || attribute.is_not_replicated() || attribute.is_secret {
                continue;
            }
            let values = values.as_array().expect("values").iter().map(|value| {
                let name = value.as_str().unwrap_or_default();
                match self.guids_by_name.get(name) {
                    Some(guid) => guid.clone(),
                    None => value.to_string(),
                }
            });
            all.insert(name.to_lowercase(), values.collect());
        }
        for link in object["links"].as_array().expect("links") {
            if link["deleted"].is_null() && link["deactivated"].is_null() {
                let name = link["attr"].as_str().expect("a name").to_lowercase();
                let value = match link["data"].is_null() {
                    true => link["guid"].as_str().expect("a GUID").to_owned(),
                    false => format!("{} {}", link["guid"], link["data"]),
                };
                all.entry(name).or_insert_with(Vec::new).push(value);
            }
        }
        if let Some(sum) = object["sd_sha256"].as_str() {
            all.insert("ntsecuritydescriptor".into(), vec![sum.to_owned()]);
        }
        all
    }

    /// What the list has in the place of passwords and keys.
    fn secrets(&self, object: &Json, schema: &Schema) -> BTreeMap<String, Json> {
        let attributes = object["attributes"].as_object().expect("attributes");
        let secrets = attributes.iter().filter(|(name, _)| {
            let attribute = schema.attribute(name);
            attribute.is_some_and(|attribute| attribute.is_secret)
        });
        secrets
            .map(|(name, values)| (name.to_lowercase(), values.clone()))
            .collect()
    }
}

/// Not each server's own, and not the name again.
fn counts(name: &str) -> bool {
    ![
        "lastLogonTimestamp",
        "cn",
        "ou",
        "dc",
        "name",
        "dSCorePropagationData",
        "prefixMap",
    ]
    .contains(&name)
        && !["subRefs", "wellKnownObjects"].contains(&name)
}

/// A change in few words: the kind, and for each attribute how many values went and came.
type Summary = (Kind, bool, bool, BTreeMap<String, [usize; 2]>);

fn expected([before, after]: [&Truth; 2], schemas: [&Schema; 2]) -> BTreeMap<String, Summary> {
    let guids: BTreeSet<&String> = before.objects.keys().chain(after.objects.keys()).collect();
    let mut all = BTreeMap::new();
    for guid in guids {
        let (one, other) = (before.objects.get(guid), after.objects.get(guid));
        let is_alive =
            |object: Option<&Json>| object.is_some_and(|object| object["isDeleted"] == false);
        let values = |truth: &Truth, object: Option<&Json>, schema| {
            object
                .map(|object| truth.values(object, schema))
                .unwrap_or_default()
        };
        let (kind, ones, others) = match (is_alive(one), is_alive(other)) {
            (false, false) => continue,
            (true, false) => (Kind::Deleted, one, None),
            (false, true) if one.is_some() => (Kind::Restored, None, other),
            (false, true) => (Kind::Added, None, other),
            (true, true) => (Kind::Changed, one, other),
        };
        let mut attributes = BTreeMap::new();
        let (old, new) = (
            values(before, ones, schemas[0]),
            values(after, others, schemas[1]),
        );
        for name in old.keys().chain(new.keys()) {
            let of = |values: &BTreeMap<String, Vec<String>>| {
                values.get(name).cloned().unwrap_or_default()
            };
            let counts = [lacking(&of(&old), &of(&new)), lacking(&of(&new), &of(&old))];
            if counts != [0, 0] {
                attributes.insert(name.clone(), counts);
            }
        }
        let (mut is_renamed, mut is_moved) = (false, false);
        if let (Kind::Changed, Some(one), Some(other)) = (kind, one, other) {
            let rdn = |object: &Json| object["attributes"]["name"].clone();
            let name = |object: &Json| objects::dn::rdn(object["dn"].as_str().unwrap()).to_owned();
            is_renamed = name(one) != name(other) || rdn(one) != rdn(other);
            is_moved = before.parent(one) != after.parent(other);
            let (old, new) = (
                before.secrets(one, schemas[0]),
                after.secrets(other, schemas[1]),
            );
            for name in old.keys().chain(new.keys()) {
                if old.get(name) != new.get(name) {
                    attributes.insert(name.clone(), [0, 0]);
                }
            }
        }
        if kind != Kind::Changed || is_renamed || is_moved || !attributes.is_empty() {
            all.insert(guid.clone(), (kind, is_renamed, is_moved, attributes));
        }
    }
    all
}

/// How many of these the others lack.
fn lacking(these: &[String], others: &[String]) -> usize {
    let mut left = others.to_vec();
    let lacks = |value: &&String| match left.iter().position(|other| other == *value) {
        Some(at) => {
            left.swap_remove(at);
            false
        }
        None => true,
    };
    these.iter().filter(lacks).count()
}

fn summary(change: &ObjectChange) -> Summary {
    let attributes = change.attributes.iter().map(|attribute| {
        let counts = match &attribute.change {
            Change::Values { removed, added } => [removed.len(), added.len()],
            Change::Descriptor(_) => [1, 1],
            Change::Withheld => [0, 0],
        };
        (attribute.attribute.name.to_lowercase(), counts)
    });
    let attributes = attributes.filter(|(name, _)| counts_as_found(name));
    (
        change.kind,
        change.is_renamed,
        change.is_moved,
        attributes.collect(),
    )
}

/// The lists have these in fields of their own.
fn counts_as_found(name: &str) -> bool {
    !["objectclass", "objectguid", "objectsid", "whencreated"].contains(&name)
}

fn changes(before: &dyn Source, after: &dyn Source, options: Options) -> Vec<ObjectChange> {
    let comparison = Comparison::new(before, after, options).expect("a comparison");
    comparison
        .changes()
        .map(|change| change.expect("a change"))
        .collect()
}

fn by_guid(changes: Vec<ObjectChange>) -> BTreeMap<String, ObjectChange> {
    let pairs = changes
        .into_iter()
        .map(|change| (change.guid.to_string(), change));
    pairs.collect()
}

#[test]
fn what_differs_is_what_the_makers_lists_say() {
    for names in PAIRS {
        let [Some(one), Some(other)] = names.map(testkit::find) else {
            continue;
        };
        let (before, after) = (directory_of(&one), directory_of(&other));
        let schemas = [before.schema(), after.schema()];
        let expected = expected([&Truth::of(&one), &Truth::of(&other)], schemas);
        let found = by_guid(changes(&before, &after, Options::default()));
        let summaries: BTreeMap<String, Summary> = found
            .iter()
            .map(|(guid, change)| (guid.clone(), summary(change)))
            .collect();
        for (guid, summary) in &summaries {
            assert_eq!(
                expected.get(guid),
                Some(summary),
                "{names:?}: {}",
                found[guid].dn()
            );
        }
        for (guid, summary) in &expected {
            assert!(
                summaries.contains_key(guid),
                "{names:?}: {guid} {summary:?}"
            );
        }
        let mut totals = BTreeMap::new();
        for (kind, is_renamed, is_moved, attributes) in summaries.values() {
            *totals.entry(format!("{kind:?}")).or_insert(0) += 1;
            *totals.entry("renamed".into()).or_insert(0) += usize::from(*is_renamed);
            *totals.entry("moved".into()).or_insert(0) += usize::from(*is_moved);
            if *kind == Kind::Changed {
                *totals.entry("attributes".into()).or_insert(0) += attributes.len();
            }
        }
        println!("{names:?}: {totals:?}");
        assert!(totals.len() > 3, "{totals:?}");

        // The same from the other side.
        let mirrored = by_guid(changes(&after, &before, Options::default()));
        let mut again: BTreeMap<String, ObjectChange> = BTreeMap::new();
        for (guid, change) in mirrored {
            again.insert(guid, change.mirrored());
        }
        for (guid, change) in &found {
            assert_eq!(again.get(guid), Some(change), "{}", change.dn());
        }
        assert_eq!(again.len(), found.len());
    }
}

#[test]
fn a_directory_does_not_differ_from_itself() {
    for name in [
        "sample-forest/clean",
        "sample-forest/dirty",
        "ntds/contoso-small",
    ] {
        let Some(fixture) = testkit::find(name) else {
            continue;
        };
        let (one, other) = (directory_of(&fixture), directory_of(&fixture));
        for all in [false, true] {
            let options = Options {
                all,
                deleted: all,
                ..Options::default()
            };
            let comparison = Comparison::new(&one, &other, options).expect("a comparison");
            let changes: Vec<_> = comparison.changes().map(Result::unwrap).collect();
            assert_eq!(changes, [], "{name}");
            assert!(comparison.objects()[0] > 400);
            assert_eq!(comparison.without_guid(), [0, 0]);
        }
    }
}

/// Who set a value when is what the directory's own metadata says.
#[test]
fn changes_name_time_and_server() {
    let [one, other] = PAIRS[0].map(|name| testkit::find(name).expect("shipped"));
    let (before, after) = (directory_of(&one), directory_of(&other));
    let truth = Truth::of(&other);
    let servers = objects::servers::names(&after).unwrap();
    let (mut stamps, mut links) = (0, 0);
    for change in changes(&before, &after, Options::default()) {
        let object = &truth.objects[&change.guid.to_string()];
        for attribute in &change.attributes {
            let name = &*attribute.attribute.name;
            let listed = &object["metadata"][name];
            if let Some(stamp) = attribute.stamp() {
                assert_eq!(listed[0], stamp.version, "{} {name}", change.dn());
                assert_eq!(listed[1], stamp.changed.0, "{} {name}", change.dn());
                assert_eq!(servers[&stamp.invocation_id], "DC01");
                stamps += 1;
            }
            let Change::Values { added, .. } = &attribute.change else {
                continue;
            };
            for value in added
                .iter()
                .filter(|_| attribute.attribute.link_id.is_some())
            {
                let Value::Name(name) = &value.value else {
                    continue;
                };
                let guid = name.guid.unwrap().to_string();
                let list = object["links"].as_array().unwrap();
                let listed = list.iter().find(|link| {
                    link["guid"] == guid.as_str() && link["attr"] == *attribute.attribute.name
                });
                let stamp = value.after.expect("a stamp");
                assert_eq!(listed.unwrap()["version"], stamp.version);
                links += 1;
            }
        }
    }
    assert!(stamps > 50 && links > 5, "{stamps} {links}");
}

#[test]
fn parts_of_a_directory() {
    let [one, other] = PAIRS[0].map(|name| testkit::find(name).expect("shipped"));
    let (before, after) = (directory_of(&one), directory_of(&other));
    let all = changes(&before, &after, Options::default());
    let lower = |name: &str| name.to_lowercase();

    let base = "OU=Corp,DC=corp,DC=example";
    let beneath = |change: &&ObjectChange| {
        let sides = [&change.before, &change.after].into_iter().flatten();
        sides
            .into_iter()
            .any(|side| lower(&side.dn).ends_with(&lower(base)))
    };
    let expected: Vec<&ObjectChange> = all.iter().filter(beneath).collect();
    let options = Options {
        base: Some(base.into()),
        ..Options::default()
    };
    let found = changes(&before, &after, options);
    assert_eq!(found.iter().collect::<Vec<_>>(), expected);
    assert!(!found.is_empty() && found.len() < all.len());

    let is_group = |change: &&ObjectChange| {
        let sides = [&change.before, &change.after].into_iter().flatten();
        sides
            .into_iter()
            .any(|side| side.class.as_deref() == Some("group"))
    };
    let expected: Vec<&ObjectChange> = all.iter().filter(is_group).collect();
    let options = Options {
        classes: ["group".to_owned()].into(),
        ..Options::default()
    };
    let found = changes(&before, &after, options);
    assert_eq!(found.iter().collect::<Vec<_>>(), expected);
    assert!(!found.is_empty());

    let options = Options {
        attributes: ["member".to_owned()].into(),
        ..Options::default()
    };
    let found = changes(&before, &after, options);
    assert!(!found.is_empty());
    for change in &found {
        assert!(
            change
                .attributes
                .iter()
                .all(|attribute| &*attribute.attribute.name == "member")
        );
        let of_all = all.iter().find(|other| other.guid == change.guid).unwrap();
        let member = of_all
            .attributes
            .iter()
            .find(|a| &*a.attribute.name == "member");
        assert_eq!(Some(&change.attributes[0]), member);
    }

    let missing = Options {
        base: Some("OU=Nowhere,DC=corp,DC=example".into()),
        ..Options::default()
    };
    assert!(matches!(
        Comparison::new(&before, &after, missing),
        Err(comparison::Error::NoBase(_))
    ));
}
