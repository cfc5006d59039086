//! `dsbackup undo`: a restore of objects, taken back.

use backup::beside::Beside;
use backup::watched::Watched;
use object_restore::words::left_in_words;
use object_restore::{Local, Records, undo_beside};
use serde_json::json;

use super::plan::left_for_machines;
use super::target::{Target, ask};
use crate::cli::UndoOptions;
use crate::failure::{Failure, Outcome, Result};
use crate::report::Report;

/// Takes a restore back.
///
/// # Errors
/// Where the journal cannot be read, is of another server, and where the connection breaks.
pub fn run(options: &UndoOptions, report: Report) -> Result<Outcome> {
    let records = Records::of_the_past(&options.journal)?;
    let target = Target::open(&options.server)?;
    if records.begin.request.privileged != options.server.in_place {
        report.warn(format!(
            "the restore was to {}; it is taken back at {}",
            records.begin.target, target.name
        ));
    }
    report.step(format!(
        "{} steps of the restore from {} to {}",
        records.steps.len(),
        records.begin.source,
        records.begin.target
    ));
    if !options.yes {
        ask("Take them back?")?;
    }
    let beside = target.installation.as_ref();
    let beside = beside.map(|own| Beside::new(own, None, &report));
    let local = beside.as_ref().map(|beside| beside as &dyn Local);
    let watched = Watched::silent(&report);
    let undone = undo_beside(&target.live, &records, local, &watched).map_err(Failure::from)?;
    drop(watched);
    let value = json!({
        "deleted": undone.deleted,
        "moved": undone.moved,
        "attributes": undone.attributes,
        "files": undone.files,
        "left": left_for_machines(&undone.left),
    });
    report.result(&value, || {
        let mut lines = vec![format!(
            "{} objects deleted again, {} moved back, {} attributes with their former values{}",
            undone.deleted,
            undone.moved,
            undone.attributes,
            match undone.files {
                0 => String::new(),
                count => format!(", files of {count} policies those of before"),
            }
        )];
        let left = undone.left.iter().map(left_in_words);
        lines.extend(left.map(|left| format!("stays: {left}")));
        lines.join("\n")
    })?;
    Ok(match undone.left.is_empty() {
        true => Outcome::Done,
        false => Outcome::Incomplete,
    })
}
