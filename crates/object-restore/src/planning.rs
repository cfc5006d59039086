//! The plan, from the backup and the running directory.

use std::collections::{BTreeMap, HashMap, HashSet};

use ids::Guid;
use objects::{Entry, Lookup, Scope, Source, State, Value, Wanted, dn};

use crate::attributes::left_out;
use crate::clash;
use crate::error::{Error, Result};
use crate::pair::{Difference, Pair};
use crate::plan::{Action, Left, LinkChange, ObjectPlan, Obstacle, PasswordPlan, Plan, Planned};
use crate::policies::{self, is_policy};
use crate::request::Password;
use crate::watch::Watch;

/// Objects that are read at once.
const AT_ONCE: usize = 200;

/// Relative identifiers beneath this one are the system's.
const FIRST_OF_USERS: u32 = 1000;
/// Bits of userAccountControl: accounts of domain controllers, writable and read-only.
const DOMAIN_CONTROLLER: i64 = 0x2000 | 0x0400_0000;

/// Why an object of the configuration stays as it is.
const ONLY_BY_NAME: &str = "it is in the forest's configuration, of which only single attributes \
                            come back: name them with --attributes";

/// Makes the plan. Nothing is written.
///
/// # Errors
/// Where a directory cannot be read, and [`Error::Refused`] where both are not of one domain.
pub fn plan(pair: &Pair<'_>, watch: &dyn Watch) -> Result<(Plan, Vec<Planned>)> {
    check_domain(pair)?;
    let mut plan = Plan::default();
    watch.begin("objects of the backup are read", 0);
    let wanted = selected(pair, &mut plan, watch)?;
    pair.expect(wanted.iter().filter_map(|entry| entry.guid));
    adopt_made(pair, &wanted)?;
    let mut names: HashMap<Guid, String> = HashMap::new();
    let mut planned = Vec::new();
    let mut links = BTreeMap::new();
    watch.begin("the plan is made", wanted.len());
    let mut wanted = wanted.into_iter().peekable();
    while wanted.peek().is_some() {
        let lot: Vec<Entry> = wanted.by_ref().take(AT_ONCE).collect();
        let guids: Vec<Guid> = lot.iter().filter_map(|entry| entry.guid).collect();
        let mut present = pair.present_of(&guids)?;
        watch.done(lot.len());
        for entry in lot {
            let Some(guid) = entry.guid else { continue };
            let Some(name) = target(pair, &entry, &names, &mut plan)? else {
                continue;
            };
            names.insert(guid, name.clone());
            let present = present.remove(&guid);
            let (object, found) = object(pair, &entry, name, present, &mut plan)?;
            for link in found {
                links.insert(key(&link), link);
            }
            planned.push(Planned {
                wanted: entry,
                plan: object,
            });
        }
    }
    plan.links = links.into_values().collect();
    let restored = planned.iter().map(|one| &one.wanted);
    let restored: Vec<&Entry> = restored.filter(|entry| is_policy(entry)).collect();
    let holders = policies::links(pair, &restored, &planned)?;
    planned.extend(holders);
    clash::check(pair, &mut planned, &mut plan)?;
    plan.objects = planned.iter().map(|planned| planned.plan.clone()).collect();
    Ok((plan, planned))
}

/// What makes a link the same, seen from either end.
pub fn key(link: &LinkChange) -> ([u8; 16], String, Vec<u8>, bool) {
    let name = link.attribute.name.to_ascii_lowercase();
    let value = link.value.canonical().into_owned();
    (link.holder.0, name, value, link.comes)
}

/// Refuses a server that takes no changes, and one of another domain.
fn check_domain(pair: &Pair<'_>) -> Result<()> {
    if pair.live.is_read_only() {
        return Err(Error::Refused(
            "the server is a read-only domain controller, which takes no changes: name another one"
                .into(),
        ));
    }
    let head = |facts: &objects::Facts| facts.default_naming_context.clone();
    let heads = [head(pair.source.facts()), head(pair.live.facts())];
    match &heads {
        [Some(one), Some(other)] if one == other => Ok(()),
        _ => {
            let [one, other] = heads.map(|head| head.map_or("no domain".into(), |head| head.dn));
            Err(Error::Refused(format!(
                "the backup is of {one}, the server of {other}, another domain: objects come back \
                 only into their own"
            )))
        }
    }
}

/// The objects of the backup that are asked for, parents before their children.
fn selected(pair: &Pair<'_>, plan: &mut Plan, watch: &dyn Watch) -> Result<Vec<Entry>> {
    let everything = Wanted {
        deleted: false,
        ..Wanted::everything()
    };
    let mut seen = HashSet::new();
    let mut entries = Vec::new();
    for guid in &pair.request.objects {
        let found = pair.source.find(&Lookup::Guid(*guid))?;
        let id = found.first().ok_or_else(|| {
            Error::Refused(format!(
                "{guid}: the backup has no object with this objectGUID"
            ))
        })?;
        let named = pair.source.entry(*id, &everything)?;
        let scope = match pair.request.subtree || named.as_ref().is_some_and(is_policy) {
            true => Scope::Subtree,
            false => Scope::Base,
        };
        for entry in pair.source.scan(*id, scope, &everything)? {
            let entry = entry?;
            watch.done(1);
            if entry.state.is_deleted() {
                return Err(Error::Refused(format!(
                    "{}: it is deleted in this backup: choose an earlier one",
                    entry.dn
                )));
            }
            let class = entry.class().unwrap_or_default().to_ascii_lowercase();
            let of_forest = || is_of_forest(pair, &entry).then_some(ONLY_BY_NAME);
            match left_out(&class).or_else(of_forest) {
                Some(reason) => plan.left_out.push(Left {
                    what: entry.dn.to_string(),
                    reason: reason.into(),
                }),
                None if entry.guid.is_some_and(|guid| seen.insert(guid)) => entries.push(entry),
                None => {}
            }
        }
    }
    let mut filters = Vec::new();
    for policy in entries.iter().filter(|entry| is_policy(entry)) {
        let filter = policies::lost_filter(pair, policy)?;
        filters.extend(filter.filter(|filter| filter.guid.is_some_and(|guid| seen.insert(guid))));
    }
    entries.extend(filters);
    // Filters come before the policies that name them.
    entries.sort_by_key(|entry| (depth(&entry.dn), is_policy(entry)));
    Ok(entries)
}

/// Whether an object is in the forest's configuration, and not single attributes are asked for.
fn is_of_forest(pair: &Pair<'_>, entry: &Entry) -> bool {
    let head = pair.source.facts().configuration.as_ref();
    let is_within = |head: &str| {
        let names = dn::fold(&entry.dn).zip(dn::fold(head));
        names.is_some_and(|(name, head)| name.ends_with(&head))
    };
    pair.request.attributes.is_empty() && head.is_some_and(|head| is_within(&head.dn))
}

fn depth(name: &str) -> usize {
    dn::parse(name).map_or(0, |parts| parts.len())
}

/// Objects that an earlier run made just before it ended, and did not note.
fn adopt_made(pair: &Pair<'_>, wanted: &[Entry]) -> Result<()> {
    let perhaps: Vec<(Guid, String)> = {
        let history = pair.history.borrow();
        let made = wanted.iter().filter_map(|entry| entry.guid);
        made.filter_map(|guid| Some((guid, history.perhaps_made.get(&guid)?.clone())))
            .collect()
    };
    for (guid, name) in perhaps {
        for id in pair.live.find(&Lookup::Dn(&name))? {
            let found = pair.live.entry(id, &Wanted::names())?;
            if let Some(now) = found.and_then(|entry| entry.guid) {
                pair.history.borrow_mut().now.insert(guid, now);
                pair.expect([now]);
            }
        }
    }
    Ok(())
}

/// The name that an object gets; `None`, with an obstacle, where there is no place for it.
fn target(
    pair: &Pair<'_>,
    entry: &Entry,
    names: &HashMap<Guid, String>,
    plan: &mut Plan,
) -> Result<Option<String>> {
    let own = dn::rdn(&entry.dn);
    let above = pair.above(entry)?;
    if let Some(above) = above.and_then(|above| names.get(&above)) {
        return Ok(Some(format!("{own},{above}")));
    }
    if let Some(into) = &pair.request.into {
        return Ok(Some(format!("{own},{into}")));
    }
    let living = match above {
        Some(above) => pair.living(above)?,
        None => None,
    };
    if let Some(above) = living {
        return Ok(Some(format!("{own},{above}")));
    }
    plan.obstacles.push(Obstacle {
        dn: entry.dn.to_string(),
        reason: format!(
            "{}, which was above it, does not live any more: name that as well, or another place \
             with --into",
            dn::parent(&entry.dn).unwrap_or_default()
        ),
        yields_to_force: false,
    });
    Ok(None)
}

fn object(
    pair: &Pair<'_>,
    entry: &Entry,
    name: String,
    present: Option<Entry>,
    plan: &mut Plan,
) -> Result<(ObjectPlan, Vec<LinkChange>)> {
    let guid = entry.guid.unwrap_or_default();
    let came_back = pair.history.borrow().came_back.contains(&guid);
    let is_restricted = !pair.request.attributes.is_empty();
    let action = match &present {
        Some(found) => action(pair, found, &name),
        None => Action::Create {
            keeps_identity: pair.request.privileged,
        },
    };
    let is_there = matches!(action, Action::Stay | Action::Move { .. });
    let comes_back = !is_there || came_back;
    let mut object = ObjectPlan {
        guid,
        class: entry.class().unwrap_or_default().to_owned(),
        is_account: entry.value("userAccountControl").is_some(),
        password: PasswordPlan::Untouched,
        values: Vec::new(),
        left: Vec::new(),
        files: None,
        only: None,
        comes_back,
        action,
        dn: name,
    };
    object.password = password(pair, &object);
    if is_restricted && !is_there {
        plan.obstacles.push(Obstacle {
            dn: object.dn.clone(),
            reason: "it is deleted: to bring it back whole, leave out --attributes".into(),
            yields_to_force: false,
        });
    }
    if let Some(reason) = reserved(entry) {
        plan.obstacles.push(Obstacle {
            dn: object.dn.clone(),
            reason: format!("{reason}: to restore it all the same, say --force"),
            yields_to_force: true,
        });
    }
    let is_in_bin = |entry: &Entry| entry.state == State::InRecycleBin;
    if present.as_ref().is_some_and(is_in_bin) && pair.live.is_samba() && !pair.request.privileged {
        plan.obstacles.push(Obstacle {
            dn: object.dn.clone(),
            reason: "it is in the Recycle Bin, from which Samba lets nobody take it over the \
                     network: run the command on the domain controller, with --in-place"
                .into(),
            yields_to_force: false,
        });
    }
    let difference = match present.filter(|_| !matches!(object.action, Action::Create { .. })) {
        Some(present) => pair.difference(entry, &present, comes_back)?,
        None => pair.difference(entry, &nothing_of(entry), true)?,
    };
    let links = describe(pair, entry, &mut object, difference);
    if is_policy(entry) && !is_restricted {
        match policies::files(pair, entry) {
            Ok(files) => object.files = files,
            Err(reason) => object.left.push(Left {
                what: "files in SYSVOL".into(),
                reason,
            }),
        }
    }
    Ok((object, links))
}

/// An object without attributes in the place of one that is made anew.
fn nothing_of(entry: &Entry) -> Entry {
    Entry {
        attributes: Vec::new(),
        links: Vec::new(),
        metadata: Vec::new(),
        ..entry.clone()
    }
}

/// Notes the difference in the plan of an object, and returns its links.
fn describe(
    pair: &Pair<'_>,
    entry: &Entry,
    object: &mut ObjectPlan,
    difference: Difference,
) -> Vec<LinkChange> {
    object.values = difference.values;
    object.values.extend(difference.primary_group);
    object.values.extend(difference.last);
    object.left = difference.left;
    let mut leave = |what: &str, reason: &str| {
        object.left.push(Left {
            what: what.into(),
            reason: reason.into(),
        });
    };
    match object.action {
        Action::Create {
            keeps_identity: false,
        } => leave(
            "objectGUID, objectSid",
            "there is no tombstone any more: the object is made anew with other ones, and \
             permissions that were given to it elsewhere are lost",
        ),
        Action::ReanimateInSteps { .. } if pair.local().is_none() => leave(
            "sAMAccountType",
            "Samba's socket does not set it, and searches by it do not find the object",
        ),
        _ => {}
    }
    if object.comes_back && object.class.eq_ignore_ascii_case("dnsZone") {
        leave(
            "its answers",
            "a DNS server that runs may know the zone only after a restart",
        );
    }
    match object.password {
        PasswordPlan::Lost if pair.request.privileged => {
            leave("password", "--password none: the account stays disabled");
        }
        PasswordPlan::Lost => leave(
            "password",
            "a server takes no hashes over the network: the account stays disabled until somebody \
             sets a password and enables it (or --password set; on a Samba domain controller \
             itself --in-place keeps it)",
        ),
        PasswordPlan::Set if entry.classes().any(|class| class == "computer") => leave(
            "password",
            "the computer does not know the new one: it has to join the domain again",
        ),
        _ => {}
    }
    difference.links
}

fn action(pair: &Pair<'_>, present: &Entry, name: &str) -> Action {
    let from = present.dn.to_string();
    match present.state {
        State::Live => {
            let counts = pair.request.attributes.is_empty()
                || pair.request.attributes.contains("name")
                || pair.request.attributes.contains("distinguishedname");
            match counts && dn::fold(&from) != dn::fold(name) {
                true => Action::Move { from },
                false if counts && dn::rdn(&from) != dn::rdn(name) => Action::Move { from },
                false => Action::Stay,
            }
        }
        State::Tombstone => Action::Reanimate {
            from,
            is_whole: false,
        },
        State::InRecycleBin if pair.live.is_samba() => Action::ReanimateInSteps { from },
        State::InRecycleBin => Action::Reanimate {
            from,
            is_whole: true,
        },
        State::Recycled => Action::Create {
            keeps_identity: false,
        },
    }
}

fn password(pair: &Pair<'_>, object: &ObjectPlan) -> PasswordPlan {
    if !object.is_account {
        return PasswordPlan::Untouched;
    }
    match pair.request.password {
        Password::Keep => PasswordPlan::Keep,
        _ if !object.has_no_password() => PasswordPlan::Untouched,
        Password::KeepOfDeleted => PasswordPlan::Keep,
        Password::Set => PasswordPlan::Set,
        Password::None => PasswordPlan::Lost,
    }
}

/// Why an object is the system's; `None` for one that is not.
fn reserved(entry: &Entry) -> Option<&'static str> {
    let rid = entry.sid.as_ref().and_then(last_number);
    let control = entry.value("userAccountControl").and_then(Value::integer);
    if rid.is_some_and(|rid| rid < FIRST_OF_USERS) {
        return Some("its SID is one of the system's own");
    }
    if control.is_some_and(|control| control & DOMAIN_CONTROLLER != 0) {
        return Some("it is the account of a domain controller");
    }
    let is_critical = entry.value("isCriticalSystemObject") == Some(&Value::Boolean(true));
    is_critical.then_some("the directory cannot work without it (isCriticalSystemObject)")
}

/// The last number of a SID.
fn last_number(sid: &objects::Sid) -> Option<u32> {
    let bytes = sid.to_bytes();
    Some(u32::from_le_bytes(*bytes.last_chunk()?))
}
