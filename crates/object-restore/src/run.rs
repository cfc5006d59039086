//! The plan, carried out.
//!
//! ```text
//! places (parents first) ─▶ values ─▶ primary groups ─▶ links ─▶ passwords, descriptors ─▶ check
//! ```
//!
//! Before each pass objects are read again, so that a run that goes on after a crash writes only
//! what is missing.

use std::collections::{BTreeMap, HashSet};
use std::time::SystemTime;

use ids::Guid;
use objects::{Entry, Lookup, Source, Value, Wanted};
use zeroize::Zeroizing;

use crate::attempt::attempt;
use crate::check;
use crate::error::Result;
use crate::journal::{Effect, Journal, Record, Step};
use crate::order::Order;
use crate::pair::{Difference, Pair};
use crate::plan::{Action, Left, LinkChange, PasswordPlan, Planned, ValuesChange};
use crate::planning::key;
use crate::writes::{self, Last, Requests, Secrets, Write};

/// Writes whose records are made durable at once.
const AT_ONCE: usize = 64;

/// What kind of account an object is; searches for accounts use it.
const ACCOUNT_TYPE: &str = "sAMAccountType";

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
    let mut order = Order::of(planned);
    let mut run = Run {
        pair,
        journal,
        outcome: Outcome::default(),
        lost: HashSet::new(),
        placed: HashSet::new(),
        coming: (planned.iter())
            .filter(|one| one.plan.comes_back)
            .map(|one| one.plan.guid)
            .collect(),
    };
    run.files(planned)?;
    (means.tell)("objects come to their places");
    let mut links = Vec::new();
    for level in std::mem::take(&mut order.levels) {
        links.extend(run.complete(&order, &level, means)?);
    }
    let rest = order.rest();
    run.places(&rest)?;
    (means.tell)("attributes are written");
    let found = run.values(&rest)?;
    (means.tell)("links are written");
    let mut found = run.primary_groups(&rest, found)?;
    for (_, found) in &mut found {
        links.append(&mut found.links);
    }
    run.links(order.without_late(links, |guid| pair.now(guid)))?;
    (means.tell)("passwords and security descriptors are written");
    run.last(&order, planned, found, means)?;
    run.account_types(planned)?;
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
    /// Those that are dealt with.
    placed: HashSet<Guid>,
    /// Objects of the backup that come back.
    coming: HashSet<Guid>,
}

type Found = Vec<(Guid, Difference)>;

fn last_changes(found: Found) -> BTreeMap<[u8; 16], Vec<ValuesChange>> {
    let changes = found.into_iter();
    let changes = changes.map(|(guid, difference)| (guid.0, difference.last));
    changes.collect()
}

impl Run<'_> {
    /// Puts the files of group policies back, before clients find the policies.
    fn files(&mut self, planned: &[Planned]) -> Result<()> {
        for one in planned {
            let (Some(files), Some(local)) = (&one.plan.files, self.pair.local()) else {
                continue;
            };
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
            let now = now.map_or(0, |now| now.as_nanos());
            let aside = format!("{}-{now}", one.plan.guid);
            let step = self.journal.next_step();
            self.journal.add(&[Record::Step(Step {
                step,
                object: one.plan.guid,
                dn: one.plan.dn.clone(),
                write: Effect::Files {
                    folder: files.folder.clone(),
                    aside: aside.clone(),
                },
            })])?;
            match local.restore_files(&files.folder, &aside) {
                Ok(()) => {
                    self.outcome.writes += 1;
                    self.journal.note(&[Record::Done { step, now: None }])?;
                }
                Err(reason) => {
                    self.journal.note(&[Record::Refused {
                        step,
                        reason: reason.clone(),
                    }])?;
                    self.outcome.refused.push(Left {
                        what: format!("files of {}", one.plan.dn),
                        reason,
                    });
                }
            }
        }
        Ok(())
    }

    /// Brings objects with others in them to their places, and completes those that are no accounts.
    /// Returns links that come later.
    fn complete(
        &mut self,
        order: &Order<'_>,
        level: &[&Planned],
        means: &Means<'_>,
    ) -> Result<Vec<LinkChange>> {
        self.places(level)?;
        let mut units = level.to_vec();
        units.retain(|one| order.is_unit(one));
        let mut found = self.values(&units)?;
        let (mut now, mut later) = (Vec::new(), Vec::new());
        for (guid, difference) in &mut found {
            let own = [*guid, self.pair.now(*guid)];
            for link in std::mem::take(&mut difference.links) {
                let end = link.value.reference().and_then(|end| end.guid);
                let is_there = end.is_none_or(|end| !self.coming.contains(&end));
                match own.contains(&link.holder) && is_there {
                    true => now.push(link),
                    false => later.push(link),
                }
            }
        }
        self.links(now)?;
        let mut changes: BTreeMap<_, _> = last_changes(found);
        let mut writes = Vec::new();
        for unit in units {
            let changes = changes.remove(&unit.plan.guid.0);
            writes.extend(changes.and_then(|changes| self.last_of(unit, changes, means)));
        }
        self.carry_out(writes)?;
        Ok(later)
    }

    fn places(&mut self, planned: &[&Planned]) -> Result<()> {
        for lot in planned.chunks(AT_ONCE) {
            let mut writes = Vec::new();
            for one in lot {
                if !self.placed.insert(one.plan.guid) {
                    continue;
                }
                writes.extend(writes::place(self.pair, &one.wanted, &one.plan));
            }
            let lost = self.carry_out(writes)?;
            self.lost.extend(lost);
        }
        Ok(())
    }

    /// Writes values, and returns what else the objects lack.
    fn values(&mut self, planned: &[&Planned]) -> Result<Found> {
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
                let mut difference = self.pair.lacks(planned, &present)?;
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

    /// Sees to it that an account cannot be used before its last values: it has expired since it was
    /// reanimated, or is disabled with its first values.
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
        let change = |from: i64, to: i64| ValuesChange {
            attribute: attribute.clone(),
            removed: vec![Value::Integer(from)],
            added: vec![Value::Integer(to)],
        };
        let is_control =
            |change: &ValuesChange| change.attribute.name.eq_ignore_ascii_case(CONTROL);
        difference.last.retain(|change| !is_control(change));
        let is_expiry = |change: &ValuesChange| {
            let is_expired = change.removed == [Value::Integer(writes::EXPIRED)];
            writes::expires(change) && is_expired && !change.added.is_empty()
        };
        let expiry = difference.values.iter().position(is_expiry);
        if let Some(expiry) = expiry {
            let expiry = difference.values.remove(expiry);
            // What the server did not take with the reanimation, or set by itself, comes last, too.
            difference.values.append(&mut difference.last);
            difference.last = std::mem::take(&mut difference.values);
            let stays_disabled = planned.plan.password == PasswordPlan::Lost;
            if now != wanted || stays_disabled {
                difference.last.push(change(now, wanted));
            }
            difference.last.push(expiry);
            return;
        }
        let disabled = wanted | writes::DISABLED;
        if now & writes::DISABLED == 0 {
            difference.values.insert(0, change(now, disabled));
        }
        if disabled != wanted {
            difference.last.push(change(disabled, wanted));
        }
    }

    /// Makes objects members of their primary groups, and then those groups primary: a server moves
    /// the links by itself. Objects concerned are read again.
    fn primary_groups(&mut self, planned: &[&Planned], mut found: Found) -> Result<Found> {
        let domain = &self.pair.live.facts().default_naming_context;
        let domain = domain.as_ref().and_then(|head| head.sid.clone());
        let plans = planned.iter().map(|one| (one.plan.guid.0, *one));
        let plans: BTreeMap<_, _> = plans.collect();
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
                difference.links = self.pair.lacks(planned, &present)?.links;
            }
        }
        Ok(found)
    }

    fn links(&mut self, links: Vec<LinkChange>) -> Result<()> {
        // Both ends of a link know it.
        let links: BTreeMap<_, _> = links.into_iter().map(|link| (key(&link), link)).collect();
        let mut writes = writes::links(self.pair, links.into_values().collect());
        while !writes.is_empty() {
            let rest = writes.split_off(writes.len().min(AT_ONCE));
            self.carry_out(writes)?;
            writes = rest;
        }
        Ok(())
    }

    /// Completes the objects, parents before their children.
    fn last(
        &mut self,
        order: &Order<'_>,
        planned: &[Planned],
        found: Found,
        means: &Means<'_>,
    ) -> Result<()> {
        let mut changes = last_changes(found);
        for lot in planned.chunks(AT_ONCE) {
            let mut writes = Vec::new();
            for one in lot {
                let known = writes.len();
                if order.is_unit(one) {
                    let late = order.late_links(one, self.pair.now(one.plan.guid));
                    writes.extend(writes::links(self.pair, late));
                } else {
                    let changes = changes.remove(&one.plan.guid.0);
                    writes.extend(changes.and_then(|changes| self.last_of(one, changes, means)));
                }
                if writes.len() == known && order.follows(one) && self.pair.live.is_samba() {
                    writes.push(writes::touch(self.pair, &one.plan));
                }
            }
            self.carry_out(writes)?;
        }
        Ok(())
    }

    fn last_of(
        &self,
        planned: &Planned,
        changes: Vec<ValuesChange>,
        means: &Means<'_>,
    ) -> Option<Write> {
        let last = Last {
            wanted: &planned.wanted,
            plan: &planned.plan,
            changes,
            secrets: means.secrets,
            new_password: means.new_password,
        };
        writes::last(self.pair, last)
    }

    /// What Samba does not set again on objects from its Recycle Bin.
    fn account_types(&mut self, planned: &[Planned]) -> Result<()> {
        let Some(local) = self.pair.local() else {
            return Ok(());
        };
        let mut lacking = Vec::new();
        for one in planned {
            let was_in_bin = matches!(one.plan.action, Action::ReanimateInSteps { .. })
                || one.plan.comes_back && one.plan.action == Action::Stay;
            let kind = one.wanted.value(ACCOUNT_TYPE).and_then(Value::integer);
            let Some(kind) = kind.filter(|_| was_in_bin) else {
                continue;
            };
            let present = self.pair.present(one.plan.guid)?;
            let present = present.filter(|present| !present.state.is_deleted());
            if present.is_some_and(|present| present.value(ACCOUNT_TYPE).is_none()) {
                lacking.push((self.pair.now(one.plan.guid), kind));
            }
        }
        if lacking.is_empty() {
            return Ok(());
        }
        if let Err(reason) = local.set_account_types(&lacking) {
            self.outcome.refused.push(Left {
                what: format!("{} objects from the Recycle Bin", lacking.len()),
                reason: format!("{ACCOUNT_TYPE}: {reason}"),
            });
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
