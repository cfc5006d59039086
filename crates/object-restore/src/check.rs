//! The objects after a restore, compared with the backup.

use std::collections::HashSet;

use ids::Guid;
use objects::{Value, dn};

use crate::error::Result;
use crate::pair::Pair;
use crate::plan::{Left, PasswordPlan, Planned, ValuesChange};
use crate::writes::DISABLED;

/// What differs though it was to be brought back, by object.
pub fn compare(pair: &Pair<'_>, planned: &[Planned], lost: &HashSet<Guid>) -> Result<Vec<Left>> {
    let mut differing = Vec::new();
    for planned in planned {
        let plan = &planned.plan;
        let mut differs = |reason: String| {
            differing.push(Left {
                what: plan.dn.clone(),
                reason,
            });
        };
        let present = match pair.present(plan.guid)? {
            Some(present) if !present.state.is_deleted() => present,
            _ if lost.contains(&plan.guid) => continue,
            _ => {
                differs("it is not there".into());
                continue;
            }
        };
        if pair.request.attributes.is_empty() && dn::fold(&present.dn) != dn::fold(&plan.dn) {
            differs(format!("its name is {}", present.dn));
        }
        let difference = pair.lacks(planned, &present)?;
        let changes = difference.values.iter().chain(&difference.primary_group);
        let last = difference
            .last
            .iter()
            .filter(|change| !(plan.password == PasswordPlan::Lost && is_only_disabled(change)));
        for change in changes.chain(last) {
            differs(change.attribute.name.to_string());
        }
        for link in &difference.links {
            let sign = if link.comes { "lacks" } else { "still has" };
            let end = link.value.reference().map_or("", |end| &end.dn);
            differs(format!(
                "{} of {} {sign} {end}",
                link.attribute.name, link.holder_dn
            ));
        }
    }
    Ok(differing)
}

fn is_only_disabled(change: &ValuesChange) -> bool {
    let number = |values: &[Value]| values.first().and_then(Value::integer);
    let (now, then) = (number(&change.removed), number(&change.added));
    change
        .attribute
        .name
        .eq_ignore_ascii_case("userAccountControl")
        && now
            .zip(then)
            .is_some_and(|(now, then)| now == then | DISABLED)
}
