//! `dsbackup inspect --records`: every record of a log.

use std::io::Write;
use std::path::Path;

use ese::header::LogHeader;
use ese::log::{ListedRecord, OpenLog};

use super::fields::Fields;
use super::kind_of_log;
use crate::failure::{Failure, Outcome, Result};
use crate::report::{self, Report};

/// Lists the header's fields, then the records in the order of their positions.
///
/// # Errors
/// Where the log is damaged, or holds what is not known; what comes before is listed.
pub fn run(path: &Path, report: Report) -> Result<Outcome> {
    let fields = Fields(LogHeader::read(path)?.listing());
    let log = OpenLog::read(path, kind_of_log(path))?;
    for flipped in &log.sound().flipped_bits {
        report.warn(format!(
            "segment {:#x}: bit {} was flipped; it is read as it should be",
            flipped.segment, flipped.bit
        ));
    }
    report::stream(|out| match report.is_json() {
        true => as_json(path, &fields, &log, out),
        false => in_words(&fields, &log, out),
    })?;
    Ok(Outcome::Done)
}

fn in_words(fields: &Fields, log: &OpenLog, out: &mut dyn Write) -> Result<()> {
    writeln!(out, "{}", fields.in_words()).map_err(Failure::Output)?;
    for_each(log, |record| {
        writeln!(out, "{record}").map_err(Failure::Output)
    })
}

/// One document, a record a line.
fn as_json(path: &Path, fields: &Fields, log: &OpenLog, out: &mut dyn Write) -> Result<()> {
    let to_json = |value: serde_json::Result<String>| value.expect("strings become JSON");
    let file = to_json(serde_json::to_string(&path.display().to_string()));
    let fields = to_json(serde_json::to_string(fields));
    write!(out, "{{\"file\":{file},\"fields\":{fields},\n\"records\":[")
        .map_err(Failure::Output)?;
    let mut comma = "";
    for_each(log, |record| {
        let written = write!(out, "{comma}\n{}", record.to_json());
        comma = ",";
        written.map_err(Failure::Output)
    })?;
    writeln!(out, "\n]}}").map_err(Failure::Output)
}

fn for_each(log: &OpenLog, mut visit: impl FnMut(ListedRecord<'_>) -> Result<()>) -> Result<()> {
    let mut records = log.records();
    while let Some((position, kind, record)) = records.next()? {
        visit(ListedRecord {
            position,
            kind,
            record: &record,
        })?;
    }
    Ok(())
}
