//! A plan for machines.

use object_restore::plan::{Action, Left, LinkChange, ObjectPlan, PasswordPlan, Plan};
use objects::Value;
use serde_json::{Value as Json, json};

use super::super::json as values;

/// The plan for machines.
pub fn for_machines(plan: &Plan) -> Json {
    let obstacles = plan.obstacles.iter().map(|obstacle| {
        json!({
            "dn": obstacle.dn,
            "reason": obstacle.reason,
            "yields_to_force": obstacle.yields_to_force,
        })
    });
    json!({
        "objects": plan.objects.iter().map(object_for_machines).collect::<Json>(),
        "links": plan.links.iter().map(link_for_machines).collect::<Json>(),
        "left_out": left_for_machines(&plan.left_out),
        "obstacles": obstacles.collect::<Json>(),
    })
}

fn object_for_machines(object: &ObjectPlan) -> Json {
    let changes = object.values.iter().map(|change| {
        let list = |list: &[Value]| -> Json {
            (list
                .iter()
                .map(|value| values::value(value, &change.attribute)))
            .collect()
        };
        json!({
            "attribute": *change.attribute.name,
            "removed": list(&change.removed),
            "added": list(&change.added),
        })
    });
    json!({
        "guid": object.guid.to_string(),
        "dn": object.dn,
        "class": object.class,
        "action": match &object.action {
            Action::Stay => "change",
            Action::Move { .. } => "move",
            Action::Reanimate { .. } | Action::ReanimateInSteps { .. } => "reanimate",
            Action::Create { .. } => "create",
        },
        "from": object.former_name(),
        "keeps_identity": !matches!(object.action, Action::Create { keeps_identity: false }),
        "password": match object.password {
            PasswordPlan::Untouched => "untouched",
            PasswordPlan::Keep => "keep",
            PasswordPlan::Set => "set",
            PasswordPlan::Lost => "lost",
        },
        "files": object.files.as_ref().map(|files| files.count),
        "changes": changes.collect::<Json>(),
        "left": left_for_machines(&object.left),
    })
}

fn link_for_machines(link: &LinkChange) -> Json {
    json!({
        "holder": *link.holder_dn,
        "attribute": *link.attribute.name,
        "value": values::value(&link.value, &link.attribute),
        "comes": link.comes,
    })
}

/// What does not come back, for machines.
pub fn left_for_machines(left: &[Left]) -> Json {
    let left = left
        .iter()
        .map(|left| json!({"what": left.what, "reason": left.reason}));
    left.collect()
}
