//! The columns of secrets are determined from the directory's own schema, whatever their numbers.

use ese::Database;
use ntds::secrets::{Protection, SecretColumns};

#[test]
fn secret_columns_are_found_by_name_and_number() {
    let fixture = testkit::find("sample-forest/clean").expect("it ships");
    let folder = fixture.unpack();
    let database = Database::open(folder.path().join("ntds.dit")).expect("open");
    let columns = SecretColumns::of(&database).expect("a schema");
    for column in ["ATTk589914", "ATTk589918", "ATTk589949", "ATTk590689"] {
        assert_eq!(
            columns.protection("datatable", column),
            Some(Protection::Encrypted),
            "{column}"
        );
        assert_eq!(columns.protection("sd_table", column), None);
    }
    for column in ["ATTm589825", "ATTm-1706965021", "DNT_col"] {
        assert_eq!(columns.protection("datatable", column), None, "{column}");
    }
}

#[test]
fn passwords_in_clear_are_known_too() {
    let Some(fixture) = testkit::find("ntds/contoso-small") else {
        return;
    };
    let folder = fixture.unpack();
    let database = Database::open(folder.path().join("ntds.dit")).expect("open");
    let columns = SecretColumns::of(&database).expect("a schema");
    let table = database
        .table("datatable")
        .expect("readable")
        .expect("there");
    let of = |protection| {
        let names = table.columns().iter().map(|column| &column.name);
        let names = names.filter(|name| columns.protection("datatable", name) == Some(protection));
        names.cloned().collect::<Vec<_>>()
    };
    println!(
        "{:?}\n{:?}",
        of(Protection::Clear),
        of(Protection::Encrypted)
    );
    // userPassword and msFVE-RecoveryPassword have a number in every forest, ms-Mcs-AdmPwd does
    // not.
    let clear = of(Protection::Clear);
    for column in ["ATTk35", "ATTm591788"] {
        assert!(clear.iter().any(|name| name == column), "{column}");
    }
    assert!(
        clear.iter().any(|name| name.contains('-')),
        "a number of its own"
    );
    // The fixed numbers are those of the names in the schema.
    assert_eq!(of(Protection::Encrypted).len(), 13);
}

#[test]
fn another_applications_database_has_no_secret_columns() {
    let fixture = testkit::find("ese/p4096-clean").expect("it ships");
    let folder = fixture.unpack();
    let database = Database::open(folder.path().join("test.edb")).expect("open");
    let columns = SecretColumns::of(&database).expect("no directory");
    assert_eq!(columns.protection("datatable", "ATTk589914"), None);
}
