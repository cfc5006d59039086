//! The plan, carried out.
//!
//! ```text
//! places (parents first) ─▶ values ─▶ primary groups ─▶ links ─▶ passwords, descriptors ─▶ check
//! ```
//!
//! Before each pass objects are read again, so that a run that goes on after a crash writes only
//! what is missing.

use std::collections::{BTreeMap, HashSet};

use ids::Guid;
use live::{How, Live};
use objects::{Entry, Lookup, Source, Value, Wanted};
use zeroize::Zeroizing;

use crate::check;
use crate::error::Result;
use crate::journal::{Journal, Record, Step};
use crate::pair::{Difference, Pair};
use crate::plan::{Left, LinkChange, Planned, ValuesChange};
use crate::planning::key;
use crate::writes::{self, Last, Part, PartKind, Requests, Secrets, Write, together};

/// Writes whose records are made durable at once.
const AT_ONCE: usize = 64;

/// LDAP's result code for a value that is there already.
const VALUE_EXISTS: [u32; 2] = [20, 68];

/// What a run needs besides the plan.
pub struct Means<'m> {
    /// The passwords of the backup, of those objects that keep them.
    pub secrets: &'m Secrets,
    /// The new password of those that get one.
    pub new_password: Option<&'m Zeroizing<String>>,
    /// Is told of each pass.
    pub tell: &'m dyn Fn(&str),
}

/// How a run ended.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// Writes that were made.
    pub writes: usize,
    /// What the server refused: the object, and its words.
    pub refused: Vec<Left>,
    /// What differs from the backup though it was to be brought back: the object, and its
    /// attributes.
    pub differing: Vec<Left>,
}

impl Outcome {
    /// Whether all that was planned is as it was.
    pub fn is_complete(&self) -> bool {
        self.refused.is_empty() && self.differing.is_empty()
    }
}

/// Carries out a plan, and compares the objects with the backup afterwards.
///
/// # Errors
/// Where the connection or the journal fails; the journal then tells a later run how far this one
/// came.
pub fn run(
    pair: &Pair<'_>,
    planned: &[Planned],
    journal: &mut Journal,
    means: &Means<'_>,
) -> Result<Outcome> {
    let mut run = Run {
        pair,
        journal,
        outcome: Outcome::default(),
        lost: HashSet::new(),
    };
    (means.tell)("objects come to their places");
    run.places(planned)?;
    (means.tell)("attributes are written");
    let found = run.values(planned)?;
    (means.tell)("links are written");
    let found = run.primary_groups(planned, found)?;
    run.links(found.iter().flat_map(|(_, found)| &found.links))?;
    (means.tell)("passwords and security descriptors are written");
    run.last(planned, found, means)?;
    (means.tell)("the objects are compared with the backup");
    let Run {
        mut outcome, lost, ..
    } = run;
    outcome.differing = check::compare(pair, planned, &lost)?;
    Ok(outcome)
}

struct Run<'r> {
    pair: &'r Pair<'r>,
    journal: &'r mut Journal,
    outcome: Outcome,
    /// Objects that did not come to their places.
    lost: HashSet<Guid>,
}

type Found = Vec<(Guid, Difference)>;

impl Run<'_> {
    fn places(&mut self, planned: &[Planned]) -> Result<()> {
        for lot in planned.chunks(AT_ONCE) {
            let writes = lot
                .iter()
                .filter_map(|planned| writes::place(self.pair, &planned.wanted, &planned.plan));
            let lost = self.carry_out(writes.collect())?;
            self.lost.extend(lost);
        }
        Ok(())
    }

    /// Writes values, and returns what else the objects lack.
    fn values(&mut self, planned: &[Planned]) -> Result<Found> {
        let mut found = Vec::new();
        for lot in planned.chunks(AT_ONCE) {
            let mut writes = Vec::new();
            for planned in lot {
                let plan = &planned.plan;
                if self.lost.contains(&plan.guid) {
                    continue;
                }
                let Some(present) = self.pair.present(plan.guid)? else {
                    continue;
                };
                let mut difference =
                    self.pair
                        .difference(&planned.wanted, &present, plan.comes_back)?;
                if plan.has_no_password() {
                    self.disable(planned, &present, &mut difference);
                }
                writes.extend(writes::values(self.pair, plan, &difference.values));
                found.push((plan.guid, difference));
            }
            self.carry_out(writes)?;
        }
        Ok(found)
    }

    /// Disables an account with the first values, and enables it with the last ones.
    fn disable(&self, planned: &Planned, present: &Entry, difference: &mut Difference) {
        const CONTROL: &str = "userAccountControl";
        let wanted = planned.wanted.value(CONTROL).and_then(Value::integer);
        let now = present.value(CONTROL).and_then(Value::integer);
        let Some((wanted, now)) = wanted.zip(now) else {
            return;
        };
        let Some(attribute) = self.pair.live.schema().attribute(CONTROL) else {
            return;
        };
        let disabled = wanted | writes::DISABLED;
        let change = |from: i64, to: i64| ValuesChange {
            attribute: attribute.clone(),
            removed: vec![Value::Integer(from)],
            added: vec![Value::Integer(to)],
        };
        if now & writes::DISABLED == 0 {
            difference.values.insert(0, change(now, disabled));
        }
        difference
            .last
            .retain(|change| !change.attribute.name.eq_ignore_ascii_case(CONTROL));
        if disabled != wanted {
            difference.last.push(change(disabled, wanted));
        }
    }

    /// Makes objects members of their primary groups, and then those groups primary: a server moves
    /// the links by itself. Objects concerned are read again.
    fn primary_groups(&mut self, planned: &[Planned], mut found: Found) -> Result<Found> {
        let domain = &self.pair.live.facts().default_naming_context;
        let domain = domain.as_ref().and_then(|head| head.sid.clone());
        let plans: BTreeMap<_, _> = planned.iter().map(|one| (one.plan.guid.0, one)).collect();
        for (guid, difference) in &mut found {
            let Some(change) = difference.primary_group.take() else {
                continue;
            };
            let Some(planned) = plans.get(&guid.0) else {
                continue;
            };
            let number = change.added.first().and_then(Value::integer);
            let number = number.and_then(|number| u32::try_from(number).ok());
            let sid = number.and_then(|number| domain.as_ref()?.with(number));
            let Some(sid) = sid else { continue };
            for id in self.pair.live.find(&Lookup::Sid(&sid))? {
                let group = self.pair.live.entry(id, &Wanted::names())?;
                let Some((holder, group)) = group.and_then(|group| Some((group.guid?, group)))
                else {
                    continue;
                };
                let member = self.pair.live.schema().attribute("member");
                let Some(attribute) = member.cloned() else {
                    continue;
                };
                let value = Value::Name(objects::Reference {
                    dn: planned.plan.dn.as_str().into(),
                    guid: Some(self.pair.now(*guid)),
                    sid: planned.wanted.sid.clone(),
                    is_phantom: false,
                });
                let link = LinkChange {
                    holder,
                    holder_dn: group.dn.clone(),
                    attribute,
                    value,
                    comes: true,
                };
                let mut steps = writes::links(self.pair, vec![link]);
                let changes: [ValuesChange; 1] = [change.clone()];
                steps.extend(writes::values(self.pair, &planned.plan, &changes));
                self.carry_out(steps)?;
            }
            if let Some(present) = self.pair.present(*guid)? {
                let again =
                    (self.pair).difference(&planned.wanted, &present, planned.plan.comes_back)?;
                difference.links = again.links;
            }
        }
        Ok(found)
    }

    fn links<'l>(&mut self, links: impl Iterator<Item = &'l LinkChange>) -> Result<()> {
        // Both ends of a link know it.
        let links: BTreeMap<_, _> = links.map(|link| (key(link), link.clone())).collect();
        let mut writes = writes::links(self.pair, links.into_values().collect());
        while !writes.is_empty() {
            let rest = writes.split_off(writes.len().min(AT_ONCE));
            self.carry_out(writes)?;
            writes = rest;
        }
        Ok(())
    }

    fn last(&mut self, planned: &[Planned], found: Found, means: &Means<'_>) -> Result<()> {
        let mut changes: BTreeMap<_, _> = (found.into_iter())
            .map(|(guid, difference)| (guid.0, difference.last))
            .collect();
        for lot in planned.chunks(AT_ONCE) {
            let mut writes = Vec::new();
            for planned in lot {
                let Some(changes) = changes.remove(&planned.plan.guid.0) else {
                    continue;
                };
                let last = Last {
                    wanted: &planned.wanted,
                    plan: &planned.plan,
                    changes,
                    secrets: means.secrets,
                    new_password: means.new_password,
                };
                writes.extend(writes::last(self.pair, last));
            }
            self.carry_out(writes)?;
        }
        Ok(())
    }

    /// Notes the writes in the journal, makes them, and returns the objects of those that were
    /// refused.
    fn carry_out(&mut self, writes: Vec<Write>) -> Result<Vec<Guid>> {
        let mut refused = Vec::new();
        let mut numbered = Vec::new();
        let mut records = Vec::new();
        for write in writes {
            let step = self.journal.next_step();
            records.push(Record::Step(Step {
                step,
                object: write.object,
                dn: write.dn.clone(),
                write: write.effect,
            }));
            numbered.push((step, write.object, write.dn, write.requests));
        }
        if records.is_empty() {
            return Ok(refused);
        }
        self.journal.add(&records)?;
        for (step, object, dn, requests) in numbered {
            let is_new = matches!(requests, Requests::Add { .. });
            match attempt(self.pair.live, requests)? {
                None => {
                    self.outcome.writes += 1;
                    let now = match is_new {
                        true => self.made(object, &dn)?,
                        false => None,
                    };
                    self.journal.note(&[Record::Done { step, now }])?;
                }
                Some(reason) => {
                    refused.push(object);
                    self.outcome.refused.push(Left {
                        what: dn,
                        reason: reason.clone(),
                    });
                    self.journal.note(&[Record::Refused { step, reason }])?;
                }
            }
        }
        Ok(refused)
    }

    /// The GUID of an object that was made, where it is another one than before.
    fn made(&self, object: Guid, dn: &str) -> Result<Option<Guid>> {
        for id in self.pair.live.find(&Lookup::Dn(dn))? {
            let found = self.pair.live.entry(id, &Wanted::names())?;
            let Some(now) = found.and_then(|found| found.guid) else {
                continue;
            };
            if now != object {
                self.pair.history.borrow_mut().now.insert(object, now);
                self.pair.expect([now]);
                return Ok(Some(now));
            }
        }
        Ok(None)
    }
}

/// Makes the requests of a step. Returns what the server refused, in its words.
fn attempt(live: &Live, requests: Requests) -> Result<Option<String>> {
    match requests {
        Requests::All(requests) => {
            for (operation, with) in requests {
                if let Some(reason) = refusal(live.write(operation, &with))? {
                    return Ok(Some(reason));
                }
            }
            Ok(None)
        }
        Requests::Add {
            dn,
            least,
            more,
            with,
        } => {
            let attributes = least.iter().chain(&more).cloned().collect();
            let whole = live::Operation::Add {
                dn: dn.clone(),
                attributes,
            };
            if refusal(live.write(whole, &with))?.is_none() {
                return Ok(None);
            }
            // What is missing is written value by value afterwards.
            let attributes = least;
            refusal(live.write(live::Operation::Add { dn, attributes }, &with))
        }
        Requests::Parts(object, parts) => {
            let (whole, with) = together(&object, &parts);
            let Some(reason) = refusal(live.write(whole, &with))? else {
                return Ok(None);
            };
            match parts.len() {
                1 => {
                    let is_there = live_has(&parts);
                    Ok((!(is_there && exists(&reason))).then(|| name(&parts, reason)))
                }
                _ => one_by_one(live, &object, parts),
            }
        }
    }
}

fn one_by_one(live: &Live, object: &str, parts: Vec<Part>) -> Result<Option<String>> {
    let mut reasons = Vec::new();
    let mut lacks_password = false;
    for part in parts {
        if part.kind == PartKind::Enable && lacks_password {
            reasons.push("userAccountControl: it stays disabled without its password".to_owned());
            continue;
        }
        let parts = [part];
        let (alone, with) = together(object, &parts);
        if let Some(reason) = refusal(live.write(alone, &with))? {
            if live_has(&parts) && exists(&reason) {
                continue;
            }
            lacks_password |= parts.iter().any(|part| part.kind == PartKind::Password);
            reasons.push(name(&parts, reason));
        }
    }
    Ok((!reasons.is_empty()).then(|| reasons.join("; ")))
}

/// Whether only values are added, which may be there already.
fn live_has(parts: &[Part]) -> bool {
    let mut changes = parts.iter().flat_map(|part| &part.changes);
    changes.all(|(how, _)| *how == How::Add)
}

fn exists(reason: &str) -> bool {
    VALUE_EXISTS
        .iter()
        .any(|code| reason.contains(&format!("({code})")))
}

fn name(parts: &[Part], reason: String) -> String {
    let attribute = parts.first().map_or("", |part| part.attribute.as_str());
    format!("{attribute}: {reason}")
}

/// The server's words where it refused a change.
pub fn refusal(result: live::Result<()>) -> Result<Option<String>> {
    match result {
        Ok(()) => Ok(None),
        Err(live::Error::Refused { code, message, .. }) => {
            Ok(Some(format!("{code:?} ({}): {message}", code as u32)))
        }
        Err(error) => Err(error.into()),
    }
}
