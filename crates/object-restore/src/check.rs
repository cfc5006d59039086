//! The objects after a restore, compared with the backup.

use std::collections::HashSet;

use ids::Guid;
use objects::{Entry, Value, dn};

use crate::error::Result;
use crate::pair::Pair;
use crate::plan::{Left, PasswordPlan, Planned, ValuesChange};
use crate::request::Newer;
use crate::watch::Watch;
use crate::writes::DISABLED;

/// Objects that are read at once.
const AT_ONCE: usize = 200;

/// What differs though it was to be brought back, by object.
pub fn compare(
    pair: &Pair<'_>,
    planned: &[Planned],
    lost: &HashSet<Guid>,
    watch: &dyn Watch,
) -> Result<Vec<Left>> {
    let mut differing = Vec::new();
    for lot in planned.chunks(AT_ONCE) {
        let guids: Vec<Guid> = lot.iter().map(|one| one.plan.guid).collect();
        let present = pair.present_of(&guids)?;
        for one in lot {
            compare_one(pair, one, present.get(&one.plan.guid), lost, &mut differing)?;
        }
        watch.done(lot.len());
    }
    Ok(differing)
}

fn compare_one(
    pair: &Pair<'_>,
    planned: &Planned,
    present: Option<&Entry>,
    lost: &HashSet<Guid>,
    differing: &mut Vec<Left>,
) -> Result<()> {
    let plan = &planned.plan;
    let mut differs = |reason: String| {
        differing.push(Left {
            what: plan.dn.clone(),
            reason,
        });
    };
    let present = match present {
        Some(present) if !present.state.is_deleted() => present,
        _ if lost.contains(&plan.guid) => return Ok(()),
        _ => {
            differs("it is not there".into());
            return Ok(());
        }
    };
    if pair.request.attributes.is_empty() && dn::fold(&present.dn) != dn::fold(&plan.dn) {
        differs(format!("its name is {}", present.dn));
    }
    let difference = pair.lacks(planned, present)?;
    let changes = difference.values.iter().chain(&difference.primary_group);
    let last = difference
        .last
        .iter()
        .filter(|change| !(plan.password == PasswordPlan::Lost && is_only_disabled(change)));
    for change in changes.chain(last) {
        differs(change.attribute.name.to_string());
    }
    let kept = (difference.kept.iter()).filter(|_| pair.request.newer == Newer::Replace);
    for link in difference.links.iter().chain(kept) {
        let sign = if link.comes { "lacks" } else { "still has" };
        let end = link.value.reference().map_or("", |end| &end.dn);
        differs(format!(
            "{} of {} {sign} {end}",
            link.attribute.name, link.holder_dn
        ));
    }
    Ok(())
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
