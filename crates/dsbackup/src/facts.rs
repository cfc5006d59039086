//! `dsbackup facts`: who a directory is, how far it got, and how much it holds.

use backup::Progress as _;
use ntds::{Directory, Facts};

use crate::cli::StoredOptions;
use crate::database;
use crate::failure::{Outcome, Result};
use crate::objects::selection::watched;
use crate::objects::source::Sources;
use crate::report::Report;

/// Tells the facts of a directory.
///
/// # Errors
/// Where there is no directory, or it was not shut down, or is damaged.
pub fn run(options: &StoredOptions, report: Report) -> Result<Outcome> {
    let facts = match database::at(&options.source) {
        Some(file) => {
            let bar = report.progress(0);
            bar.item("counting objects");
            Directory::of(&database::open_watched(&file, bar)?)?.facts()?
        }
        None => {
            let sources = Sources::new(&options.sources, report);
            let source = sources.open(&options.source)?;
            let bar = watched(&*source, report.progress(0))?;
            source.stored()?.census(&|| bar.advance(1))?
        }
    };
    report.result(&facts, || in_words(&facts))?;
    Ok(Outcome::Done)
}

fn in_words(facts: &Facts) -> String {
    let mut lines: Vec<(&str, String)> = Vec::new();
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
    match &facts.domain {
        Some(domain) => {
            lines.push((
                "domain",
                format!("{} ({})", text(&domain.dns_name), domain.name),
            ));
            lines.push(("NetBIOS name", text(&domain.netbios_name)));
            if let Some(sid) = &domain.sid {
                lines.push(("domain SID", sid.to_string()));
            }
            if let Some(guid) = &domain.guid {
                lines.push(("domain GUID", guid.to_string()));
            }
        }
        None => lines.push(("domain", "none: a lightweight directory".into())),
    }
    lines.push(("forest", text(&facts.forest)));
    lines.push(("server", facts.server.clone()));
    lines.push(("DSA object GUID", facts.dsa_guid.to_string()));
    lines.push(("invocation id", facts.invocation_id.to_string()));
    let lifetime = facts.tombstone_lifetime;
    lines.push((
        "tombstone lifetime",
        match lifetime.is_default {
            true => format!("{} days (the default)", lifetime.days),
            false => format!("{} days", lifetime.days),
        },
    ));
    lines.push((
        "Recycle Bin",
        match facts.recycle_bin_enabled {
            true => format!(
                "enabled, keeps deleted objects for {} days",
                facts.deleted_object_lifetime_days
            ),
            false => "not enabled".into(),
        },
    ));
    lines.push((
        "highest committed USN",
        facts.highest_committed_usn.to_string(),
    ));
    for (position, context) in facts.naming_contexts.iter().enumerate() {
        let heading = if position == 0 { "naming contexts" } else { "" };
        let kind = if context.writable { "" } else { " (read-only)" };
        lines.push((heading, format!("{}{kind}", context.name)));
    }
    let counts = &facts.counts;
    lines.push((
        "objects",
        format!(
            "{}, among them {} users, {} groups, {} computers, {} contacts, {} group policies",
            counts.objects,
            counts.users,
            counts.groups,
            counts.computers,
            counts.contacts,
            counts.group_policies
        ),
    ));
    let deleted = &counts.deleted;
    lines.push((
        "deleted objects",
        format!(
            "{} tombstones, {} in the Recycle Bin, {} recycled",
            deleted.tombstones, deleted.recycle_bin, deleted.recycled
        ),
    ));
    lines.push(("phantoms", counts.phantoms.to_string()));
    let links = &counts.links;
    lines.push((
        "links",
        format!(
            "{} present, {} removed, {} deactivated",
            links.present, links.removed, links.deactivated
        ),
    ));
    let lines: Vec<String> = (lines.into_iter())
        .map(|(heading, text)| format!("{heading:>21}  {text}"))
        .collect();
    lines.join("\n")
}
