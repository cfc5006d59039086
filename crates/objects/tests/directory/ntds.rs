//! The objects of real directories equal what their makers put in: every attribute, value, link,
//! descriptor and replication metadata.

use std::collections::{BTreeMap, HashMap};

use ese::Database;
use ese::recovery::{Options, recover};
use objects::ntds::Ntds;
use objects::schema::Schema;
use objects::{Entry, Link, LinkDirection, Lookup, Scope, Sid, Source, State, Time, Value, Wanted};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use testkit::Fixture;

/// Every set whose maker listed its objects.
const SETS: [&str; 7] = [
    "sample-forest/clean",
    "sample-forest/dirty",
    "ntds/contoso-small",
    "ntds/contoso",
    "ntds/contoso-online:backup-0",
    "ntds/contoso-online:backup-1",
    "ntds/contoso-online:backup-2",
];

/// The directory of a set, after recovery of a dirty one.
fn directory_of(fixture: &Fixture) -> Ntds {
    let folder = fixture.unpack_chain();
    recover(Options::new(folder.path())).expect("recovery");
    let bytes = std::fs::read(folder.path().join("ntds.dit")).expect("read");
    Ntds::over(Database::over(bytes, "ntds.dit").expect("open")).expect("a directory")
}

/// The directory's objects by objectGUID, as listed by its maker.
fn truth_of(fixture: &Fixture) -> HashMap<String, Json> {
    let lines = fixture.listed_objects().expect("ground truth").into_iter();
    let objects = lines.map(|line| serde_json::from_slice::<Json>(&line).expect("JSON"));
    let objects = objects.filter_map(|object| {
        let guid = object.get("objectGUID")?.as_str()?.to_owned();
        Some((guid, object))
    });
    objects.collect()
}

/// Attributes with fields of their own in the lists, or composed from other rows.
const APART: [&str; 11] = [
    "objectGUID",
    "objectSid",
    "objectClass",
    "whenCreated",
    "whenChanged",
    "uSNCreated",
    "uSNChanged",
    "name",
    "nTSecurityDescriptor",
    "replPropertyMetaData",
    "distinguishedName",
];

/// Some lists hold checksums of long values instead.
fn hex(bytes: &[u8], expected: &Json) -> String {
    match expected
        .as_str()
        .is_some_and(|text| text.starts_with("sha256:"))
    {
        true => format!("sha256:{}", &ids::hex::encode(&Sha256::digest(bytes))[..32]),
        false => ids::hex::encode(bytes),
    }
}

/// A value in the form of the lists.
fn listed(value: &Value, expected: &Json, schema: &Schema) -> Json {
    match value {
        Value::Text(text) => text.as_str().into(),
        Value::Integer(number) => (*number).into(),
        Value::Boolean(flag) => (*flag).into(),
        Value::Time(time) | Value::UtcTime(time) => match expected {
            Json::Number(_) => time.0.into(),
            _ => iso(*time).into(),
        },
        Value::Bytes(bytes) => hex(bytes, expected).into(),
        Value::Sid(sid) => sid.to_string().into(),
        Value::Oid(name) => number_of(name, expected, schema),
        Value::Name(name) => name.dn.to_string().into(),
        Value::BytesAndName(bytes, name) => {
            serde_json::json!({"hex": hex(bytes, &expected["hex"]), "dn": name.dn.to_string()})
        }
        // Only that it is not shown matters here.
        Value::Withheld(len) => match expected.as_str() {
            Some(text) if text.starts_with("sha256:") && *len >= 64 => text.into(),
            Some(text) if [text.len(), text.len() / 2, 2 * text.len()].contains(len) => text.into(),
            _ => format!("{len} bytes").into(),
        },
        other => panic!("{other:?}"),
    }
}

/// The lists hold identifiers as numbers.
fn number_of(name: &str, expected: &Json, schema: &Schema) -> Json {
    let number = expected.as_u64().expect("a number") as u32;
    let dotted = objects::prefix::PrefixTable::default();
    let oids = [
        schema
            .attribute(name)
            .map(|attribute| attribute.oid.to_string()),
        schema.class(name).map(|class| class.oid.to_string()),
        Some(name.to_owned()),
    ];
    let is_it = |oid: &String| {
        // For a prefix of this directory only, the ends are compared.
        let end = oid
            .rsplit('.')
            .next()
            .and_then(|arc| arc.parse::<u32>().ok());
        let is_own = number >> 16 > 38 && end.is_some_and(|arc| arc % 0x4000 == number & 0x3fff);
        dotted.number(oid) == Some(number) || is_own
    };
    match oids.into_iter().flatten().any(|oid| is_it(&oid)) {
        true => expected.clone(),
        false => name.into(),
    }
}

fn iso(time: Time) -> String {
    format!("{}Z", time.to_string().replace(' ', "T"))
}

fn sorted(mut values: Vec<Json>) -> Vec<Json> {
    values.sort_by_key(Json::to_string);
    values
}

fn check(entry: &Entry, truth: &Json, schema: &Schema, totals: &mut BTreeMap<&str, usize>) {
    let dn = &*entry.dn;
    assert_eq!(dn, truth["dn"].as_str().expect("a name"));
    let sid = entry.sid.as_ref().map(Sid::to_string);
    assert_eq!(sid.as_deref(), truth["objectSid"].as_str(), "{dn}");
    let classes: Vec<&str> = entry.classes().collect();
    let expected: Vec<&str> = (truth["objectClass"].as_array().expect("classes").iter())
        .filter_map(Json::as_str)
        .collect();
    assert_eq!(classes, expected, "{dn}");
    for name in ["whenCreated", "whenChanged"] {
        let Some(Value::Time(time)) = entry.value(name) else {
            panic!("{dn}: no {name}");
        };
        assert_eq!(
            Some(iso(*time).as_str()),
            truth[name].as_str(),
            "{dn}: {name}"
        );
    }
    for name in ["uSNCreated", "uSNChanged"] {
        let number = entry.value(name).and_then(Value::integer);
        assert_eq!(number, truth[name].as_i64(), "{dn}: {name}");
    }
    let state = [entry.state.is_deleted(), entry.state == State::Recycled];
    let expected = ["isDeleted", "isRecycled"].map(|name| truth[name].as_bool());
    assert_eq!(state.map(Some), expected, "{dn}");

    let expected = truth["attributes"].as_object().expect("attributes");
    for (name, values) in expected {
        let values = values.as_array().expect("values");
        let found = entry.values(name);
        assert_eq!(found.len(), values.len(), "{dn}: {name}: {found:?}");
        // The lists sort values of text and numbers by their numbers.
        let same_order: Vec<Json> = (found.iter().zip(values))
            .map(|(value, expected)| listed(value, expected, schema))
            .collect();
        if same_order != *values {
            let found = found.iter().map(|value| {
                let same = |expected: &&Json| listed(value, expected, schema) == **expected;
                let first = values.iter().find(same).or(values.first());
                listed(value, first.expect("one"), schema)
            });
            assert_eq!(
                sorted(found.collect()),
                sorted(values.clone()),
                "{dn}: {name}"
            );
        }
        *totals.entry("values").or_default() += values.len();
    }
    let more = entry.attributes.iter().filter(|attribute| {
        let name = &*attribute.schema.name;
        !expected.contains_key(name) && !APART.contains(&name) && attribute.schema.link_id.is_none()
    });
    let more: Vec<&str> = more.map(|attribute| &*attribute.schema.name).collect();
    assert!(more.is_empty(), "{dn}: not in the list: {more:?}");

    check_links(entry, truth, totals);

    if let (Some(Value::Descriptor(bytes)), Some(expected)) = (
        entry.value("nTSecurityDescriptor"),
        truth["sd_sha256"].as_str(),
    ) {
        let sum = ids::hex::encode(&Sha256::digest(bytes));
        let with_prefix = [&[0x0f, 0, 0, 0], &bytes[..]].concat();
        let sum_with_prefix = ids::hex::encode(&Sha256::digest(&with_prefix));
        assert!(
            [sum, sum_with_prefix].iter().any(|sum| sum == expected),
            "{dn}"
        );
        assert!(entry.descriptor().is_some(), "{dn}");
        *totals.entry("descriptors").or_default() += 1;
    } else {
        assert_eq!(truth["sd_sha256"].as_str(), None, "{dn}");
    }

    if let Some(expected) = truth["metadata"].as_object() {
        let found: BTreeMap<String, Json> = (entry.metadata.iter())
            .map(|stamp| {
                let attribute = schema.attribute_of_number(stamp.attribute);
                let name = attribute.map_or("?".into(), |attribute| attribute.name.to_string());
                let stamp = serde_json::json!([stamp.version, stamp.changed.0, stamp.local_usn]);
                (name, stamp)
            })
            .collect();
        let expected: BTreeMap<String, Json> = expected.clone().into_iter().collect();
        assert_eq!(found, expected, "{dn}");
        *totals.entry("stamps").or_default() += expected.len();
    }
}

fn link_line(link: &Link, list: &[Json]) -> Json {
    let stamp = link.metadata.expect("stamped");
    let mut line = serde_json::json!({
        "attr": *link.attribute.name,
        "dn": *link.other.dn,
        "guid": link.other.guid.map(|guid| guid.to_string()),
        "version": stamp.version,
        "usn": stamp.local_usn,
        "created": iso(stamp.created),
        "changed": iso(stamp.changed),
    });
    for (name, time) in [("deleted", link.removed), ("deactivated", link.deactivated)] {
        if let Some(time) = time {
            line[name] = iso(time).into();
        }
    }
    if let Some(data) = &link.data {
        let same = list
            .iter()
            .find(|other| other["dn"] == line["dn"] && other["attr"] == line["attr"]);
        line["data"] = hex(data, same.map_or(&Json::Null, |same| &same["data"])).into();
    }
    line
}

fn check_links(entry: &Entry, truth: &Json, totals: &mut BTreeMap<&str, usize>) {
    let forward = |link: &&Link| link.direction == LinkDirection::Forward;
    let expected = truth["links"].as_array().expect("links");
    let links = entry.links.iter().filter(forward);
    let found: Vec<Json> = links.map(|link| link_line(link, expected)).collect();
    *totals.entry("links").or_default() += expected.len();
    let unlike = |one: &[Json], other: &[Json]| -> Vec<String> {
        let unlike = one.iter().filter(|link| !other.contains(link));
        unlike.map(Json::to_string).collect()
    };
    let (more, less) = (unlike(&found, expected), unlike(expected, &found));
    assert!(
        more.is_empty() && less.is_empty(),
        "{}: {more:?} for {less:?}",
        entry.dn
    );
    assert_eq!(found.len(), expected.len(), "{}", entry.dn);
}

/// Checks that the other end of each link has the same link back.
fn check_back_links(entries: &[Entry]) -> usize {
    let key = |from: &str, to: &str, link: &Link| {
        let base = link.attribute.link_id.expect("a link") / 2;
        (
            from.to_owned(),
            to.to_owned(),
            base,
            format!("{:?}", link.state()),
        )
    };
    let mut forward = Vec::new();
    let mut back = Vec::new();
    let back_ids: Vec<u32> = (entries.iter().flat_map(|entry| &entry.links))
        .filter(|link| link.direction == LinkDirection::Back)
        .map(|link| link.attribute.link_id.expect("a link") / 2)
        .collect();
    for entry in entries {
        for link in &entry.links {
            match link.direction {
                LinkDirection::Forward => forward.push(key(&entry.dn, &link.other.dn, link)),
                LinkDirection::Back => back.push(key(&link.other.dn, &entry.dn, link)),
            }
        }
    }
    // Attributes without a back link have none.
    forward.retain(|(_, _, base, _)| back_ids.contains(base));
    forward.sort();
    back.sort();
    assert_eq!(forward, back);
    back.len()
}

#[test]
fn every_object_is_what_its_maker_put_in() {
    for name in SETS {
        let Some(fixture) = testkit::find(name) else {
            continue;
        };
        let directory = directory_of(&fixture);
        let mut truth = truth_of(&fixture);
        let mut totals = BTreeMap::new();
        let wanted = Wanted::everything();
        let mut entries = Vec::new();
        for entry in directory.all(&wanted).expect("a scan") {
            let entry = entry.expect("an entry");
            let guid = entry.guid.expect("an objectGUID").to_string();
            let truth = truth
                .remove(&guid)
                .unwrap_or_else(|| panic!("{} is new", entry.dn));
            check(&entry, &truth, directory.schema(), &mut totals);
            entries.push(entry);
        }
        assert!(truth.is_empty(), "{:?} are missing", truth.keys());
        totals.insert("objects", entries.len());
        totals.insert("back links", check_back_links(&entries));
        println!("{name}: {totals:?}");
    }
}

#[test]
fn objects_are_found_by_what_names_them() {
    for name in ["sample-forest/clean", "ntds/contoso-small"] {
        let Some(fixture) = testkit::find(name) else {
            continue;
        };
        let directory = directory_of(&fixture);
        let wanted = Wanted::everything();
        for entry in directory.all(&wanted).expect("a scan") {
            let entry = entry.expect("an entry");
            let find = |what: Lookup<'_>| directory.find(&what).expect("a search");
            let upper = entry.dn.to_uppercase();
            // Upper case does not change the meaning, even in escapes.
            if upper.to_lowercase() == entry.dn.to_lowercase() {
                assert_eq!(find(Lookup::Dn(&upper)), [entry.id], "{}", entry.dn);
            }
            assert_eq!(find(Lookup::Dn(&entry.dn)), [entry.id], "{}", entry.dn);
            assert_eq!(find(Lookup::Guid(entry.guid.expect("a GUID"))), [entry.id]);
            if let Some(sid) = &entry.sid {
                assert!(find(Lookup::Sid(sid)).contains(&entry.id), "{}", entry.dn);
            }
        }
        assert_eq!(
            directory.find(&Lookup::Dn("CN=nobody,DC=nowhere")).unwrap(),
            []
        );
        assert_eq!(directory.find(&Lookup::Dn("")).unwrap(), []);
        assert_eq!(
            directory.find(&Lookup::Account("nobody at all")).unwrap(),
            []
        );
    }
    let directory = directory_of(&testkit::find("sample-forest/clean").expect("shipped"));
    let found = directory.find(&Lookup::Account("ADMINISTRATOR")).unwrap();
    assert_eq!(found.len(), 1);
    let name = Lookup::PrincipalName("udangelo@CORP.example");
    let found = directory.find(&name).unwrap();
    let entry = directory
        .entry(found[0], &Wanted::only(["sn"]))
        .unwrap()
        .expect("there");
    assert_eq!(entry.text("sn"), Some("D'Angelo"));
    assert_eq!(entry.attributes.len(), 1);
}

/// Parents are above their children wherever rows lie: so no object that was moved comes before them.
#[test]
fn subtrees_come_level_by_level() {
    for set in ["sample-forest/clean", "ntds/contoso-small", "ntds/contoso"] {
        let Some(fixture) = testkit::find(set) else {
            continue;
        };
        let directory = directory_of(&fixture);
        let wanted = Wanted {
            deleted: true,
            ..Wanted::names()
        };
        let mut levels = std::collections::BTreeSet::new();
        for context in &directory.facts().naming_contexts {
            let entries = directory.scan(context.id, Scope::Subtree, &wanted).unwrap();
            let mut before = 0;
            for entry in entries.map(Result::unwrap) {
                let level = objects::dn::parse(&entry.dn).expect("a name").len();
                assert!(level >= before, "{set}: {}", entry.dn);
                levels.insert(level);
                before = level;
            }
        }
        assert!(levels.len() > 3, "{set}: {levels:?}");
    }
}

/// A subtree holds exactly the objects of its naming context whose names end in its own, parents
/// first.
#[test]
fn subtrees_hold_what_their_names_say() {
    let directory = directory_of(&testkit::find("sample-forest/clean").expect("shipped"));
    let wanted = Wanted {
        deleted: true,
        ..Wanted::names()
    };
    let all: Vec<Entry> = directory
        .all(&wanted)
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for base in &all {
        let below = |entry: &&Entry| {
            let is_below = entry
                .dn
                .strip_suffix(&*base.dn)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with(','));
            is_below && entry.naming_context == base.naming_context
        };
        let mut expected: Vec<_> = all.iter().filter(below).map(|entry| entry.id).collect();
        let found = directory.scan(base.id, Scope::Subtree, &wanted).unwrap();
        let found: Vec<Entry> = found.map(Result::unwrap).collect();
        for (place, entry) in found.iter().enumerate().skip(1) {
            let parents = &found[..place];
            assert!(
                parents.iter().any(|parent| Some(parent.id) == entry.parent),
                "{}",
                entry.dn
            );
        }
        let mut found: Vec<_> = found.iter().map(|entry| entry.id).collect();
        expected.sort();
        found.sort();
        assert_eq!(found, expected, "{}", base.dn);
        let children = directory.scan(base.id, Scope::Children, &wanted).unwrap();
        let children = children.map(Result::unwrap).collect::<Vec<_>>().len();
        assert_eq!(
            children,
            all.iter()
                .filter(|entry| entry.parent == Some(base.id))
                .count()
        );
    }
}

#[test]
fn facts_and_states_of_the_sample_forest() {
    let directory = directory_of(&testkit::find("sample-forest/clean").expect("shipped"));
    let facts = directory.facts();
    let dn = |reference: &Option<objects::Reference>| reference.as_ref().unwrap().dn.to_string();
    assert_eq!(dn(&facts.default_naming_context), "DC=corp,DC=example");
    assert_eq!(
        dn(&facts.configuration),
        "CN=Configuration,DC=corp,DC=example"
    );
    assert_eq!(
        dn(&facts.schema),
        "CN=Schema,CN=Configuration,DC=corp,DC=example"
    );
    assert_eq!(facts.dns_host_name.as_deref(), Some("dc01.corp.example"));
    assert_eq!(
        facts.invocation_id.unwrap().to_string(),
        "e1450b96-7fa3-4c88-9d12-60a5f3c8b74d"
    );
    assert!(facts.recycle_bin_enabled);
    assert!(
        facts.naming_contexts.len() >= 3,
        "{:?}",
        facts.naming_contexts
    );

    let wanted = Wanted {
        deleted: true,
        ..Wanted::names()
    };
    let mut states = HashMap::new();
    for entry in directory.all(&wanted).unwrap() {
        *states.entry(entry.unwrap().state).or_insert(0) += 1;
    }
    assert_eq!(states[&State::Tombstone], 3);
    assert_eq!(states[&State::InRecycleBin], 3);
    assert_eq!(states[&State::Recycled], 3);
}
