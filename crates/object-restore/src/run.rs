//! The plan, carried out.
//!
//! ```text
//! places (parents first) ─▶ values ─▶ primary groups ─▶ links ─▶ passwords, descriptors ─▶ check
//! ```
//!
//! Before each pass objects are read again, so that a run that goes on after a crash writes only
//! what is missing.

use std::collections::{BTreeMap, HashSet, btree_map};
use std::time::SystemTime;

use ids::Guid;
use objects::{Entry, Lookup, Source, Value, Wanted};
use zeroize::Zeroizing;

use crate::check;
use crate::error::Result;
use crate::journal::{Change, Effect, Journal, Octets, Record, Step};
use crate::order::Order;
use crate::pair::{Difference, Pair};
use crate::plan::{Action, Left, LinkChange, PasswordPlan, Planned, ValuesChange};
use crate::planning::key;
use crate::watch::Watch;
use crate::writer::{AT_ONCE, Writer};
use crate::writes::{self, Last, Secrets, Write};

/// What kind of account an object is; searches for accounts use it.
const ACCOUNT_TYPE: &str = "sAMAccountType";

/// What a run needs besides the plan.
pub struct Means<'m> {
    /// The passwords of the backup, of those objects that keep them.
    pub secrets: &'m Secrets,
    /// The new password of those that get one.
    pub new_password: Option<&'m Zeroizing<String>>,
    /// Is told how far the restore is.
    pub watch: &'m dyn Watch,
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
    let watch = means.watch;
    let mut order = Order::of(planned);
    let mut run = Run {
        pair,
        writer: Writer::new(pair, journal, watch, planned.len()),
        lost: HashSet::new(),
        placed: HashSet::new(),
        coming: (planned.iter())
            .filter(|one| one.plan.comes_back)
            .map(|one| one.plan.guid)
            .collect(),
    };
    run.files(planned)?;
    watch.begin("objects come to their places", planned.len());
    let mut links = Vec::new();
    for level in std::mem::take(&mut order.levels) {
        links.extend(run.complete(&order, &level, means)?);
    }
    let rest = order.rest();
    run.places(&rest)?;
    watch.begin("attributes are written", rest.len());
    let found = run.values(&rest)?;
    let mut found = run.primary_groups(&rest, found)?;
    for (_, found) in &mut found {
        links.append(&mut found.links);
    }
    watch.begin("links are written", links.len());
    run.links(order.without_late(links, |guid| pair.now(guid)))?;
    watch.begin(
        "passwords and security descriptors are written",
        planned.len(),
    );
    run.last(&order, planned, found, means)?;
    run.account_types(planned)?;
    watch.begin("the objects are compared with the backup", planned.len());
    let Run { writer, lost, .. } = run;
    let differing = check::compare(pair, planned, &lost, watch)?;
    writer.journal.add(&[Record::Ended {
        refused: writer.refused.len(),
        differing: differing.len(),
    }])?;
    Ok(Outcome {
        writes: writer.writes,
        refused: writer.refused,
        differing,
    })
}

struct Run<'r> {
    pair: &'r Pair<'r>,
    writer: Writer<'r>,
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
            let step = self.writer.journal.next_step();
            self.writer.journal.add(&[Record::Step(Step {
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
                    self.writer.writes += 1;
                    self.writer
                        .journal
                        .note(&[Record::Done { step, now: None }])?;
                }
                Err(reason) => {
                    self.writer.journal.note(&[Record::Refused {
                        step,
                        reason: reason.clone(),
                    }])?;
                    self.writer.refused.push(Left {
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
        self.writer.carry_out(writes)?;
        Ok(later)
    }

    fn places(&mut self, planned: &[&Planned]) -> Result<()> {
        let mut writes = Vec::new();
        for one in planned {
            if self.placed.insert(one.plan.guid) {
                writes.extend(writes::place(self.pair, &one.wanted, &one.plan));
            }
        }
        let lost = self.writer.carry_out(writes)?;
        self.lost.extend(lost);
        Ok(())
    }

    /// Writes values, and returns what else the objects lack.
    fn values(&mut self, planned: &[&Planned]) -> Result<Found> {
        let mut found = Vec::new();
        for lot in planned.chunks(AT_ONCE) {
            let guids: Vec<Guid> = lot.iter().map(|one| one.plan.guid).collect();
            let present = self.pair.present_of(&guids)?;
            let mut writes = Vec::new();
            for planned in lot {
                let plan = &planned.plan;
                if self.lost.contains(&plan.guid) {
                    continue;
                }
                let Some(present) = present.get(&plan.guid) else {
                    continue;
                };
                let mut difference = self.pair.lacks(planned, present)?;
                if plan.has_no_password() {
                    self.disable(planned, present, &mut difference);
                }
                writes.extend(writes::values(self.pair, plan, &difference.values));
                found.push((plan.guid, difference));
            }
            self.writer.carry_out(writes)?;
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
        if now != disabled {
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
        let Some(member) = self.pair.live.schema().attribute("member").cloned() else {
            return Ok(found);
        };
        let plans: BTreeMap<_, _> = (planned.iter())
            .map(|one| (one.plan.guid.0, *one))
            .collect();
        let mut groups: BTreeMap<u32, Option<Entry>> = BTreeMap::new();
        let (mut links, mut numbers, mut changed) = (Vec::new(), Vec::new(), Vec::new());
        for (guid, difference) in &mut found {
            let Some(change) = difference.primary_group.take() else {
                continue;
            };
            let Some(planned) = plans.get(&guid.0) else {
                continue;
            };
            let number = change.added.first().and_then(Value::integer);
            let Some(number) = number.and_then(|number| u32::try_from(number).ok()) else {
                continue;
            };
            if let btree_map::Entry::Vacant(unknown) = groups.entry(number) {
                let sid = domain.as_ref().and_then(|domain| domain.with(number));
                unknown.insert(sid.map(|sid| self.with_sid(&sid)).transpose()?.flatten());
            }
            let group = groups.get(&number).and_then(Option::as_ref);
            let Some((group, holder)) = group.and_then(|group| Some((group, group.guid?))) else {
                continue;
            };
            links.push(LinkChange {
                holder,
                holder_dn: group.dn.clone(),
                attribute: member.clone(),
                value: Value::Name(objects::Reference {
                    dn: planned.plan.dn.as_str().into(),
                    guid: Some(self.pair.now(*guid)),
                    sid: planned.wanted.sid.clone(),
                    is_phantom: false,
                }),
                comes: true,
            });
            numbers.extend(writes::values(self.pair, &planned.plan, &[change]));
            changed.push(*guid);
        }
        self.links(links)?;
        self.writer.carry_out(numbers)?;
        for lot in changed.chunks(AT_ONCE) {
            let present = self.pair.present_of(lot)?;
            for (guid, difference) in &mut found {
                let plan = plans.get(&guid.0);
                if let Some((present, planned)) = present.get(guid).zip(plan) {
                    difference.links = self.pair.lacks(planned, present)?.links;
                }
            }
        }
        Ok(found)
    }

    fn with_sid(&self, sid: &objects::Sid) -> Result<Option<Entry>> {
        for id in self.pair.live.find(&Lookup::Sid(sid))? {
            if let Some(found) = self.pair.live.entry(id, &Wanted::names())? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    fn links(&mut self, links: Vec<LinkChange>) -> Result<()> {
        // Both ends of a link know it.
        let links: BTreeMap<_, _> = links.into_iter().map(|link| (key(&link), link)).collect();
        let writes = writes::links(self.pair, links.into_values().collect());
        self.writer.carry_out(writes)?;
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
            self.writer.carry_out(writes)?;
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
        let mut candidates = Vec::new();
        for one in planned {
            let was_in_bin = matches!(one.plan.action, Action::ReanimateInSteps { .. })
                || one.plan.comes_back && one.plan.action == Action::Stay;
            let kind = one.wanted.value(ACCOUNT_TYPE).and_then(Value::integer);
            candidates.extend(kind.filter(|_| was_in_bin).map(|kind| (one, kind)));
        }
        let mut lacking = Vec::new();
        for lot in candidates.chunks(AT_ONCE) {
            let guids: Vec<Guid> = lot.iter().map(|(one, _)| one.plan.guid).collect();
            let present = self.pair.present_of(&guids)?;
            for (one, kind) in lot {
                let present = present.get(&one.plan.guid);
                let present = present.filter(|present| !present.state.is_deleted());
                if present.is_some_and(|present| present.value(ACCOUNT_TYPE).is_none()) {
                    lacking.push((*one, *kind));
                }
            }
        }
        if lacking.is_empty() {
            return Ok(());
        }
        let (mut numbers, mut types, mut steps) = (Vec::new(), Vec::new(), Vec::new());
        for (one, kind) in &lacking {
            let step = self.writer.journal.next_step();
            numbers.push(step);
            types.push((self.pair.now(one.plan.guid), *kind));
            steps.push(Record::Step(Step {
                step,
                object: one.plan.guid,
                dn: one.plan.dn.clone(),
                write: Effect::Modify {
                    changes: vec![Change {
                        attribute: ACCOUNT_TYPE.to_owned(),
                        removed: Vec::new(),
                        added: vec![Octets(kind.to_string().into_bytes())],
                        withheld: None,
                    }],
                },
            }));
        }
        self.writer.journal.add(&steps)?;
        let set = local.set_account_types(&types);
        let ends: Vec<Record> = (numbers.into_iter())
            .map(|step| match &set {
                Ok(()) => Record::Done { step, now: None },
                Err(reason) => Record::Refused {
                    step,
                    reason: reason.clone(),
                },
            })
            .collect();
        self.writer.journal.note(&ends)?;
        match set {
            Ok(()) => self.writer.writes += types.len(),
            Err(reason) => self.writer.refused.push(Left {
                what: format!("{} objects from the Recycle Bin", types.len()),
                reason: format!("{ACCOUNT_TYPE}: {reason}"),
            }),
        }
        Ok(())
    }
}
