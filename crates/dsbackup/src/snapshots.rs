//! `dsbackup snapshots`: what the repository holds.

use backup::Verdict;
use backup::list::{Listed, list};

use crate::cli::SnapshotsOptions;
use crate::failure::{Outcome, Result};
use crate::report::{Report, bytes, short_id};

/// Lists the snapshots, oldest first.
///
/// # Errors
/// When the repository cannot be read. A snapshot without a manifest of ours is listed as such.
pub fn run(options: &SnapshotsOptions, report: Report) -> Result<Outcome> {
    let repository = crate::open_repository(&options.repository)?;
    let listed = list(&repository, &report)?;
    report.result(&listed, || in_words(&listed))?;
    Ok(crate::outcome_of(&repository, !listed.is_empty(), report))
}

fn in_words(lines: &[Listed]) -> String {
    if lines.is_empty() {
        return "no snapshots".into();
    }
    let mut text = format!(
        "{:8}  {:20}  {:16}  {:16}  {:14}  {:11}  {:>10}  {:20}  {}",
        "snapshot",
        "time",
        "server",
        "domain",
        "state",
        "generations",
        "size",
        "restorable until",
        "remarks"
    );
    for line in lines {
        let mut remarks = line.tags.clone();
        if let (Some(id), None) = (&line.continues, &line.unusable) {
            remarks.push(format!("logs, continues {}", short_id(id)));
        }
        if line.damaged == Some(true) {
            remarks.push("DAMAGED".into());
        }
        remarks.extend(line.drill.as_ref().map(Verdict::in_words));
        if line.expired == Some(true) {
            remarks.push("expired".into());
        }
        remarks.extend(line.unusable.clone());
        text += &format!(
            "\n{:8}  {:20}  {:16}  {:16}  {:14}  {:11}  {:>10}  {:20}  {}",
            short_id(&line.snapshot),
            line.time,
            line.server,
            line.directory
                .as_ref()
                .map_or("-", |directory| &directory.domain),
            line.state.as_deref().unwrap_or("-"),
            line.logs
                .map_or("-".into(), |logs| contract::Generations::from(logs)
                    .to_string()),
            line.bytes.map_or("-".into(), bytes),
            line.expires.as_deref().unwrap_or("-"),
            remarks.join(", ")
        );
    }
    text
}
