//! Changes of a directory, since the backup before, that somebody should hear of at once: many
//! deletions, members of privileged groups, the keys of the domain.

use std::collections::{HashMap, HashSet};

use backup::Report;
use comparison::{AttributeChange, Change, Comparison, ObjectChange, Options, Stamp, ValueChange};
use objects::{Guid, Lookup, ObjectId, Sid, Source, Value, Wanted};

use crate::accounts::AccountChanges;
use crate::configuration::AlarmRule;
use crate::record::{Counts, Run};

/// Groups of each domain that control it, or can come to: their relative ids (\[MS-DTYP\] 2.4.2.4).
const OF_DOMAIN: [u32; 9] = [
    498, // Enterprise Read-only Domain Controllers
    512, // Domain Admins
    516, // Domain Controllers
    517, // Cert Publishers
    518, // Schema Admins
    519, // Enterprise Admins
    520, // Group Policy Creator Owners
    526, // Key Admins
    527, // Enterprise Key Admins
];

/// The same, of every computer (S-1-5-32).
const BUILT_IN: [u32; 6] = [
    544, // Administrators
    548, // Account Operators
    549, // Server Operators
    550, // Print Operators
    551, // Backup Operators
    552, // Replicator
];

/// The account whose keys sign all tickets of a domain.
const KRBTGT: u32 = 502;

/// The most alarms that are told in words.
const TOLD: usize = 50;

/// Whether more objects were deleted than the rule allows, by the counts of the runs before.
pub fn mass_deletion(rule: &AlarmRule, runs: &[Run], new: Counts) -> Option<String> {
    let limit = rule.deleted_objects?;
    let (time, old) = (runs.iter().rev()).find_map(|run| Some((&run.time, run.objects?)))?;
    let gone = old.objects.saturating_sub(new.objects);
    let deleted = new.deleted_objects.saturating_sub(old.deleted_objects);
    (gone.max(deleted) > limit).then(|| {
        format!(
            "mass deletion: since the backup of {time} {deleted} objects were deleted, and {gone} \
             fewer are there; the alarm is set to {limit}"
        )
    })
}

/// What a comparison of two backups tells.
#[derive(Debug, Default)]
pub struct Compared {
    /// What is an alarm, in words.
    pub alarms: Vec<String>,
    /// The accounts and groups that came and went.
    pub accounts: AccountChanges,
}

/// What happened to privileged groups, nested ones as well, and to the keys of the domain, as far as
/// the rule asks for it; and how many accounts came and went.
///
/// # Errors
/// If one of the directories cannot be read.
pub fn compare(
    rule: &AlarmRule,
    before: &dyn Source,
    after: &dyn Source,
    report: &dyn Report,
) -> Result<Compared, backup::Error> {
    let mut groups = privileged(before, rule)?;
    groups.extend(privileged(after, rule)?);
    // An object that has none of these is left out: a class every object has.
    let attributes = [
        "objectclass",
        "member",
        "primarygroupid",
        "pwdlastset",
        "unicodepwd",
    ];
    let options = Options {
        attributes: attributes.map(str::to_owned).into(),
        deleted: true,
        ..Options::default()
    };
    let both = [before.estimated_objects()?, after.estimated_objects()?];
    let bar = report.count(both.into_iter().flatten().sum());
    bar.item("comparing objects");
    let comparison = Comparison::watched(before, after, options, &|| bar.advance(1));
    drop(bar);
    let comparison = comparison.map_err(of_comparison)?;
    let mut alarms = Vec::new();
    let mut accounts = AccountChanges::default();
    for change in comparison.changes() {
        let change = change.map_err(of_comparison)?;
        accounts.count(&change);
        if rule.krbtgt && is_krbtgt(&change) {
            alarms.extend(of_krbtgt(&change));
        }
        if rule.privileged_groups {
            alarms.extend(of_group(&change, &groups));
            alarms.extend(of_primary_group(&change));
        }
    }
    let more = alarms.len().saturating_sub(TOLD);
    alarms.truncate(TOLD);
    if more > 0 {
        alarms.push(format!("and {more} more changes of privileged groups"));
    }
    if let Some(limit) = rule.deleted_users
        && accounts.users.deleted > limit
    {
        alarms.push(format!(
            "{} users were deleted; the alarm is set to {limit}",
            accounts.users.deleted
        ));
    }
    Ok(Compared { alarms, accounts })
}

fn of_comparison(error: comparison::Error) -> backup::Error {
    match error {
        comparison::Error::Source(error) => error.into(),
        error => backup::Error::Refused(error.to_string()),
    }
}

/// The privileged groups of a directory and all groups in them, with the names of the former.
fn privileged(
    source: &dyn Source,
    rule: &AlarmRule,
) -> Result<HashMap<Guid, String>, objects::Error> {
    let mut found = HashMap::new();
    if !rule.privileged_groups {
        return Ok(found);
    }
    let wanted = Wanted::only(["objectClass", "member", "sAMAccountName"]);
    let mut waiting: Vec<(ObjectId, Option<String>)> = Vec::new();
    for id in seeds(source, rule)? {
        waiting.push((id, None));
    }
    let mut seen = HashSet::new();
    while let Some((id, inside)) = waiting.pop() {
        if !seen.insert(id) {
            continue;
        }
        let Some(entry) = source.entry(id, &wanted)? else {
            continue;
        };
        let (true, Some(guid)) = (entry.classes().any(|class| class == "group"), entry.guid) else {
            continue;
        };
        let own = entry.text("sAMAccountName").unwrap_or(&entry.dn).to_owned();
        let outer = inside.unwrap_or_else(|| own.clone());
        for member in entry.values("member") {
            let Value::Name(member) = member else {
                continue;
            };
            let lookup = match member.guid {
                Some(guid) => source.find(&Lookup::Guid(guid))?,
                None => source.find(&Lookup::Dn(&member.dn))?,
            };
            waiting.extend(lookup.into_iter().map(|id| (id, Some(outer.clone()))));
        }
        found.insert(guid, outer);
    }
    Ok(found)
}

/// The privileged groups themselves, as far as the directory has them.
fn seeds(source: &dyn Source, rule: &AlarmRule) -> Result<Vec<ObjectId>, objects::Error> {
    let facts = source.facts();
    let domains = [&facts.default_naming_context, &facts.root_domain];
    let domains = domains
        .into_iter()
        .flatten()
        .filter_map(|domain| domain.sid.as_ref());
    let of_domains = domains.flat_map(|domain| OF_DOMAIN.map(|relative| domain.with(relative)));
    let built_in = BUILT_IN.map(|relative| format!("S-1-5-32-{relative}").parse::<Sid>().ok());
    let mut found = Vec::new();
    for sid in of_domains.chain(built_in).flatten() {
        found.extend(source.find(&Lookup::Sid(&sid))?);
    }
    for name in &rule.groups {
        found.extend(match name.parse::<Sid>() {
            Ok(sid) => source.find(&Lookup::Sid(&sid))?,
            Err(_) => source.find(&Lookup::Account(name))?,
        });
    }
    Ok(found)
}

/// The domain's own account, which even a deleted object would be.
fn is_krbtgt(change: &ObjectChange) -> bool {
    let sid = change.identity().and_then(|identity| identity.sid.as_ref());
    sid.and_then(Sid::relative_in_domain) == Some(KRBTGT)
}

fn of_krbtgt(change: &ObjectChange) -> Option<String> {
    let names: Vec<&str> = (change.attributes.iter())
        .map(|attribute| &*attribute.attribute.name)
        .filter(|name| ["pwdLastSet", "unicodePwd"].contains(name))
        .collect();
    if names.is_empty() {
        return None;
    }
    let stamps = change
        .attributes
        .iter()
        .filter_map(|attribute| attribute.after.as_ref());
    let when = stamps.map(|stamp| stamp.changed).max();
    Some(format!(
        "krbtgt changed: the key that signs all tickets of the domain was set anew{} ({})",
        when.map_or_else(String::new, |time| format!(" at {time}")),
        names.join(", ")
    ))
}

/// The members that came to a privileged group, or to a group in one, and those that went.
fn of_group(change: &ObjectChange, groups: &HashMap<Guid, String>) -> Option<String> {
    let outer = groups.get(&change.guid)?;
    let [removed, added] = (change.attributes.iter())
        .find(|attribute| attribute.attribute.name.eq_ignore_ascii_case("member"))
        .map(values)?;
    let list = |word: &str, values: &[ValueChange]| {
        let names: Vec<String> = values.iter().map(named).collect();
        (!names.is_empty()).then(|| format!("{word}: {}", names.join("; ")))
    };
    let lists: Vec<String> = [list("added", added), list("removed", removed)]
        .into_iter()
        .flatten()
        .collect();
    if lists.is_empty() {
        return None;
    }
    let name = change.dn();
    Some(format!(
        "privileged group {outer} changed: members of {name} were {}",
        lists.join("; ")
    ))
}

/// A member by its primary group is no value of `member`.
fn of_primary_group(change: &ObjectChange) -> Option<String> {
    let [removed, added] = (change.attributes.iter())
        .find(|attribute| {
            attribute
                .attribute
                .name
                .eq_ignore_ascii_case("primaryGroupID")
        })
        .map(values)?;
    let is_privileged = |change: &ValueChange| match &change.value {
        Value::Integer(number) => OF_DOMAIN.iter().any(|known| i64::from(*known) == *number),
        _ => false,
    };
    let (came, went) = (
        added.iter().any(is_privileged),
        removed.iter().any(is_privileged),
    );
    let what = match (came, went) {
        (false, false) => return None,
        (true, _) => "is now a privileged one",
        (false, true) => "is no privileged one any more",
    };
    Some(format!(
        "privileged group changed: the primary group of {} {what} ({} before, {} now)",
        change.dn(),
        numbers(removed),
        numbers(added)
    ))
}

fn values(attribute: &AttributeChange) -> [&[ValueChange]; 2] {
    match &attribute.change {
        Change::Values { removed, added } => [removed, added],
        _ => [&[], &[]],
    }
}

fn named(change: &ValueChange) -> String {
    let when = |stamp: &Option<Stamp>| stamp.as_ref().map(|stamp| format!(" ({})", stamp.changed));
    let time = when(&change.after).or_else(|| when(&change.before));
    let name = match &change.value {
        Value::Name(reference) => reference.dn.to_string(),
        _ => "?".to_owned(),
    };
    name + &time.unwrap_or_default()
}

fn numbers(changes: &[ValueChange]) -> String {
    let numbers = changes.iter().filter_map(|change| match change.value {
        Value::Integer(number) => Some(number.to_string()),
        _ => None,
    });
    let numbers: Vec<String> = numbers.collect();
    match numbers.is_empty() {
        true => "none".into(),
        false => numbers.join(", "),
    }
}
