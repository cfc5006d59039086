//! After recovery every row of the directory equals its maker's: number, parent, naming context,
//! GUID, SID, USNs, name, deleted state, references.

use std::collections::BTreeMap;

use ese::Database;
use ese::catalog::Column;
use ese::recovery::{Options, recover};
use ese::rows::Value;
use ntds::attribute::{Attribute, AttributeColumns};
use ntds::{Directory, Guid, Sid};
use testkit::Fixture;

const USN_CREATED: Attribute = Attribute(131_091);

/// The compared fields of a row.
#[derive(Debug, Default, Clone, PartialEq)]
struct Object {
    parent: Option<i64>,
    naming_context: Option<i64>,
    guid: Option<String>,
    sid: Option<String>,
    usn_created: Option<i64>,
    usn_changed: Option<i64>,
    deleted: bool,
    recycled: bool,
    references: Option<i64>,
    name: Option<String>,
}

fn number(value: Value<'_>) -> Option<i64> {
    match value {
        Value::Bit(bit) => Some(bit.into()),
        Value::Long(number) => Some(number.into()),
        Value::Currency(number) | Value::LongLong(number) => Some(number),
        _ => None,
    }
}

fn found(database: &Database) -> BTreeMap<i64, Object> {
    let directory = Directory::of(database).unwrap();
    let table = database.table("datatable").unwrap().unwrap();
    let attributes = AttributeColumns::of(&table);
    let attribute = |attribute| attributes.find(&table, attribute).unwrap();
    let fixed = |name| table.column(name).unwrap();
    let (dnt, parent, context, references) = (
        fixed("DNT_col"),
        fixed("PDNT_col"),
        fixed("NCDNT_col"),
        fixed("cnt_col"),
    );
    let (guid, sid) = (
        attribute(Attribute::OBJECT_GUID),
        attribute(Attribute::OBJECT_SID),
    );
    let (created, changed) = (attribute(USN_CREATED), attribute(Attribute::USN_CHANGED));
    let (deleted, recycled) = (
        attribute(Attribute::IS_DELETED),
        attribute(Attribute::IS_RECYCLED),
    );

    let mut objects = BTreeMap::new();
    let mut rows = database.rows(&table);
    while let Some(row) = rows.next().unwrap() {
        let as_number = |column: &Column| number(row.typed(column).unwrap());
        let bytes = |column: &Column| row.value(column).unwrap().map(|bytes| bytes.into_owned());
        let dnt = as_number(dnt).expect("every row has a DNT");
        let guid = bytes(guid).map(|bytes| Guid(bytes.try_into().unwrap()).to_string());
        let object = Object {
            parent: as_number(parent),
            naming_context: as_number(context),
            sid: bytes(sid).map(|bytes| Sid::from_stored(&bytes).unwrap().to_string()),
            usn_created: as_number(created),
            usn_changed: as_number(changed),
            deleted: as_number(deleted) == Some(1),
            recycled: as_number(recycled) == Some(1),
            references: as_number(references),
            name: guid
                .is_some()
                .then(|| directory.name_of(dnt.try_into().unwrap()).unwrap()),
            guid,
        };
        objects.insert(dnt, object);
    }
    objects
}

fn expected(fixture: &Fixture) -> Option<BTreeMap<i64, Object>> {
    let lines = fixture.listed_objects()?.into_iter();
    let objects = lines.map(|line| {
        let line: serde_json::Value = serde_json::from_slice(&line).unwrap();
        let number = |name: &str| line[name].as_i64();
        let text = |name: &str| line[name].as_str().map(str::to_owned);
        let object = Object {
            parent: number("pdnt"),
            naming_context: number("ncdnt"),
            guid: text("objectGUID"),
            sid: text("objectSid"),
            usn_created: number("uSNCreated"),
            usn_changed: number("uSNChanged"),
            // The containers of deleted objects are marked as deleted, too.
            deleted: line["isDeleted"] == true || line["attributes"]["isDeleted"][0] == true,
            recycled: line["isRecycled"] == true,
            references: number("refcount"),
            name: text("objectGUID").and(text("dn")),
        };
        (number("dnt").unwrap(), object)
    });
    Some(objects.collect())
}

#[test]
fn every_row_is_what_was_written() {
    let mut compared = 0;
    for fixture in testkit::every() {
        let Some(expected) = expected(&fixture) else {
            continue;
        };
        let folder = tempfile::tempdir().unwrap();
        let (set, part) = fixture
            .name
            .split_once(":backup-")
            .unwrap_or((&fixture.name, "0"));
        for earlier in 0..=part.parse().unwrap() {
            let name = match fixture.name.contains(":backup-") {
                true => format!("{set}:backup-{earlier}"),
                false => set.to_owned(),
            };
            testkit::find(&name)
                .expect("the chain is whole")
                .unpack_into(folder.path());
        }
        let out = tempfile::tempdir().unwrap();
        let summary = recover(Options::new(folder.path()).into_folder(out.path())).unwrap();
        let found = found(&Database::open(&summary.database).unwrap());
        let mut different = 0;
        for (dnt, expected) in &expected {
            let object = found.get(dnt).cloned().unwrap_or_default();
            if expected.guid.is_none() {
                // The list only says that the root and phantoms exist.
                assert!(found.contains_key(dnt));
                continue;
            }
            if object != *expected {
                different += 1;
                if different <= 3 {
                    eprintln!(
                        "{} DNT {dnt}:\n  expected {expected:?}\n  found    {object:?}",
                        fixture.name
                    );
                }
            }
        }
        let deleted = found.values().filter(|object| object.deleted).count();
        println!(
            "{}: {} rows, {deleted} deleted, {different} different",
            fixture.name,
            found.len()
        );
        assert_eq!(different, 0, "{}", fixture.name);
        assert!(
            found.keys().eq(expected.keys()),
            "{}: the same rows",
            fixture.name
        );
        compared += 1;
    }
    assert!(compared > 0);
}
