//! A plan, for people and for machines.

use object_restore::plan::{
    Action, Left, LinkChange, ObjectPlan, PasswordPlan, Plan, ValuesChange,
};
use objects::Value;
use serde_json::{Value as Json, json};

use super::super::{json as values, words};

/// Values of an attribute that are shown.
const MOST_SHOWN: usize = 5;

/// The plan in words.
pub fn in_words(plan: &Plan) -> String {
    let mut lines = Vec::new();
    for object in &plan.objects {
        lines.extend(object_in_words(object));
    }
    if !plan.links.is_empty() {
        lines.push("links:".into());
        lines.extend(
            plan.links
                .iter()
                .map(|link| format!("  {}", link_in_words(link))),
        );
    }
    if !plan.left_out.is_empty() {
        lines.push("not brought back:".into());
        lines.extend(
            plan.left_out
                .iter()
                .map(|left| format!("  {}", left_in_words(left))),
        );
    }
    if !plan.obstacles.is_empty() {
        lines.push("in the way:".into());
        for obstacle in &plan.obstacles {
            let yields = if obstacle.yields_to_force {
                " (yields to --force)"
            } else {
                ""
            };
            let dn = words::printable(&obstacle.dn);
            lines.push(format!(
                "  {dn}: {}{yields}",
                words::printable(&obstacle.reason)
            ));
        }
    }
    lines.join("\n")
}

fn object_in_words(object: &ObjectPlan) -> Vec<String> {
    let class = &object.class;
    let mut lines = vec![format!(
        "{} {class} {}",
        match object.action {
            Action::Stay if object.is_empty() => "unchanged:",
            Action::Stay => "change:",
            Action::Move { .. } => "move:",
            Action::Reanimate { .. } | Action::ReanimateInSteps { .. } => "reanimate:",
            Action::Create { .. } => "make anew:",
        },
        words::printable(&object.dn)
    )];
    if let Some(from) = from(object) {
        lines.push(format!("  from {}", words::printable(from)));
    }
    match object.comes_back {
        true if !object.values.is_empty() => {
            let names = object
                .values
                .iter()
                .map(|change| change.attribute.name.as_ref());
            lines.push(format!(
                "  attributes: {}",
                names.collect::<Vec<_>>().join(", ")
            ));
        }
        true => {}
        false => lines.extend(object.values.iter().flat_map(change_in_words)),
    }
    match object.password {
        PasswordPlan::Untouched | PasswordPlan::Lost => {}
        PasswordPlan::Keep => lines.push("  password: that of the backup".into()),
        PasswordPlan::Set => {
            lines.push("  password: the new one, to be changed at the next logon".into());
        }
    }
    if let Some(files) = &object.files {
        lines.push(format!(
            "  {} files in SYSVOL: {}",
            files.count,
            words::printable(&files.folder)
        ));
    }
    for left in &object.left {
        lines.push(format!("  not brought back: {}", left_in_words(left)));
    }
    lines
}

fn change_in_words(change: &ValuesChange) -> Vec<String> {
    let both = [("-", &change.removed), ("+", &change.added)];
    let mut lines = Vec::new();
    for (sign, values) in both {
        let shown = values.iter().take(MOST_SHOWN);
        lines.extend(shown.map(|value| {
            let value = words::value(value, &change.attribute);
            format!("  {sign} {}: {value}", change.attribute.name)
        }));
        if let Some(more) = values
            .len()
            .checked_sub(MOST_SHOWN)
            .filter(|more| *more > 0)
        {
            lines.push(format!(
                "  {sign} {}: {more} more values",
                change.attribute.name
            ));
        }
    }
    lines
}

fn link_in_words(link: &LinkChange) -> String {
    let sign = if link.comes { "+" } else { "-" };
    let end = words::value(&link.value, &link.attribute);
    let holder = words::printable(&link.holder_dn);
    format!("{sign} {} of {holder}: {end}", link.attribute.name)
}

/// What does not come back, in words.
pub fn left_in_words(left: &Left) -> String {
    format!(
        "{}: {}",
        words::printable(&left.what),
        words::printable(&left.reason)
    )
}

fn from(object: &ObjectPlan) -> Option<&str> {
    match &object.action {
        Action::Move { from }
        | Action::Reanimate { from, .. }
        | Action::ReanimateInSteps { from } => Some(from),
        Action::Stay | Action::Create { .. } => None,
    }
}

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
        "from": from(object),
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
