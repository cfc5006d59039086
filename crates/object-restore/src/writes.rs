//! Writes: what a step of the journal is to the server.

use std::collections::BTreeMap;

use ids::Guid;
use live::{Control, How, Modification, Operation};
use objects::{Entry, Source, Value, dn};
use zeroize::Zeroizing;

use crate::attributes::{DESCRIPTOR, Fate, fate};
use crate::journal::{Change, Effect, Octets};
use crate::pair::Pair;
use crate::plan::{Action, LinkChange, ObjectPlan, ValuesChange};
use crate::wire;

/// The bit of userAccountControl of a disabled account.
pub const DISABLED: i64 = 2;

/// When an account expires.
const EXPIRES: &str = "accountExpires";

/// The moment at which an account has long expired.
pub const EXPIRED: i64 = 1;

/// The most values in a request.
const MOST_VALUES: usize = 1000;

/// A value that nothing keeps after its use.
pub type Kept = Zeroizing<Vec<u8>>;

/// Passwords and keys of objects of the backup, as the server takes them.
pub type Secrets = std::collections::HashMap<Guid, Vec<(String, Vec<Kept>)>>;

/// A step, with the requests that carry it out.
pub struct Write {
    /// The object of the backup.
    pub object: Guid,
    /// Its name.
    pub dn: String,
    /// What the journal says of it.
    pub effect: Effect,
    /// The requests.
    pub requests: Requests,
}

/// Requests of a step.
pub enum Requests {
    /// One after another, until one is refused.
    All(Vec<(Operation, Vec<Control>)>),
    /// The first that the server takes.
    FirstOf(Vec<(Operation, Vec<Control>)>),
    /// An addition; without its attributes where the server refuses one of them.
    Add {
        /// The name.
        dn: String,
        /// What an object must have.
        least: Vec<(String, Vec<Kept>)>,
        /// What it has besides.
        more: Vec<(String, Vec<Kept>)>,
        /// Whether it gets the GUID and SID of before.
        keeps_identity: bool,
    },
    /// Parts of a modification of this object; each alone where the server refuses one of them.
    Parts(String, Vec<Part>),
}

/// A change that makes sense alone.
pub struct Part {
    /// The attribute.
    pub attribute: String,
    /// What becomes of which values.
    pub changes: Vec<(How, Vec<Kept>)>,
    /// What the server must know besides.
    pub with: Vec<Control>,
    /// What it is for.
    pub kind: PartKind,
}

/// What a part is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PartKind {
    /// Anything.
    Plain,
    /// A password.
    Password,
    /// The account may be used again.
    Enable,
}

/// The server's name for an object.
pub fn by_guid(guid: Guid) -> String {
    format!("<GUID={guid}>")
}

/// The bytes of a value.
pub fn kept(bytes: impl Into<Vec<u8>>) -> Kept {
    Zeroizing::new(bytes.into())
}

fn octets(values: &[Value]) -> Vec<Kept> {
    values.iter().filter_map(wire::value).map(kept).collect()
}

fn for_journal(values: &[Value]) -> Vec<Octets> {
    values.iter().filter_map(wire::value).map(Octets).collect()
}

/// Brings an object to its place; `None` where it is there.
pub fn place(pair: &Pair<'_>, wanted: &Entry, plan: &ObjectPlan) -> Option<Write> {
    let object = by_guid(pair.now(plan.guid));
    let (effect, requests) = match &plan.action {
        Action::Stay => return None,
        Action::Move { from } => (
            Effect::Move { from: from.clone() },
            Requests::All(vec![(rename(object, &plan.dn), Vec::new())]),
        ),
        Action::Reanimate { from, is_whole } => {
            let mut changes = vec![
                modification(How::Delete, "isDeleted", Vec::new()),
                modification(How::Replace, "distinguishedName", vec![kept(&*plan.dn)]),
            ];
            // Samba brings an account back enabled, without a password, and takes no other
            // userAccountControl in this request: it has expired until it is complete.
            let is_expired = plan.is_account && !is_whole && pair.live.is_samba();
            if is_expired {
                let expired = vec![kept(EXPIRED.to_string())];
                changes.push(modification(How::Replace, EXPIRES, expired));
            }
            // Over the network Samba 4.17 does not find a deleted object by its GUID for this
            // request: operations error.
            let object = match pair.live.is_samba() {
                true => from.clone(),
                false => object,
            };
            let with = || vec![Control::Deleted];
            // Samba refuses an object without what its class must have. The rest may come along.
            let values: Vec<&ValuesChange> = match plan.is_account && !is_expired {
                true => Vec::new(),
                false => first_values(pair, plan)
                    .filter(|change| !(is_expired && expires(change)))
                    .collect(),
            };
            let more = values.iter().flat_map(|change| {
                let part = part(change);
                let changes = part.changes.into_iter();
                changes.map(move |(how, values)| modification(how, &part.attribute, values))
            });
            let whole: Vec<Modification> = changes.iter().map(again).chain(more).collect();
            let mut requests = Vec::new();
            if !values.is_empty() {
                let object = object.clone();
                let changes = whole;
                requests.push((Operation::Modify { object, changes }, with()));
            }
            requests.push((Operation::Modify { object, changes }, with()));
            (
                Effect::Reanimate {
                    from: from.clone(),
                    changes: values.into_iter().map(for_changes).collect(),
                },
                Requests::FirstOf(requests),
            )
        }
        Action::ReanimateInSteps { from } => {
            let category = octets(wanted.values("objectCategory"));
            let changes = vec![
                modification(How::Delete, "isDeleted", Vec::new()),
                modification(How::Replace, "objectCategory", category),
            ];
            let modify = Operation::Modify { object, changes };
            let with = || vec![Control::Deleted, Control::Relax];
            // Samba finds a deleted object by its GUID for any change but this one.
            let steps = vec![(rename(from.clone(), &plan.dn), with()), (modify, with())];
            (
                Effect::Reanimate {
                    from: from.clone(),
                    changes: Vec::new(),
                },
                Requests::All(steps),
            )
        }
        Action::Create { keeps_identity } => {
            (Effect::Create, add(pair, wanted, plan, *keeps_identity))
        }
    };
    Some(Write {
        object: plan.guid,
        dn: plan.dn.clone(),
        effect,
        requests,
    })
}

/// Whether a change is of the time at which an account expires.
pub fn expires(change: &ValuesChange) -> bool {
    change.attribute.name.eq_ignore_ascii_case(EXPIRES)
}

/// The values of a plan that are written first.
fn first_values<'c>(
    pair: &Pair<'_>,
    plan: &'c ObjectPlan,
) -> impl Iterator<Item = &'c ValuesChange> {
    let writer = pair.writer();
    plan.values.iter().filter(move |change| {
        fate(&change.attribute.name.to_ascii_lowercase(), writer, true) == Fate::First
    })
}

fn again(change: &Modification) -> Modification {
    modification(change.how, &change.attribute, change.values.clone())
}

fn rename(object: String, name: &str) -> Operation {
    Operation::Rename {
        object,
        rdn: dn::rdn(name).to_owned(),
        parent: dn::parent(name).unwrap_or_default().to_owned(),
    }
}

fn modification(how: How, attribute: &str, values: Vec<Kept>) -> Modification {
    Modification {
        how,
        attribute: attribute.to_owned(),
        values,
    }
}

fn add(pair: &Pair<'_>, wanted: &Entry, plan: &ObjectPlan, keeps_identity: bool) -> Requests {
    let classes = wanted.classes().map(kept).collect();
    let mut least = vec![("objectClass".to_owned(), classes)];
    for name in ["sAMAccountName", "groupType"] {
        let values = octets(wanted.values(name));
        if !values.is_empty() {
            least.push((name.to_owned(), values));
        }
    }
    if let Some(control) = wanted.value("userAccountControl").and_then(Value::integer) {
        let disabled = kept((control | DISABLED).to_string());
        least.push(("userAccountControl".to_owned(), vec![disabled]));
    }
    if keeps_identity {
        least.push(("objectGUID".to_owned(), vec![kept(plan.guid.0)]));
        if let Some(sid) = &wanted.sid {
            least.push(("objectSid".to_owned(), vec![kept(sid.to_bytes())]));
        }
    }
    let naming = dn::rdn(&plan.dn).split_once('=').map(|(kind, _)| kind);
    let mut more = Vec::new();
    for attribute in &wanted.attributes {
        let name = attribute.schema.name.to_ascii_lowercase();
        let schema = pair.live.schema().attribute(&name);
        let is_plain = schema.is_some_and(|schema| {
            !schema.is_secret && schema.link_id.is_none() && !schema.is_constructed()
        });
        let is_own = matches!(name.as_str(), "name" | "cn" | "whencreated")
            || naming.is_some_and(|naming| naming.eq_ignore_ascii_case(&name))
            || least
                .iter()
                .any(|(least, _)| least.eq_ignore_ascii_case(&name));
        // What is each server's own does not count for a comparison either.
        let is_first = fate(&name, pair.writer(), true) == Fate::First
            && plan
                .values
                .iter()
                .any(|change| change.attribute.name == attribute.schema.name);
        if is_plain && !is_own && is_first {
            more.push((attribute.schema.name.to_string(), octets(&attribute.values)));
        }
    }
    Requests::Add {
        dn: plan.dn.clone(),
        least,
        more,
        keeps_identity,
    }
}

/// Writes values; `None` where there are none.
pub fn values(pair: &Pair<'_>, plan: &ObjectPlan, changes: &[ValuesChange]) -> Option<Write> {
    let parts: Vec<Part> = changes.iter().map(part).collect();
    write(
        plan.guid,
        &plan.dn,
        pair.now(plan.guid),
        parts,
        changes.iter().map(for_changes).collect(),
    )
}

fn for_changes(change: &ValuesChange) -> Change {
    Change {
        attribute: change.attribute.name.to_string(),
        removed: for_journal(&change.removed),
        added: for_journal(&change.added),
        withheld: None,
    }
}

fn part(change: &ValuesChange) -> Part {
    let (removed, added) = (octets(&change.removed), octets(&change.added));
    Part {
        attribute: change.attribute.name.to_string(),
        changes: match change.attribute.is_single_valued {
            true => vec![(How::Replace, added)],
            false => [(How::Delete, removed), (How::Add, added)]
                .into_iter()
                .filter(|(_, values)| !values.is_empty())
                .collect(),
        },
        with: Vec::new(),
        kind: PartKind::Plain,
    }
}

fn write(
    object: Guid,
    dn: &str,
    now: Guid,
    parts: Vec<Part>,
    changes: Vec<Change>,
) -> Option<Write> {
    (!parts.is_empty()).then(|| Write {
        object,
        dn: dn.to_owned(),
        effect: Effect::Modify { changes },
        requests: Requests::Parts(by_guid(now), parts),
    })
}

/// Writes links, each value a part, in requests of a bounded number of values.
pub fn links(pair: &Pair<'_>, links: Vec<LinkChange>) -> Vec<Write> {
    let mut of: BTreeMap<([u8; 16], String), Vec<LinkChange>> = BTreeMap::new();
    for link in links {
        let attribute = link.attribute.name.to_ascii_lowercase();
        of.entry((link.holder.0, attribute)).or_default().push(link);
    }
    let mut writes = Vec::new();
    for mut links in of.into_values() {
        let is_single = links.iter().any(|link| link.attribute.is_single_valued);
        links.sort_by_key(|link| link.comes);
        // One that comes takes the place of the other.
        let is_replaced = is_single && links.iter().any(|link| link.comes);
        for chunk in links.chunks(MOST_VALUES) {
            let Some(first) = chunk.first() else { continue };
            let mut change = Change {
                attribute: first.attribute.name.to_string(),
                removed: Vec::new(),
                added: Vec::new(),
                withheld: None,
            };
            let mut parts = Vec::new();
            for link in chunk {
                let how = match (link.comes, is_single) {
                    (true, true) => How::Replace,
                    (true, false) => How::Add,
                    (false, _) => How::Delete,
                };
                let values = octets(std::slice::from_ref(&link.value));
                let noted = values.iter().map(|value| Octets(value.to_vec()));
                match link.comes {
                    true => change.added.extend(noted),
                    false => change.removed.extend(noted),
                }
                if is_replaced && !link.comes {
                    continue;
                }
                parts.push(Part {
                    attribute: link.attribute.name.to_string(),
                    changes: vec![(how, values)],
                    with: Vec::new(),
                    kind: PartKind::Plain,
                });
            }
            let holder = pair.now(first.holder);
            writes.extend(write(holder, &first.holder_dn, holder, parts, vec![change]));
        }
    }
    writes
}

/// What an account and its descriptor get last.
pub struct Last<'l> {
    /// The object of the backup.
    pub wanted: &'l Entry,
    /// Its plan.
    pub plan: &'l ObjectPlan,
    /// The descriptor, and whether the account is enabled.
    pub changes: Vec<ValuesChange>,
    /// The passwords of the backup.
    pub secrets: &'l Secrets,
    /// The new password.
    pub new_password: Option<&'l Zeroizing<String>>,
}

/// Completes an object: its password, whether it is enabled, its security descriptor.
pub fn last(pair: &Pair<'_>, last: Last<'_>) -> Option<Write> {
    use crate::plan::PasswordPlan;
    let (mut parts, mut changes) = (Vec::new(), Vec::new());
    let mut password = |attribute: &str, values: Vec<Kept>, with: Vec<Control>, is_secret: bool| {
        changes.push(Change {
            attribute: attribute.to_owned(),
            removed: Vec::new(),
            added: match is_secret {
                true => Vec::new(),
                false => values.iter().map(|value| Octets(value.to_vec())).collect(),
            },
            withheld: is_secret.then(|| values.iter().map(|value| value.len()).sum()),
        });
        parts.push(Part {
            attribute: attribute.to_owned(),
            changes: vec![(How::Replace, values)],
            with,
            kind: PartKind::Password,
        });
    };
    match (last.plan.password, last.new_password) {
        (PasswordPlan::Keep, _) => {
            let secrets = last.secrets.get(&last.plan.guid);
            for (name, values) in secrets.into_iter().flatten() {
                password(name, values.clone(), vec![Control::PasswordHashes], true);
            }
            let set = octets(last.wanted.values("pwdLastSet"));
            if !set.is_empty() {
                password("pwdLastSet", set, vec![Control::PasswordHashes], false);
            }
        }
        (PasswordPlan::Set, Some(new)) => {
            let quoted = format!("\"{}\"", new.as_str());
            let units = quoted.encode_utf16().flat_map(u16::to_le_bytes);
            password(
                "unicodePwd",
                vec![kept(units.collect::<Vec<u8>>())],
                Vec::new(),
                true,
            );
            password("pwdLastSet", vec![kept("0")], Vec::new(), false);
        }
        _ => {}
    }
    for mut change in last.changes {
        let is_control = change
            .attribute
            .name
            .eq_ignore_ascii_case("userAccountControl");
        if is_control && last.plan.password == PasswordPlan::Lost {
            for value in &mut change.added {
                if let Value::Integer(control) = value {
                    *control |= DISABLED;
                }
            }
            if change.added == change.removed {
                continue;
            }
        }
        changes.push(for_changes(&change));
        let mut part = part(&change);
        if is_control || expires(&change) {
            part.kind = PartKind::Enable;
        }
        if part.attribute.eq_ignore_ascii_case(DESCRIPTOR) {
            part.with.push(Control::WholeDescriptor);
        }
        parts.push(part);
    }
    write(
        last.plan.guid,
        &last.plan.dn,
        pair.now(last.plan.guid),
        parts,
        changes,
    )
}

/// Changes an object, and takes that back: its last change is then newer than any before.
pub fn touch(pair: &Pair<'_>, plan: &ObjectPlan) -> Write {
    /// Any object may have it, and any number of values.
    const ATTRIBUTE: &str = "extensionName";
    const VALUE: &str = "restored by dsbackup";
    let modify = |how| Operation::Modify {
        object: by_guid(pair.now(plan.guid)),
        changes: vec![modification(how, ATTRIBUTE, vec![kept(VALUE)])],
    };
    let (comes, goes) = (modify(How::Add), modify(How::Delete));
    Write {
        object: plan.guid,
        dn: plan.dn.clone(),
        effect: Effect::Modify {
            changes: vec![Change {
                attribute: ATTRIBUTE.to_owned(),
                removed: Vec::new(),
                added: vec![Octets(VALUE.into())],
                withheld: None,
            }],
        },
        requests: Requests::All(vec![(comes, Vec::new()), (goes, Vec::new())]),
    }
}

/// All parts as one modification.
pub fn together(object: &str, parts: &[Part]) -> (Operation, Vec<Control>) {
    let mut changes: Vec<Modification> = Vec::new();
    let mut with: Vec<Control> = Vec::new();
    for part in parts {
        for (how, values) in &part.changes {
            let same = changes.iter_mut().find(|change| {
                change.how == *how && *how != How::Replace && change.attribute == part.attribute
            });
            match same {
                Some(change) => change.values.extend(values.iter().cloned()),
                None => changes.push(modification(*how, &part.attribute, values.clone())),
            }
        }
        for control in &part.with {
            if !with.contains(control) {
                with.push(*control);
            }
        }
    }
    let object = object.to_owned();
    (Operation::Modify { object, changes }, with)
}
