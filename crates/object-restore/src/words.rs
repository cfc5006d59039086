//! A plan in words, for a terminal and for pages.

use objects::words;

use crate::plan::{Action, Left, LinkChange, ObjectPlan, PasswordPlan, Plan, ValuesChange};

/// Values of an attribute that are shown.
const MOST_SHOWN: usize = 5;

/// The plan in words, a line for each part of it.
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
    if let Some(from) = object.former_name() {
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
