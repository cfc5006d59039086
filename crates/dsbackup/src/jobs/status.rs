//! `dsbackup status`: is everything backed up as promised?

use backup::words::bytes;
use jobs::record::{Counts, RunResult, StateFolder};
use jobs::span::age;
use jobs::status::{Change, JobStatus, SnapshotStatus, State, Status, status};
use jobs::{Configuration, metrics};

use jiff::Timestamp;

use crate::cli::StatusOptions;
use crate::failure::{Outcome, Result};
use crate::report::{self, Report, count, short_id};
use crate::signals;

/// Prints the status of the jobs.
///
/// # Errors
/// If it cannot be written. A configuration that cannot be used is the state `unknown`.
pub fn run(options: &StatusOptions, report: Report) -> Result<Outcome> {
    signals::survive_questions();
    let state = StateFolder::at(&options.jobs.state_folder);
    let found = Configuration::read(&options.jobs.config.config)
        .and_then(|configuration| status(&configuration, &options.names, &state, &report));
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            report::say(&format!("error: {error}"));
            // A plugin's first line is on standard output. Its newlines end.
            let line = error.to_string().replace(['\n', '|'], " ");
            let words = || format!("DSBACKUP UNKNOWN - {line}");
            report.result(
                &serde_json::json!({ "state": "unknown", "error": line }),
                words,
            )?;
            return Ok(Outcome::Monitored(State::Unknown as u8));
        }
    };
    if let Some(file) = &options.prometheus {
        metrics::write(&found, file)?;
    }
    report.result(&found, || in_words(&found))?;
    Ok(Outcome::Monitored(found.state as u8))
}

fn in_words(found: &Status) -> String {
    let mut lines = vec![plugin_line(found)];
    lines.extend(found.jobs.iter().flat_map(details));
    lines.join("\n")
}

/// `DSBACKUP STATE - what | values`, as monitoring plugins print it.
fn plugin_line(found: &Status) -> String {
    let problems = found.jobs.iter().flat_map(|job| {
        let problems = job
            .problems
            .iter()
            .filter(|problem| problem.state == found.state);
        problems.map(|problem| format!("{}/{}: {}", job.job, job.repository, problem.text))
    });
    let problems: Vec<String> = problems.collect();
    let what = match problems.is_empty() {
        false => problems.join("; "),
        true if found.jobs.is_empty() => "the configuration has no jobs".into(),
        true => {
            let ages = found.jobs.iter().filter_map(|job| {
                let newest = job.newest.as_ref()?;
                let age = age(newest.age_seconds);
                Some(format!("{}/{}: {age} old", job.job, job.repository))
            });
            ages.collect::<Vec<_>>().join(", ")
        }
    };
    let values = found.jobs.iter().filter_map(|job| {
        let (age, limit) = (job.newest.as_ref()?.age_seconds, job.max_age_seconds);
        Some(format!(
            "'{}/{} age'={age}s;;{limit};0",
            job.job, job.repository
        ))
    });
    let values: Vec<String> = values.collect();
    let what = what.replace(['\n', '|'], " ");
    match values.is_empty() {
        true => format!("DSBACKUP {} - {what}", found.state),
        false => format!("DSBACKUP {} - {what} | {}", found.state, values.join(" ")),
    }
}

fn details(job: &JobStatus) -> Vec<String> {
    let server = job.server.as_deref().unwrap_or("server not known yet");
    let mut lines = vec![format!(
        "{:8} {}/{} ({server}): {}",
        job.state.to_string(),
        job.job,
        job.repository,
        match job.snapshots {
            1 => "1 snapshot".into(),
            number => format!("{number} snapshots"),
        }
    )];
    let mut add = |name: &str, text: String| lines.push(format!("         {name:10} {text}"));
    for problem in &job.problems {
        add(
            &problem.state.to_string().to_lowercase(),
            problem.text.clone(),
        );
    }
    add("newest", in_a_line(job.newest.as_ref()));
    if let Some(newest) = &job.newest {
        let promise = format!("promised are at most {}", age(job.max_age_seconds));
        let until = newest
            .expires
            .and_then(|time| Timestamp::from_second(time).ok());
        let until = until.map(|time| format!("; restorable until {time} (tombstone lifetime)"));
        add("", format!("{promise}{}", until.unwrap_or_default()));
    }
    add("proven", in_a_line(job.proven.as_ref()));
    if let Some(run) = &job.last_run {
        let done = format!(
            "done in {:.1} s, {} stored",
            run.seconds,
            bytes(run.stored_bytes)
        );
        let how = match run.result() {
            RunResult::Success => done,
            RunResult::Warning => format!("{done}; not proven"),
            RunResult::Failure => match &job.last_success {
                Some(time) => format!("failed; the last that did not: {time}"),
                None => "failed, like all before".into(),
            },
        };
        add("last run", format!("{}, {how}", run.time));
    }
    if let Some(ship) = &job.ship {
        let lag = age(ship.lag_seconds);
        let text = match ship.waiting {
            0 => format!("all finished logs stored until {lag} ago"),
            waiting => format!("{lag} behind, {} wait", count(waiting, "log")),
        };
        add("shipping", text);
    }
    if let Some(counts) = job.objects {
        add("objects", counted(counts, job.change.as_ref()));
    }
    if let Some(accounts) = &job.accounts {
        let classes = (accounts.changes.classes())
            .map(|(class, changed)| format!("{class} +{} -{}", changed.added, changed.deleted));
        let text = classes.join(", ");
        let name = |id: &Option<String>| id.as_deref().map(short_id).map(str::to_owned);
        let between = match (name(&accounts.since), name(&accounts.snapshot)) {
            (Some(from), Some(to)) => format!("from snapshot {from} to {to}"),
            _ => "in the last run, since the run before".into(),
        };
        add("accounts", format!("{text} {between}"));
    }
    lines
}

/// Counts, each with its difference from the snapshot before, if that is known.
fn counted(counts: Counts, change: Option<&Change>) -> String {
    let mut parts = vec![
        (counts.objects, change.map(|change| change.objects), ""),
        (
            counts.deleted_objects,
            change.map(|change| change.deleted_objects),
            " deleted",
        ),
    ];
    if let Some(classes) = counts.classes {
        let change = change.and_then(|change| change.classes.as_ref());
        parts.extend([
            (classes.users, change.map(|change| change.users), " users"),
            (
                classes.groups,
                change.map(|change| change.groups),
                " groups",
            ),
            (
                classes.computers,
                change.map(|change| change.computers),
                " computers",
            ),
        ]);
    }
    let parts = parts.into_iter().map(|(count, change, what)| match change {
        Some(change) => format!("{count}{what} ({change:+})"),
        None => format!("{count}{what}"),
    });
    let text = parts.collect::<Vec<_>>().join(", ");
    match change {
        Some(change) => format!("{text}, compared with snapshot {}", short_id(&change.since)),
        None => text,
    }
}

fn in_a_line(snapshot: Option<&SnapshotStatus>) -> String {
    match snapshot {
        None => "none".into(),
        Some(snapshot) => format!(
            "{} of {}, {} old{}",
            short_id(&snapshot.snapshot),
            snapshot.time,
            age(snapshot.age_seconds),
            (snapshot.bytes).map_or_else(String::new, |size| format!(", {}", bytes(size)))
        ),
    }
}
