//! `dsbackup check`: is the repository whole?

use serde::Serialize;

use crate::cli::CheckOptions;
use crate::failure::{Outcome, Result};
use crate::report::Report;

/// What `--json` prints.
#[derive(Serialize)]
struct Summary {
    sound: bool,
    read_data: bool,
    problems: Vec<String>,
    notes: Vec<String>,
}

/// Checks the repository.
///
/// # Errors
/// When it cannot be opened or read at all; damage is an outcome, not an error.
pub fn run(options: &CheckOptions, report: Report) -> Result<Outcome> {
    let repository = crate::open_repository(&options.repository)?;
    report.step(if options.read_data {
        "checking the repository's structure and every byte of its content"
    } else {
        "checking the repository's structure (--read-data checks its content as well)"
    });
    let found = repository.check(options.read_data)?;
    let summary = Summary {
        sound: found.is_sound(),
        read_data: options.read_data,
        problems: found.problems,
        notes: found.notes,
    };
    report.result(&summary, || {
        let mut lines = summary.notes.clone();
        lines.extend(summary.problems.iter().map(|problem| format!("damage: {problem}")));
        lines.push(match summary.problems.len() {
            0 => "the repository is whole".into(),
            count => format!("{count} problems were found: snapshots that need what is damaged cannot be restored"),
        });
        lines.join("\n")
    });
    Ok(if summary.sound {
        Outcome::Done
    } else {
        Outcome::DamageFound
    })
}
