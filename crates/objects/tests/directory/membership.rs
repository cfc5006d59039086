//! Members and groups of the sample forest through groups in groups, with those that a walk over its
//! plain attributes gives.

use std::collections::{BTreeMap, BTreeSet};

use objects::membership::{Membership, Memberships};
use objects::ntds::Ntds;
use objects::{ObjectId, Source, Value, Wanted};

/// The direct members of each group, from one pass.
fn direct(directory: &Ntds) -> BTreeMap<String, BTreeSet<String>> {
    let wanted = Wanted::only(["member", "primaryGroupID"]);
    let entries: Vec<_> = (directory.all(&wanted).expect("a scan"))
        .map(|entry| entry.expect("an entry"))
        .collect();
    let mut members: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in &entries {
        for member in entry.values("member").iter().filter_map(Value::reference) {
            let group = members.entry(entry.dn.to_string()).or_default();
            group.insert(member.dn.to_string());
        }
        let number = entry.value("primaryGroupID").and_then(Value::integer);
        if let (Some(number), Some(sid)) = (number, &entry.sid) {
            let text = sid.to_string();
            let (domain, _) = text.rsplit_once('-').expect("a SID");
            let sid = format!("{domain}-{number}");
            let mut groups = entries.iter();
            let group = groups.find(|entry| {
                entry
                    .sid
                    .as_ref()
                    .is_some_and(|found| found.to_string() == sid)
            });
            if let Some(group) = group {
                let group = members.entry(group.dn.to_string()).or_default();
                group.insert(entry.dn.to_string());
            }
        }
    }
    members
}

fn all_beneath(start: &str, next: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![start.to_owned()];
    while let Some(name) = waiting.pop() {
        for other in next.get(&name).into_iter().flatten() {
            if other != start && found.insert(other.clone()) {
                waiting.push(other.clone());
            }
        }
    }
    found
}

fn names(list: &[Membership]) -> BTreeSet<String> {
    let names: BTreeSet<String> = (list.iter())
        .map(|membership| membership.object.dn.to_string())
        .collect();
    assert_eq!(names.len(), list.len(), "each once");
    names
}

#[test]
fn members_and_groups_are_found_through_groups() {
    let folder = testkit::find("sample-forest/clean")
        .expect("shipped")
        .unpack();
    let directory = Ntds::open(folder.path()).expect("a directory");
    let members = direct(&directory);
    let mut groups: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (group, members) in &members {
        for member in members {
            groups
                .entry(member.clone())
                .or_default()
                .insert(group.clone());
        }
    }
    let memberships = Memberships::new(&directory);
    let wanted = Wanted::names();
    let all: Vec<(String, ObjectId)> = (directory.all(&wanted).expect("a scan"))
        .map(|entry| entry.expect("an entry"))
        .map(|entry| (entry.dn.to_string(), entry.id))
        .collect();
    let mut nested = 0;
    for (name, id) in &all {
        let found = memberships.members(*id).expect("members");
        assert_eq!(
            names(&found),
            all_beneath(name, &members),
            "members of {name}"
        );
        nested += found
            .iter()
            .filter(|member| !member.through.is_empty())
            .count();
        let found = memberships.groups(*id).expect("groups");
        assert_eq!(
            names(&found),
            all_beneath(name, &groups),
            "groups of {name}"
        );
    }
    assert!(nested > 0, "no group is in a group");
}
