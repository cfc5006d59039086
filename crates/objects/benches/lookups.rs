//! Measures how fast a directory of 6,920 objects opens, and how fast filters find one object by
//! identity. Needs the full set of fixtures (`DSBACKUP_FIXTURES`).

use criterion::{Criterion, criterion_group, criterion_main};
use ese::recovery::{Options, recover};
use objects::filter::{Filter, Matcher};
use objects::ntds::Ntds;
use objects::{Source, Wanted};

fn lookups(criterion: &mut Criterion) {
    let Some(fixture) = testkit::find("ntds/contoso") else {
        eprintln!("note: the fixture ntds/contoso is not there: nothing is measured");
        return;
    };
    let folder = fixture.unpack();
    recover(Options::new(folder.path())).expect("a recovered database");
    criterion.bench_function("open", |bencher| {
        bencher.iter(|| Ntds::open(folder.path()).expect("a directory"));
    });
    let directory = Ntds::open(folder.path()).expect("a directory");
    let wanted = Wanted {
        deleted: true,
        ..Wanted::only(["name", "sAMAccountName", "userPrincipalName"])
    };
    let account = (directory.all(&wanted).expect("a scan"))
        .filter_map(|entry| {
            let entry = entry.expect("an entry");
            Some((entry.text("sAMAccountName")?.to_owned(), entry))
        })
        .last();
    let (account, entry) = account.expect("an account");
    let principals = (directory.all(&wanted).expect("a scan"))
        .filter_map(|entry| Some(entry.ok()?.text("userPrincipalName")?.to_owned()));
    let principal = principals.last().expect("a principal");
    let name = entry.text("name").expect("a name").to_owned();
    let (guid, sid) = (entry.guid.expect("a GUID"), entry.sid.expect("a SID"));
    for (attribute, filter) in [
        (
            "distinguishedName",
            format!("(distinguishedName={})", entry.dn),
        ),
        ("name", format!("(name={name})")),
        ("GUID", format!("(objectGUID={guid})")),
        ("SID", format!("(objectSid={sid})")),
        ("sAMAccountName", format!("(sAMAccountName={account})")),
        (
            "userPrincipalName",
            format!("(userPrincipalName={principal})"),
        ),
    ] {
        let filter: Filter = filter.parse().expect("a filter");
        let wanted = Wanted::everything();
        let matcher = Matcher::new(&directory);
        criterion.bench_function(attribute, |bencher| {
            bencher.iter(|| {
                let found = filter.candidates(&directory).expect("a lookup");
                let found = found.expect("an identity");
                // Namesakes are in other containers.
                assert!(found.len() == 1 || attribute == "name" && found.len() < 10);
                for id in found {
                    let entry = directory.entry(id, &wanted).expect("an entry");
                    assert!(
                        matcher
                            .matches(&filter, &entry.expect("it is there"))
                            .expect("an answer")
                    );
                }
            });
        });
    }
}

criterion_group!(benches, lookups);
criterion_main!(benches);
