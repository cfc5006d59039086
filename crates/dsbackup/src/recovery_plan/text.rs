//! The plan as text.

use forest::{Controller, Plan, Usable};

/// Columns.
const WIDTH: usize = 100;

/// The mark of a step that was not tried.
pub const UNTRIED: &str =
    "* follows Microsoft's or Samba's documentation; not tried by dsbackup's authors";

/// The plan in words.
pub fn in_words(plan: &Plan) -> String {
    let forest = &plan.forest;
    let mut lines = vec![
        format!("Recovery of the forest {}", forest.name),
        String::new(),
    ];
    for (heading, value) in facts(plan) {
        lines.push(format!("{heading:>20}  {value}"));
    }
    lines.extend([String::new(), "Domains, in this order".into()]);
    for choice in &plan.domains {
        let from = match (&choice.controller, &choice.snapshot) {
            (Some(controller), Some(snapshot)) => {
                format!("from {controller}: {}", in_a_line(snapshot))
            }
            _ => "CANNOT BE RECOVERED".into(),
        };
        lines.push(format!("  {} {from}", choice.domain));
        lines.extend(wrapped(&format!("why: {}", choice.why), 6));
        if !choice.alternatives.is_empty() {
            lines.extend(wrapped(
                &format!("else: {}", choice.alternatives.join("; ")),
                6,
            ));
        }
    }
    lines.extend([String::new(), "Controllers".into()]);
    for controller in &forest.controllers {
        lines.push(format!(
            "  {:16} {}",
            controller.name,
            about(plan, controller)
        ));
    }
    if !plan.missing.is_empty() {
        lines.extend([String::new(), "Missing today".into()]);
        for missing in &plan.missing {
            lines.extend(item("- ", missing, 2));
        }
    }
    for (number, phase) in plan.phases.iter().enumerate() {
        let number = number + 1;
        lines.extend([String::new(), format!("{number}. {}", phase.title)]);
        for (step_number, step) in phase.steps.iter().enumerate() {
            let mark = if step.untried { "*" } else { "" };
            let heading = format!("{number}.{}{mark} ", step_number + 1);
            lines.extend(item(&heading, &step.text, 2));
            let commands = step.commands.iter();
            lines.extend(commands.map(|command| format!("         {command}")));
        }
    }
    lines.extend([String::new(), UNTRIED.into()]);
    lines.join("\n")
}

/// Facts of the forest, each with its heading.
pub fn facts(plan: &Plan) -> Vec<(&'static str, String)> {
    let forest = &plan.forest;
    let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "unknown".into());
    vec![
        (
            "tombstone lifetime",
            format!("{} days", forest.tombstone_lifetime_days),
        ),
        (
            "Recycle Bin",
            if forest.recycle_bin_enabled {
                "enabled"
            } else {
                "not enabled"
            }
            .into(),
        ),
        ("schema master", name(&forest.schema_master)),
        ("naming master", name(&forest.naming_master)),
    ]
}

/// What is known of a controller, with its backups.
pub fn about(plan: &Plan, controller: &Controller) -> String {
    let forest = &plan.forest;
    let domain = controller
        .domain
        .as_deref()
        .and_then(|dn| forest.domain(dn));
    let mut words = vec![
        domain.map_or("no domain", |domain| &domain.name).to_owned(),
        format!("site {}", controller.site),
    ];
    if controller.is_global_catalog {
        words.push("global catalog".into());
    }
    if controller.is_read_only {
        words.push("read-only".into());
    }
    if let Some(details) = domain.and_then(|domain| domain.details.as_ref()) {
        let roles = [
            ("PDC emulator", &details.pdc),
            ("RID master", &details.rid_master),
            ("infrastructure master", &details.infrastructure_master),
        ];
        let held = roles.into_iter().filter(|(_, owner)| {
            owner
                .as_deref()
                .is_some_and(|owner| owner.eq_ignore_ascii_case(&controller.name))
        });
        words.extend(held.map(|(role, _)| role.to_owned()));
    }
    let backups = (plan.servers.iter()).find(|server| {
        forest
            .controller(&server.controller)
            .is_some_and(|found| found.dn == controller.dn)
    });
    words.push(match backups.and_then(|backups| backups.newest.as_ref()) {
        Some(newest) => format!("newest: {}", in_a_line(newest)),
        None => "no backup".into(),
    });
    words.join(", ")
}

/// A snapshot in a line.
pub fn in_a_line(snapshot: &Usable) -> String {
    let proven = match &snapshot.proven {
        Some(time) => format!("proven {time}"),
        None => "not proven".into(),
    };
    let until = match &snapshot.expires {
        Some(time) => format!(", restorable until {time}"),
        None => String::new(),
    };
    format!(
        "snapshot {} of {} ({proven}{until})",
        snapshot.short_id(),
        snapshot.time
    )
}

/// Text behind a heading, wrapped beneath itself.
fn item(heading: &str, text: &str, indent: usize) -> Vec<String> {
    let mut lines = wrapped(text, indent + heading.len());
    if let Some(first) = lines.first_mut() {
        let words = first.trim_start();
        *first = format!("{:indent$}{heading}{words}", "");
    }
    lines
}

/// Lines of at most [`WIDTH`] columns, indented. Longer words stay whole.
fn wrapped(text: &str, indent: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = " ".repeat(indent);
    let mut columns = indent;
    for word in text.split_whitespace() {
        let width = word.chars().count();
        if columns > indent && columns + 1 + width > WIDTH {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
            columns = indent;
        }
        if columns > indent {
            line.push(' ');
            columns += 1;
        }
        line.push_str(word);
        columns += width;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn wrapping_loses_no_word(text in "([a-zä]{1,120} ?){0,40}", indent in 0usize..20) {
            let lines = wrapped(&text, indent);
            let words: Vec<&str> = lines.iter().flat_map(|line| line.split_whitespace()).collect();
            proptest::prop_assert_eq!(words, text.split_whitespace().collect::<Vec<_>>());
            for line in &lines {
                let fits = line.chars().count() <= WIDTH || line.split_whitespace().count() == 1;
                proptest::prop_assert!(fits, "{}", line);
            }
        }
    }
}
