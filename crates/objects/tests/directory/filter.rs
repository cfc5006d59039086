//! Filters on the sample forest, whose maker listed each object's content.

use std::collections::BTreeSet;

use objects::filter::{Filter, Matcher, Search};
use objects::ntds::Ntds;
use objects::{Entry, Error, Scope, Source, Wanted, is_within};
use serde_json::Value as Json;

fn names(values: &Json) -> impl Iterator<Item = &str> {
    values
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Json::as_str)
}

#[test]
fn filters_find_what_the_maker_put_in() {
    let fixture = testkit::find("sample-forest/clean").expect("shipped");
    let folder = fixture.unpack();
    let directory = Ntds::open(folder.path()).expect("a directory");
    let lines = fixture.listed_objects().expect("ground truth");
    let truth: Vec<Json> = (lines.iter())
        .map(|line| serde_json::from_slice(line).expect("JSON"))
        .collect();
    let live = || truth.iter().filter(|object| object["isDeleted"] == false);
    let values = |object: &'static str| move |truth: &&Json| !truth["attributes"][object].is_null();
    let is_class = |class: &'static str| {
        move |truth: &&Json| names(&truth["objectClass"]).any(|found| found == class)
    };
    let members = |dn: &str| -> BTreeSet<String> {
        let group = live().find(|object| object["dn"] == dn).expect("a group");
        let links = group["links"].as_array().expect("links").iter();
        let present = links.filter(|link| {
            link["attr"] == "member" && link["deleted"].is_null() && link["deactivated"].is_null()
        });
        present
            .map(|link| link["dn"].as_str().expect("a name").to_owned())
            .collect()
    };

    let find = |filter: &str| -> BTreeSet<String> {
        let filter: Filter = filter.parse().expect("a filter");
        let attributes = filter.attributes();
        let wanted = Wanted::only(attributes.iter().map(String::as_str));
        let matcher = Matcher::new(&directory);
        let entries = directory
            .all(&wanted)
            .expect("a scan")
            .map(|entry| entry.expect("an entry"));
        let found = entries.filter(|entry| matcher.matches(&filter, entry).expect("an answer"));
        found.map(|entry| entry.dn.to_string()).collect()
    };
    let expect = |filter: &str, expected: &mut dyn Iterator<Item = &Json>| {
        let expected = expected.map(|object| object["dn"].as_str().expect("a name").to_owned());
        let expected: BTreeSet<String> = expected.collect();
        assert!(!expected.is_empty(), "{filter}");
        assert_eq!(find(filter), expected, "{filter}");
    };

    expect("(objectClass=USER)", &mut live().filter(is_class("user")));
    expect(
        "(objectClass=1.2.840.113556.1.5.8)",
        &mut live().filter(is_class("group")),
    );
    expect("mail=*", &mut live().filter(values("mail")));
    let is_without = |truth: &&Json| truth["attributes"]["mail"].is_null();
    expect(
        "(&(objectClass=user)(!(mail=*)))",
        &mut live().filter(is_class("user")).filter(is_without),
    );
    let starts = |truth: &&Json| {
        names(&truth["attributes"]["sn"]).any(|name| {
            let name = name.to_lowercase();
            name.starts_with('m') && name.ends_with("er")
        })
    };
    expect("(sn=M*ER)", &mut live().filter(starts));
    let uac = |truth: &&Json| truth["attributes"]["userAccountControl"][0].as_i64();
    expect(
        "(userAccountControl:1.2.840.113556.1.4.803:=66048)",
        &mut live().filter(|truth| uac(truth).is_some_and(|bits| bits & 66048 == 66048)),
    );
    expect(
        "(userAccountControl:1.2.840.113556.1.4.804:=65538)",
        &mut live().filter(|truth| uac(truth).is_some_and(|bits| bits & 65538 != 0)),
    );
    expect(
        "(&(uSNChanged>=4400)(uSNChanged<=4410))",
        &mut live().filter(|truth| {
            truth["uSNChanged"]
                .as_i64()
                .is_some_and(|usn| (4400..=4410).contains(&usn))
        }),
    );
    expect(
        "(objectCategory=group)",
        &mut live().filter(|truth| {
            names(&truth["attributes"]["objectCategory"]).any(|dn| dn.starts_with("CN=Group,"))
        }),
    );
    // A filter on an unknown attribute is undefined, and so is its negation.
    assert!(find("(!(noSuchAttribute=1))").is_empty());
    // Secrets cannot be guessed.
    assert!(find("(&(unicodePwd=*)(unicodePwd=\\00))").is_empty());

    // Members, and members of members, from both ends.
    let groups: Vec<String> = live()
        .filter(is_class("group"))
        .map(|group| group["dn"].as_str().expect("a name").to_owned())
        .collect();
    let mut nested = 0;
    for group in &groups {
        let mut all = BTreeSet::new();
        let mut waiting: Vec<String> = members(group).into_iter().collect();
        while let Some(member) = waiting.pop() {
            if all.insert(member.clone()) && groups.contains(&member) {
                waiting.extend(members(&member));
            }
        }
        nested += usize::from(all.len() > members(group).len());
        let value = group
            .replace('\\', "\\5c")
            .replace('(', "\\28")
            .replace(')', "\\29");
        assert_eq!(
            find(&format!("(memberOf={value})")),
            members(group),
            "{group}"
        );
        let chain = format!("(memberOf:1.2.840.113556.1.4.1941:={value})");
        assert_eq!(find(&chain), all, "{group}");
    }
    assert!(nested > 0, "a group inside of a group");
}

/// The value as a filter writes it.
fn escaped(value: &[u8]) -> String {
    value.iter().map(|byte| format!("\\{byte:02x}")).collect()
}

/// The same objects as a scan finds, with the filter's own candidates.
fn found_by_identity(directory: &Ntds, text: &str) -> Option<BTreeSet<String>> {
    let filter: Filter = text.parse().expect("a filter");
    let attributes = filter.attributes();
    let wanted = Wanted {
        deleted: true,
        ..Wanted::only(attributes.iter().map(String::as_str))
    };
    let matcher = Matcher::new(directory);
    let fits = |entry: &objects::Entry| matcher.matches(&filter, entry).expect("an answer");
    let candidates = filter.candidates(directory).expect("a lookup")?;
    let entries = candidates.iter().filter_map(|id| {
        let entry = directory.entry(*id, &wanted).expect("an entry");
        entry.filter(&fits)
    });
    let found: BTreeSet<String> = entries.map(|entry| entry.dn.to_string()).collect();
    let scanned = directory.all(&wanted).expect("a scan");
    let scanned = scanned.map(|entry| entry.expect("an entry"));
    let scanned: BTreeSet<String> = (scanned.filter(fits))
        .map(|entry| entry.dn.to_string())
        .collect();
    assert_eq!(found, scanned, "{text}");
    Some(found)
}

#[test]
fn identities_are_found_without_a_scan() {
    let folder = testkit::find("sample-forest/clean")
        .expect("shipped")
        .unpack();
    let directory = Ntds::open(folder.path()).expect("a directory");
    let wanted = Wanted {
        deleted: true,
        ..Wanted::only(["sAMAccountName", "userPrincipalName"])
    };
    let entries: Vec<_> = (directory.all(&wanted).expect("a scan"))
        .map(|entry| entry.expect("an entry"))
        .collect();
    let mut conditions = Vec::new();
    for entry in entries.iter().step_by(29) {
        let name = escaped(entry.dn.as_bytes());
        conditions.push(format!("(distinguishedName={name})"));
        if let Some(guid) = entry.guid {
            conditions.push(format!("(objectGUID={guid})"));
            conditions.push(format!("(objectGUID={})", escaped(&guid.0)));
            conditions.push(format!("(distinguishedName=<GUID={guid}>)"));
        }
    }
    let principals = entries.iter().filter(|entry| entry.sid.is_some());
    for entry in principals.step_by(5) {
        let sid = entry.sid.as_ref().expect("filtered");
        conditions.push(format!("(objectSid={sid})"));
        conditions.push(format!("(objectSid={})", escaped(&sid.to_bytes())));
        conditions.push(format!("(distinguishedName=<SID={sid}>)"));
        for name in ["sAMAccountName", "userPrincipalName"] {
            for value in entry.values(name) {
                let text = value.to_ldap().expect("text");
                let upper = String::from_utf8_lossy(&text).to_uppercase();
                conditions.push(format!("({name}={})", escaped(upper.as_bytes())));
            }
        }
    }
    assert!(conditions.len() > 100, "{}", conditions.len());
    for condition in &conditions {
        let found = found_by_identity(&directory, condition).expect("an identity");
        assert!(!found.is_empty(), "{condition}");
    }
    for pair in conditions.windows(2).step_by(9) {
        let [one, other] = pair else { continue };
        let found = found_by_identity(&directory, &format!("(|{one}{other})")).expect("both");
        assert!(!found.is_empty(), "{one} {other}");
        for both in [
            format!("(&{one}{other})"),
            format!("(&(objectClass=user){one})"),
            format!("(|(&{one}(!{other})){other})"),
        ] {
            assert!(found_by_identity(&directory, &both).is_some(), "{both}");
        }
        for scan in [
            format!("(!{one})"),
            format!("(|{one}(cn=a*))"),
            "(sAMAccountName=a*)".into(),
            // An attribute without an index does not make the other part worth a thousand lookups.
            format!(
                "(&(uSNLastObjRem=1)(|{}))",
                "(sAMAccountName=nobody)".repeat(100)
            ),
            // No index has it, and only a scan tells that no object has it.
            "(cn=\u{1f512})".into(),
        ] {
            assert!(found_by_identity(&directory, &scan).is_none(), "{scan}");
        }
    }
    for nothing in [
        "(objectGUID=00000000-0000-0000-0000-000000000001)",
        "(objectSid=no SID)",
        "(sAMAccountName=\\ff\\fe)",
        "(distinguishedName=<GUID=none>)",
        "(distinguishedName=CN=Nobody,DC=corp,DC=example)",
    ] {
        let found = found_by_identity(&directory, nothing);
        assert_eq!(found, Some(BTreeSet::new()), "{nothing}");
    }
}

#[test]
fn an_object_is_within_exactly_the_scans_that_give_it() {
    let folder = testkit::find("sample-forest/clean")
        .expect("shipped")
        .unpack();
    let directory = Ntds::open(folder.path()).expect("a directory");
    let wanted = Wanted {
        deleted: true,
        ..Wanted::names()
    };
    let entries: Vec<_> = (directory.all(&wanted).expect("a scan"))
        .map(|entry| entry.expect("an entry"))
        .collect();
    let mut bases: Vec<_> = (directory.facts().naming_contexts.iter())
        .map(|context| context.id)
        .collect();
    let parents: BTreeSet<_> = entries.iter().filter_map(|entry| entry.parent).collect();
    bases.extend(parents.into_iter().step_by(29));
    for base in bases {
        if directory.entry(base, &wanted).expect("readable").is_none() {
            continue;
        }
        for scope in [
            Scope::Base,
            Scope::OneLevel,
            Scope::Subtree,
            Scope::Children,
        ] {
            let scanned: BTreeSet<_> = (directory.scan(base, scope, &wanted).expect("a scan"))
                .map(|entry| entry.expect("an entry").id)
                .collect();
            for entry in &entries {
                let within = is_within(&directory, entry, base, scope).expect("readable");
                assert_eq!(
                    within,
                    scanned.contains(&entry.id),
                    "{}, {scope:?} of {base:?}",
                    entry.dn
                );
            }
        }
    }
}

/// Two judges share the candidates, as threads do.
#[test]
fn a_search_gives_what_a_scan_matches_however_it_is_shared() {
    let folder = testkit::find("sample-forest/clean")
        .expect("shipped")
        .unpack();
    let directory = Ntds::open(folder.path()).expect("a directory");
    let facts = directory.facts();
    let contexts: Vec<_> = (facts.naming_contexts.iter())
        .map(|context| context.id)
        .collect();
    let mut found = 0;
    for filter in [
        "(objectClass=*)",
        "(objectClass=user)",
        "(&(objectCategory=person)(!(sAMAccountName=a*)))",
        "(|(sAMAccountName=administrator)(objectSid=S-1-5-32-544))",
        "(member=*)",
        "(noSuchAttribute=1)",
    ] {
        let filter: Filter = filter.parse().expect("a filter");
        for wanted in [
            Wanted::everything(),
            Wanted::only(
                ["cn", "member"]
                    .into_iter()
                    .chain(filter.attributes().iter().map(|name| &**name)),
            ),
        ] {
            for scope in [
                Scope::Base,
                Scope::OneLevel,
                Scope::Subtree,
                Scope::Children,
            ] {
                let matcher = Matcher::new(&directory);
                let mut expected = Vec::new();
                for base in &contexts {
                    for entry in directory.scan(*base, scope, &wanted).expect("a scan") {
                        let entry = entry.expect("an entry");
                        if matcher.matches(&filter, &entry).expect("an answer") {
                            expected.push(entry);
                        }
                    }
                }
                let search = Search::new(&directory, (&contexts, scope), Some(&filter), &wanted);
                let all = |_: &mut Entry| Ok::<_, Error>(true);
                let mut judges = [search.judge(), search.judge()];
                let (mut shared, mut turn) = (Vec::new(), 0);
                let candidates = search.candidates(|candidate| {
                    turn += 1;
                    shared.extend(judges[turn % 2].judge(candidate, all)?);
                    Ok::<_, Error>(())
                });
                candidates.expect("candidates");
                let mut run = Vec::new();
                let ran = search.run(all, |entry| {
                    run.push(entry);
                    Ok::<_, Error>(())
                });
                ran.expect("a search");
                for (how, mut given) in [("shared", shared), ("run", run)] {
                    // A search by identity gives parents first, but not in the order of a scan.
                    given.sort_by_key(|entry| entry.id);
                    let mut expected: Vec<_> = expected.iter().collect();
                    expected.sort_by_key(|entry| entry.id);
                    assert!(
                        given
                            .iter()
                            .map(|entry| format!("{entry:?}"))
                            .eq(expected.iter().map(|entry| format!("{entry:?}"))),
                        "{filter:?}, {scope:?}, {how}: {} of {}",
                        given.len(),
                        expected.len()
                    );
                }
                found += expected.len();
            }
        }
    }
    assert!(found > 1000, "{found}");
}
