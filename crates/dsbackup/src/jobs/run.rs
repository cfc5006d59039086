//! `dsbackup run`: all steps of jobs.

use backup::words::bytes;
use jobs::Configuration;
use jobs::record::StateFolder;
use jobs::run::{JobReport, RepositoryRun, run as run_job};

use crate::cli::RunOptions;
use crate::failure::{Failure, Outcome, Result};
use crate::report::{Report, short_id};
use crate::{interrupt, signals};

/// Runs jobs.
///
/// # Errors
/// If the configuration or a record cannot be used. What fails in a job is an outcome.
pub fn run(options: &RunOptions, report: Report) -> Result<Outcome> {
    let configuration = Configuration::read(&options.jobs.config.config)?;
    let state = StateFolder::at(&options.jobs.state_folder);
    let names: Vec<String> = match options.all {
        true => configuration.jobs.keys().cloned().collect(),
        false => options.names.clone(),
    };
    if names.is_empty() {
        return Err(Failure::NotFound(format!(
            "{}: no [job.NAME]: `dsbackup setup` adds one",
            configuration.path.display()
        )));
    }
    // No job begins if one of the names is wrong.
    for name in &names {
        configuration.job(name)?;
    }
    signals::survive_questions();
    interrupt::watch()?;
    let mut done = Vec::new();
    let mut not_run = None;
    for name in &names {
        match run_job(&configuration, name, &state, &report) {
            Ok(job) => done.push(job),
            // The other jobs are run all the same.
            Err(error) => {
                report.warn(format!("job {name}: {error}"));
                not_run = Some(error);
            }
        }
    }
    if let Some(file) = &options.prometheus {
        let status = jobs::status::status(&configuration, &[], &state, &report)?;
        jobs::metrics::write(&status, file)?;
    }
    report.result(&done, || in_words(&done))?;
    if let Some(error) = not_run {
        return Err(error.into());
    }
    Ok(outcome(&done))
}

/// The worst of all jobs.
fn outcome(done: &[JobReport]) -> Outcome {
    if done.iter().any(JobReport::failed) {
        return Outcome::JobFailed;
    }
    if done.iter().any(JobReport::found_damage) {
        return Outcome::DamageFound;
    }
    match done.iter().any(JobReport::is_not_proven) {
        true => Outcome::NotProven,
        false => Outcome::Done,
    }
}

fn in_words(done: &[JobReport]) -> String {
    let lines = done.iter().flat_map(|job| {
        let runs = job.repositories.iter();
        let runs = runs.map(|run| format!("{}/{}: {}", job.job, run.repository, of_run(run)));
        let errors = job
            .errors
            .iter()
            .map(|error| format!("{}: {error}", job.job));
        runs.chain(errors)
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn of_run(run: &RepositoryRun) -> String {
    let run = &run.run;
    let mut text = match &run.snapshot {
        None => "no snapshot".to_owned(),
        Some(snapshot) => format!(
            "snapshot {}{}, {}, {} stored, {:.1} s",
            short_id(snapshot),
            if run.proven { " (proven)" } else { "" },
            bytes(run.bytes),
            bytes(run.stored_bytes),
            run.seconds
        ),
    };
    for (what, problems) in [("FAILED", &run.errors), ("DAMAGED", &run.damage)] {
        if !problems.is_empty() {
            text += &format!("; {what}: {}", problems.join("; "));
        }
    }
    if let Some(reason) = &run.not_proven {
        text += &format!("; not proven: {reason}");
    }
    text
}
