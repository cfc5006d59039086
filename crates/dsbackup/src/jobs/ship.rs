//! `dsbackup ship`: each finished log at once.

use std::sync::Arc;

use backup::words::{bytes, count};
use jobs::Configuration;
use jobs::record::StateFolder;
use jobs::ship::{Halt, ShipEvent, ship};
use jobs::span::age;

use crate::cli::ShipOptions;
use crate::failure::{Failure, Outcome, Result};
use crate::report::{self, Report, short_id};
use crate::{interrupt, signals};

/// Ships the logs of a job, until a signal or with `--once` to their end.
///
/// # Errors
/// If the job cannot be shipped at all, or its record not be written; with `--once` also if a
/// repository could not get its logs.
pub fn run(options: &ShipOptions, report: Report) -> Result<Outcome> {
    let configuration = Configuration::read(&options.jobs.config.config)?;
    let state = StateFolder::at(&options.jobs.state_folder);
    signals::survive_questions();
    let halt = Arc::new(Halt::default());
    let told = Arc::clone(&halt);
    interrupt::halt_with(move || told.halt())?;
    let ship = |tell: &mut dyn FnMut(&ShipEvent)| {
        ship(
            &configuration,
            &options.name,
            &state,
            options.once,
            &halt,
            tell,
            &report,
        )
    };
    if options.once {
        let mut events = Vec::new();
        let shipped = ship(&mut |event| {
            warn(event, report);
            events.push(event.clone());
        });
        report.result(&events, || once_in_words(&events))?;
        shipped?;
        return Ok(Outcome::Done);
    }
    let mut unwritten = None;
    ship(&mut |event| {
        warn(event, report);
        // Logs are shipped whether or not somebody can be told.
        if let Err(failure) = write(event, report) {
            unwritten.get_or_insert(failure);
        }
    })?;
    match unwritten {
        Some(failure) => Err(failure),
        None => Ok(Outcome::Done),
    }
}

fn warn(event: &ShipEvent, report: Report) {
    if let Some(problem) = &event.problem {
        report.warn(format!(
            "{}: {problem}; {}",
            event.repository,
            behind(event)
        ));
    }
}

/// A line for each event: of a batch, or with `--json` of any.
fn write(event: &ShipEvent, report: Report) -> Result<()> {
    let line = match report.is_json() {
        true => serde_json::to_string(event).expect("strings and numbers become JSON"),
        false => match in_words(event) {
            Some(line) => line,
            None => return Ok(()),
        },
    };
    report::stream(|out| writeln!(out, "{line}").map_err(Failure::Output))
}

fn once_in_words(events: &[ShipEvent]) -> String {
    let lines: Vec<String> = events.iter().filter_map(in_words).collect();
    match lines.is_empty() {
        true => "no log was stored".into(),
        false => lines.join("\n"),
    }
}

fn in_words(event: &ShipEvent) -> Option<String> {
    let batch = event.batch.as_ref()?;
    Some(format!(
        "{}: generations {} in snapshot {} ({}, {}, {} stored); {}",
        event.repository,
        batch.generations,
        short_id(&batch.snapshot),
        count(batch.logs, "log"),
        bytes(batch.bytes),
        bytes(batch.stored_bytes),
        behind(event)
    ))
}

fn behind(event: &ShipEvent) -> String {
    match event.waiting {
        0 if event.lag_seconds == 0 => "nothing waits".into(),
        0 => format!("{} behind", age(event.lag_seconds)),
        waiting => format!(
            "{} behind, {} wait",
            age(event.lag_seconds),
            count(waiting, "log")
        ),
    }
}
