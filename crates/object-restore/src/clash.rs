//! What another object has already: names and addresses that only one may have.

use std::collections::{BTreeMap, HashMap, HashSet};

use ids::Guid;
use objects::{Lookup, Source, Wanted, dn};

use crate::error::Result;
use crate::pair::Pair;
use crate::plan::{Action, Obstacle, Plan, Planned};
use crate::rights;

/// Attributes whose values only one object may have.
const UNIQUE: [&str; 3] = [
    "sAMAccountName",
    "userPrincipalName",
    "servicePrincipalName",
];

/// Notes what stands in the way; with `rename_on_conflict` objects whose names are taken get others.
pub fn check(pair: &Pair<'_>, planned: &mut [Planned], plan: &mut Plan) -> Result<()> {
    names(pair, planned, plan)?;
    for attribute in UNIQUE {
        values(pair, planned, plan, attribute)?;
    }
    rights::check(pair, planned, plan)
}

fn names(pair: &Pair<'_>, planned: &mut [Planned], plan: &mut Plan) -> Result<()> {
    // New names of objects, with the old ones, for those beneath them.
    let mut renamed: Vec<(String, String)> = Vec::new();
    let comes = planned.iter().map(|one| &one.plan);
    let comes = comes.filter(|object| object.action != Action::Stay);
    let asked: HashMap<String, &str> = comes
        .filter_map(|object| Some((dn::fold(&object.dn)?, object.dn.as_str())))
        .collect();
    let holders = holders(pair, asked.values().copied())?;
    let asked: HashSet<String> = asked.into_keys().collect();
    // Only names that were changed here were not asked for.
    let is_taken = |name: &str, own: Guid| match dn::fold(name) {
        Some(folded) if asked.contains(&folded) => {
            Ok(holders.get(&folded).is_some_and(|holder| *holder != own))
        }
        _ => is_taken(pair, name, own),
    };
    for planned in planned {
        let object = &mut planned.plan;
        for (old, new) in &renamed {
            if let Some(start) = object.dn.strip_suffix(old.as_str()) {
                object.dn = format!("{start}{new}");
            }
        }
        if object.action == Action::Stay {
            continue;
        }
        let own = pair.now(object.guid);
        if !is_taken(&object.dn, own)? {
            continue;
        }
        let (rdn, above) = (dn::rdn(&object.dn), dn::parent(&object.dn));
        let other = format!("{rdn} (restored),{}", above.unwrap_or_default());
        if pair.request.rename_on_conflict && !is_taken(&other, own)? {
            renamed.push((object.dn.clone(), other.clone()));
            object.dn = other;
            continue;
        }
        plan.obstacles.push(Obstacle {
            dn: object.dn.clone(),
            reason: "another object has this name now: rename that one, choose another place with \
                     --into, or say --rename-on-conflict"
                .into(),
            yields_to_force: false,
        });
    }
    Ok(())
}

/// The living objects of these names, by folded name.
fn holders<'n>(
    pair: &Pair<'_>,
    names: impl Iterator<Item = &'n str>,
) -> Result<HashMap<String, Guid>> {
    let names: Vec<&str> = names.collect();
    let found = (pair.live).holders("distinguishedName", &names, &Wanted::names())?;
    let living = found.into_iter().filter(|entry| !entry.state.is_deleted());
    let living = living.filter_map(|entry| Some((dn::fold(&entry.dn)?, entry.guid?)));
    Ok(living.collect())
}

fn is_taken(pair: &Pair<'_>, name: &str, own: Guid) -> Result<bool> {
    for id in pair.live.find(&Lookup::Dn(name))? {
        let found = pair.live.entry(id, &Wanted::names())?;
        if found.is_some_and(|entry| entry.guid != Some(own) && !entry.state.is_deleted()) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn values(
    pair: &Pair<'_>,
    planned: &[Planned],
    plan: &mut Plan,
    attribute: &'static str,
) -> Result<()> {
    // Who will have a value.
    let mut owners: BTreeMap<String, (Guid, &str)> = BTreeMap::new();
    for planned in planned {
        let comes = |name: &str| {
            planned.plan.values.iter().any(|change| {
                change.attribute.name.eq_ignore_ascii_case(name) && !change.added.is_empty()
            })
        };
        // A tombstone has kept its account name.
        if planned.plan.action == Action::Stay && !comes(attribute) {
            continue;
        }
        let own = pair.now(planned.plan.guid);
        for value in planned.wanted.values(attribute) {
            if let Some(text) = value.text() {
                owners.insert(text.to_lowercase(), (own, &planned.plan.dn));
            }
        }
    }
    let wanted = Wanted::only([attribute]);
    let texts: Vec<&str> = owners.keys().map(String::as_str).collect();
    let mut seen = HashSet::new();
    for holder in pair.live.holders(attribute, &texts, &wanted)? {
        if holder.state.is_deleted() {
            continue;
        }
        for text in holder
            .values(attribute)
            .iter()
            .filter_map(|value| value.text())
        {
            let Some((own, dn)) = owners.get(&text.to_lowercase()) else {
                continue;
            };
            if holder.guid != Some(*own) && seen.insert((holder.guid, text.to_lowercase())) {
                plan.obstacles.push(Obstacle {
                    dn: (*dn).to_owned(),
                    reason: format!("{} has its {attribute}, {text}, now", holder.dn),
                    yields_to_force: false,
                });
            }
        }
    }
    Ok(())
}
