//! `dsbackup snapshots`: what the repository holds.

use backup::Verdict;
use backup::list::{Listed, list};

use crate::cli::SnapshotsOptions;
use crate::failure::{Outcome, Result};
use crate::objects::{table, words};
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
    let rows: Vec<Vec<String>> = lines.iter().map(row).collect();
    let heading = [
        "snapshot",
        "time",
        "server",
        "domain",
        "state",
        "generations",
        "size",
        "restorable until",
        "remarks",
    ];
    table::whole_lines(&heading, &rows)
}

fn row(line: &Listed) -> Vec<String> {
    let mut remarks = line.tags.clone();
    if let (Some(id), None) = (&line.continues, &line.unusable) {
        remarks.push(format!("logs, continues {}", short_id(id)));
    }
    if line.damaged == Some(true) {
        remarks.push("DAMAGED".into());
    }
    let verdict = |verdict: &Verdict| verdict.in_words_of(&local_time(&verdict.time));
    remarks.extend(line.drill.as_ref().map(verdict));
    if line.expired == Some(true) {
        remarks.push("expired".into());
    }
    remarks.extend(line.unusable.clone());
    let domain = line.directory.as_ref().map(|directory| &*directory.domain);
    vec![
        short_id(&line.snapshot).to_owned(),
        local_time(&line.time),
        line.server.clone(),
        domain.unwrap_or("-").to_owned(),
        line.state.clone().unwrap_or("-".into()),
        line.logs.map_or("-".into(), |logs| {
            contract::Generations::from(logs).to_string()
        }),
        line.bytes.map_or("-".into(), bytes),
        line.expires.as_deref().map_or("-".into(), local_time),
        remarks.join(", "),
    ]
}

/// A time in RFC 3339 as the local time.
fn local_time(time: &str) -> String {
    match time.parse() {
        Ok(time) => words::local_time(time),
        Err(_) => time.to_owned(),
    }
}
