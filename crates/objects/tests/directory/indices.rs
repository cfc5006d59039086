//! What an index tells of a value is what reading all objects tells.

use std::collections::{BTreeMap, BTreeSet};

use ese::recovery::{Options, recover};
use objects::filter::{Filter, Matcher};
use objects::ntds::Ntds;
use objects::{ObjectId, Source, Wanted};

/// By attribute and value, the objects that have it.
type ByValue = BTreeMap<(String, String), BTreeSet<ObjectId>>;

/// The values of the attributes that indices may be asked for.
fn by_value(directory: &Ntds) -> ByValue {
    let wanted = Wanted {
        deleted: true,
        ..Wanted::default()
    };
    let mut all = ByValue::new();
    for entry in directory.all(&wanted).expect("a scan") {
        let entry = entry.expect("an entry");
        for attribute in &entry.attributes {
            let schema = &attribute.schema;
            if !schema.is_single_valued || schema.is_secret || schema.syntax.is_case_exact() {
                continue;
            }
            for value in &attribute.values {
                let text = value
                    .to_ldap()
                    .and_then(|value| String::from_utf8(value.into_owned()).ok());
                let Some(text) = text.filter(|text| !text.is_empty()) else {
                    continue;
                };
                let key = (schema.name.to_string(), text.to_lowercase());
                all.entry(key).or_default().insert(entry.id);
            }
        }
    }
    all
}

/// The attributes of which an index told at least one value, and of all values the share of those
/// that an index told.
fn compare(directory: &Ntds) -> (BTreeSet<String>, f64) {
    let wanted = Wanted {
        deleted: true,
        ..Wanted::default()
    };
    let matcher = Matcher::new(directory);
    let (mut attributes, mut told, mut asked) = (BTreeSet::new(), 0, 0);
    for ((name, value), expected) in by_value(directory) {
        let attribute = directory.schema().attribute(&name).expect("in the schema");
        let found = directory
            .find_in_index(attribute, value.as_bytes())
            .expect("readable");
        asked += 1;
        let Some(found) = found else { continue };
        let filter = Filter::Equal(name.clone(), value.clone().into_bytes());
        let mut reader = directory.reader(&wanted);
        let matching: BTreeSet<ObjectId> = (found.into_iter())
            .filter(|id| {
                let entry = reader(*id).expect("readable");
                entry.is_some_and(|entry| matcher.matches(&filter, &entry).expect("an answer"))
            })
            .collect();
        assert_eq!(matching, expected, "{name}={value}");
        told += 1;
        attributes.insert(name);
    }
    (attributes, f64::from(told) / f64::from(asked))
}

#[test]
fn an_index_tells_all_objects_with_a_value() {
    for set in ["sample-forest/clean", "ntds/contoso-small", "ntds/contoso"] {
        let Some(fixture) = testkit::find(set) else {
            continue;
        };
        let folder = fixture.unpack();
        recover(Options::new(folder.path())).expect("a recovered database");
        let directory = Ntds::open(folder.path()).expect("a directory");
        let (attributes, share) = compare(&directory);
        println!("{set}: {:.1} % of values, {attributes:?}", share * 100.0);
        for name in ["name", "cn", "objectCategory", "sAMAccountType"] {
            assert!(attributes.contains(name), "{set}: {name}");
        }
    }
}
