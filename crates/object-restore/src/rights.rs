//! What an account may not write, as far as the server tells, so that nothing is half restored.

use std::collections::HashSet;

use ids::Guid;
use objects::{Entry, Lookup, Source, Value, Wanted, dn};

use crate::attributes::DESCRIPTOR;
use crate::error::Result;
use crate::pair::Pair;
use crate::plan::{Action, Obstacle, Plan, Planned};

/// Of a security descriptor, in `sDRightsEffective`: the DACL. Owner, group and SACL are written where the
/// server lets. Source: \[MS-ADTS\] 3.1.1.4.5.13.
const DACL: i64 = 0x4;

/// Notes what this account may not write, as obstacles.
pub fn check(pair: &Pair<'_>, planned: &[Planned], plan: &mut Plan) -> Result<()> {
    if pair.request.privileged {
        return Ok(());
    }
    let wanted = Wanted::only([
        "allowedAttributesEffective",
        "allowedChildClassesEffective",
        "sDRightsEffective",
    ]);
    links(pair, planned, plan, &wanted)?;
    let mut seen = HashSet::new();
    for planned in planned {
        let object = &planned.plan;
        if object.action == Action::Stay {
            let missing = missing_attributes(pair, object.guid, planned, &wanted)?;
            if let Some(missing) = missing {
                plan.obstacles.push(Obstacle {
                    dn: object.dn.clone(),
                    reason: format!("this account may not write its {missing}"),
                    yields_to_force: true,
                });
            }
            continue;
        }
        let above = dn::parent(&object.dn).unwrap_or_default();
        let class = object.class.to_ascii_lowercase();
        if !seen.insert((above.to_lowercase(), class.clone())) {
            continue;
        }
        for id in pair.live.find(&Lookup::Dn(above))? {
            let Some(found) = pair.live.entry(id, &wanted)? else {
                continue;
            };
            let mut allowed = found
                .values("allowedChildClassesEffective")
                .iter()
                .filter_map(|value| value.text());
            if !allowed.any(|allowed| allowed.eq_ignore_ascii_case(&class)) {
                plan.obstacles.push(Obstacle {
                    dn: object.dn.clone(),
                    reason: format!(
                        "this account may not make objects of class {} in {above}",
                        object.class
                    ),
                    yields_to_force: true,
                });
            }
        }
    }
    Ok(())
}

/// Links belong to objects that often stay as they are, such as the groups of a user.
fn links(pair: &Pair<'_>, planned: &[Planned], plan: &mut Plan, wanted: &Wanted) -> Result<()> {
    let coming: HashSet<Guid> = (planned.iter())
        .filter(|one| one.plan.comes_back)
        .map(|one| one.plan.guid)
        .collect();
    let mut seen = HashSet::new();
    let mut obstacles = Vec::new();
    for link in &plan.links {
        let name = &link.attribute.name;
        if coming.contains(&link.holder) || !seen.insert((link.holder, name)) {
            continue;
        }
        let Some(holder) = pair.live.by_guid(pair.now(link.holder), wanted)? else {
            continue;
        };
        if !allowed(&holder).contains(&name.to_ascii_lowercase()) {
            obstacles.push(Obstacle {
                dn: link.holder_dn.to_string(),
                reason: format!("this account may not write its {name}"),
                yields_to_force: true,
            });
        }
    }
    plan.obstacles.append(&mut obstacles);
    Ok(())
}

/// The attributes of an object that this account may write, in lower case.
fn allowed(object: &Entry) -> HashSet<String> {
    (object.values("allowedAttributesEffective").iter())
        .filter_map(|value| value.text())
        .map(str::to_ascii_lowercase)
        .collect()
}

fn missing_attributes(
    pair: &Pair<'_>,
    guid: Guid,
    planned: &Planned,
    wanted: &Wanted,
) -> Result<Option<String>> {
    if planned.plan.values.is_empty() {
        return Ok(None);
    }
    let Some(found) = pair.live.by_guid(pair.now(guid), wanted)? else {
        return Ok(None);
    };
    let allowed = allowed(&found);
    // The descriptor has rights of its own.
    let of_descriptor = found.value("sDRightsEffective").and_then(Value::integer);
    let may_write = |name: &str| match name.eq_ignore_ascii_case(DESCRIPTOR) {
        true => of_descriptor.is_none_or(|rights| rights & DACL == DACL),
        false => allowed.contains(&name.to_ascii_lowercase()),
    };
    let mut names = (planned.plan.values.iter()).map(|change| &*change.attribute.name);
    let missing = names.find(|name| !may_write(name));
    Ok(missing.map(str::to_owned))
}
