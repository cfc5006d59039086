//! A run of a job: all of its steps into each of its repositories, one after another.
//!
//! Each repository is by itself: what fails for one does not keep the job from the next.

use std::time::{Instant, SystemTime};

use backup::backup::{BackupReport, BackupRequest, backup};
use backup::check::{CheckRequest, check};
use backup::drill::{DrillRequest, drill};
use backup::forget::{ForgetRequest, Forgotten, forget};
use backup::hosting::Hosting;
use backup::survey::Survey;
use backup::view::Cache;
use backup::words::short_id;
use backup::{Report, Snapshot, View, lock, scratch, time};
use jiff::Timestamp;
use ntdsbcli::Server;
use repository::Repository;
use serde::Serialize;
use service::Mode;

use crate::alarm::{self, Compared};
use crate::configuration::{Configuration, JobConfiguration, RepositoryConfiguration, SourceKind};
use crate::error::Result;
use crate::hook;
use crate::notify::{Event, Message};
use crate::progress::Told;
use crate::record::{Counts, RepositoryRecord, Run, RunResult, StateFolder};
use crate::span::Span;

/// What came of a job.
#[derive(Debug, Serialize)]
pub struct JobReport {
    /// The job.
    pub job: String,
    /// The worst of all that follows.
    pub result: RunResult,
    /// What failed outside of the repositories, such as a hook, in words.
    pub errors: Vec<String>,
    /// The runs, in the order of the job's repositories.
    pub repositories: Vec<RepositoryRun>,
}

/// A run into one repository.
#[derive(Debug, Serialize)]
pub struct RepositoryRun {
    /// The repository's name.
    pub repository: String,
    /// What came of it.
    #[serde(flatten)]
    pub run: Run,
}

impl JobReport {
    /// The worst of its parts.
    fn worst(&self) -> RunResult {
        let runs = self.repositories.iter().map(|run| run.run.result());
        let others = (!self.errors.is_empty()).then_some(RunResult::Failure);
        runs.chain(others).max().unwrap_or(RunResult::Success)
    }

    /// Whether a step failed.
    pub fn failed(&self) -> bool {
        let mut runs = self.repositories.iter();
        !self.errors.is_empty() || runs.any(|run| !run.run.errors.is_empty())
    }

    /// Whether damage was found.
    pub fn found_damage(&self) -> bool {
        let mut runs = self.repositories.iter();
        runs.any(|run| !run.run.damage.is_empty())
    }

    /// Whether a drill could not prove a snapshot.
    pub fn is_not_proven(&self) -> bool {
        let mut runs = self.repositories.iter();
        runs.any(|run| run.run.not_proven.is_some())
    }
}

/// Runs a job.
///
/// # Errors
/// If the configuration has no such job, it runs already, or its record cannot be read or written.
/// What fails in a step is in the report and in the record.
pub fn run(
    configuration: &Configuration,
    name: &str,
    state: &StateFolder,
    report: &dyn Report,
) -> Result<JobReport> {
    let job = configuration.job(name)?;
    let _lock = state.lock(name)?;
    let report = &Told::new(report, state, name);
    let mut record = state.read(name)?;
    let mut done = JobReport {
        job: name.to_owned(),
        result: RunResult::Success,
        errors: Vec::new(),
        repositories: Vec::new(),
    };
    notify(configuration, job, &mut done, Event::Start, report);
    let before = match &job.before {
        Some(command) => hook::run(command, &[("DSBACKUP_JOB", name)]),
        None => Ok(()),
    };
    let refused = before
        .err()
        .map(|error| format!("before the backup: {error}"));
    for repository in &job.repositories {
        report.note(&format!("job {name}, repository {repository}"));
        let entry = record.repositories.entry(repository.clone()).or_default();
        let run = match &refused {
            Some(reason) => Run {
                time: time::from_system(SystemTime::now()),
                errors: vec![reason.clone()],
                ..Run::default()
            },
            None => into_one(configuration, job, repository, entry, report),
        };
        let problems = run.errors.iter().chain(&run.damage).chain(&run.not_proven);
        for error in problems.chain(&run.alarms) {
            report.warn(&format!("job {name}, repository {repository}: {error}"));
        }
        entry.add(run.clone());
        // Before the next repository: what was done stays known, whatever happens to that.
        state.write(name, &record)?;
        done.repositories.push(RepositoryRun {
            repository: repository.clone(),
            run,
        });
    }
    if let Some(command) = &job.after {
        let environment = [
            ("DSBACKUP_JOB", name),
            ("DSBACKUP_RESULT", done.worst().word()),
        ];
        if let Err(error) = hook::run(command, &environment) {
            report.warn(&format!("job {name}: {error}"));
            done.errors.push(error.to_string());
        }
    }
    let event = match done.worst() {
        RunResult::Success => Event::Success,
        RunResult::Warning => Event::Warning,
        RunResult::Failure => Event::Failure,
    };
    notify(configuration, job, &mut done, event, report);
    if done
        .repositories
        .iter()
        .any(|run| !run.run.alarms.is_empty())
    {
        notify(configuration, job, &mut done, Event::Alarm, report);
    }
    done.result = done.worst();
    Ok(done)
}

/// Tells everybody who wants to know of an event. What fails is a warning and in the report.
fn notify(
    configuration: &Configuration,
    job: &JobConfiguration,
    done: &mut JobReport,
    event: Event,
    report: &dyn Report,
) {
    let message = message(done, event);
    for name in &job.notify {
        let Some(receiver) = configuration.notify.get(name) else {
            continue;
        };
        if !receiver.on.contains(&event) {
            continue;
        }
        if let Err(error) = receiver.send(&message) {
            let text = format!("notification of {name}: {error}");
            report.warn(&text);
            done.errors.push(text);
        }
    }
}

fn message(done: &JobReport, event: Event) -> Message {
    let host = platform::process::computer();
    let what = match event {
        Event::Start => "begins",
        Event::Success => "succeeded",
        Event::Warning => "made a backup that is NOT PROVEN",
        Event::Failure => "FAILED",
        Event::Alarm => "found many changes",
    };
    let lines = done.repositories.iter().flat_map(|run| {
        let name = &run.repository;
        let run = &run.run;
        let problems = run.errors.iter().chain(&run.damage).chain(&run.not_proven);
        let problems = problems.chain(&run.alarms);
        let snapshot = match &run.snapshot {
            Some(snapshot) => format!("{name}: snapshot {}", short_id(snapshot)),
            None => format!("{name}: no snapshot"),
        };
        std::iter::once(snapshot).chain(problems.map(move |problem| format!("{name}: {problem}")))
    });
    let lines: Vec<String> = lines.chain(done.errors.iter().cloned()).collect();
    Message {
        event,
        title: format!("dsbackup: job {} on {host} {what}", done.job),
        job: done.job.clone(),
        host,
        time: time::from_system(SystemTime::now()),
        text: lines.join("\n"),
        advice: advice(&done.job, event),
    }
}

/// What whoever is told should do.
fn advice(job: &str, event: Event) -> Option<String> {
    Some(match event {
        Event::Start | Event::Success => return None,
        Event::Warning => format!(
            "a snapshot that nobody has restored is a hope: see why its drill could not be made on \
             this computer, and then run `dsbackup run {job}`, or `dsbackup check --drill` on \
             another one"
        ),
        Event::Failure => format!(
            "correct what the lines above name, then run `dsbackup run {job}`; `dsbackup status \
             {job}` tells what is backed up, and `journalctl -u dsbackup-jobs` what happened"
        ),
        Event::Alarm => "if nobody meant these changes, keep the snapshots before them: compare \
             (`dsbackup diff`), and find out who made them (`dsbackup show --history`)"
            .into(),
    })
}

/// All steps into one repository.
fn into_one(
    configuration: &Configuration,
    job: &JobConfiguration,
    name: &str,
    record: &mut RepositoryRecord,
    report: &dyn Report,
) -> Run {
    let begin = Instant::now();
    let mut run = Run {
        time: time::from_system(SystemTime::now()),
        ..Run::default()
    };
    match configuration
        .repository(name)
        .and_then(RepositoryConfiguration::open)
    {
        Err(error) => run.errors.push(error.to_string()),
        Ok(repository) => steps(job, &repository, record, &mut run, report),
    }
    run.seconds = begin.elapsed().as_secs_f64();
    run
}

/// Backup, then what the job's rules ask for. Without a new snapshot nothing else is done.
fn steps(
    job: &JobConfiguration,
    repository: &Repository,
    record: &mut RepositoryRecord,
    run: &mut Run,
    report: &dyn Report,
) {
    let done = match back_up(job, repository, report) {
        Ok(done) => done,
        Err(error) => return run.errors.push(format!("backup: {error}")),
    };
    run.damage.extend(done.damage.iter().cloned());
    run.snapshot = Some(done.snapshot.clone());
    run.bytes = done.bytes;
    run.stored_bytes = done.stored_bytes;
    record.server = Some(done.server.clone());
    run.objects = counts(repository, &done.snapshot);
    // Before the last snapshot may be removed.
    match compare_with_last(job, repository, record, &done.snapshot, report) {
        Ok(None) => {}
        Ok(Some((with, compared))) => {
            run.alarms.extend(compared.alarms);
            run.accounts = Some(compared.accounts);
            run.compared_with = Some(with);
        }
        Err(error) => run.errors.push(format!("alarm: {error}")),
    }
    if let Err(error) = prune_by_rules(job, repository, &done.server, run, report) {
        run.errors.push(format!("forget: {error}"));
    }
    if let Err(error) = check_when_due(job, repository, record, run, report) {
        run.errors.push(format!("check: {error}"));
    }
    if let Err(error) = drill_when_due(job, repository, &done, run, report) {
        run.errors.push(format!("drill: {error}"));
    }
    let counted = run.objects.zip(job.alarm.as_ref());
    run.alarms
        .extend(counted.and_then(|(new, rule)| alarm::mass_deletion(rule, &record.runs, new)));
}

/// The counts in the new snapshot's manifest, if the backup could read them.
fn counts(repository: &Repository, id: &str) -> Option<Counts> {
    let info = repository.snapshot(id).ok()?;
    let snapshot = Snapshot::open(repository, &info).ok()?;
    snapshot.manifest.directory.as_ref().map(Counts::from)
}

/// Compares the new snapshot with that of the run before, if the job's alarm asks for it and while
/// that is still there. Names the older one, by its whole id.
fn compare_with_last(
    job: &JobConfiguration,
    repository: &Repository,
    record: &RepositoryRecord,
    new: &str,
    report: &dyn Report,
) -> Result<Option<(String, Compared)>> {
    let Some(rule) = job.alarm.as_ref().filter(|rule| rule.compares()) else {
        return Ok(None);
    };
    let last = record
        .runs
        .iter()
        .rev()
        .find_map(|run| run.snapshot.as_deref());
    let last = last.and_then(|last| repository.snapshot(last).ok());
    let Some(last) = last else {
        return Ok(None);
    };
    report.note(&format!("comparing with snapshot {}", last.short_id()));
    let cache = Cache {
        folder: rule.scratch.clone().unwrap_or_else(scratch::default_parent),
        limits: None,
    };
    let open = |info| -> Result<View> {
        Ok(View::open(
            &Snapshot::open(repository, info)?,
            &cache,
            report,
        )?)
    };
    let (before, after) = (open(&last)?, open(&repository.snapshot(new)?)?);
    let compared = alarm::compare(rule, &**before, &**after, report)?;
    Ok(Some((last.id.clone(), compared)))
}

pub(crate) fn back_up(
    job: &JobConfiguration,
    repository: &Repository,
    report: &dyn Report,
) -> Result<BackupReport> {
    let lock = lock::shared(repository, job.retry_lock.as_duration())?;
    let hosting = host(job, report)?;
    let request = BackupRequest {
        allow_corrupt: false,
        logs_only: false,
        keep_logs: job.keep_logs,
        trust_store: job.trust_store,
        tags: job.tags.clone(),
        directory: hosting.directory().map(Into::into),
    };
    Ok(backup(
        repository,
        &lock,
        hosting.server(),
        &request,
        report,
    )?)
}

fn host(job: &JobConfiguration, report: &dyn Report) -> Result<Hosting> {
    match job.source.kind() {
        Ok(SourceKind::Socket(socket)) => Ok(Hosting::running(Server::at_socket(&socket))),
        Ok(SourceKind::Hosted(hosted)) => {
            Ok(hosted.start(Mode::Normal, Server::local(), report)?)
        }
        Err(reason) => Err(backup::Error::Refused(reason).into()),
    }
}

/// Removes and prunes what the job's rules do not keep of the server's snapshots.
fn prune_by_rules(
    job: &JobConfiguration,
    repository: &Repository,
    server: &str,
    run: &mut Run,
    report: &dyn Report,
) -> Result<()> {
    let Some(keep) = &job.keep else {
        return Ok(());
    };
    let policy = keep.policy().map_err(backup::Error::Refused)?;
    let lock = lock::to_remove(repository, job.retry_lock.as_duration(), false)?;
    let request = ForgetRequest {
        what: Forgotten::Policy(policy, vec![server.to_owned()]),
        even_the_last: false,
        dry_run: false,
        prune: true,
    };
    let done = forget(repository, &lock, &request, report)?;
    report.detail(&format!("{} removed, {} kept", done.removed, done.kept));
    run.damage
        .extend(done.prune.into_iter().flat_map(|prune| prune.damaged));
    Ok(())
}

fn check_when_due(
    job: &JobConfiguration,
    repository: &Repository,
    record: &mut RepositoryRecord,
    run: &mut Run,
    report: &dyn Report,
) -> Result<()> {
    let Some(rule) = &job.check else {
        return Ok(());
    };
    if !is_due(record.last_check.as_deref(), rule.every) {
        return Ok(());
    }
    report.note("checking the repository");
    let began = time::from_system(SystemTime::now());
    let _lock = lock::for_reading(repository, job.retry_lock.as_duration(), report)?;
    let request = CheckRequest {
        read_data: rule.read_data,
        drill: None,
    };
    let found = check(repository, &request, report)?;
    match found.sound {
        true => record.last_check = Some(began),
        false => run.damage.extend(found.problems),
    }
    Ok(())
}

/// Drills the new snapshot if no snapshot of the server was proven within the rule's time.
fn drill_when_due(
    job: &JobConfiguration,
    repository: &Repository,
    done: &BackupReport,
    run: &mut Run,
    report: &dyn Report,
) -> Result<()> {
    let Some(rule) = &job.drill else {
        return Ok(());
    };
    let survey = Survey::of(repository)?;
    let newest_proof = (survey.snapshots.iter())
        .filter(|snapshot| snapshot.is_of(&done.server))
        .filter_map(|snapshot| survey.verdicts.of(snapshot))
        .filter(|verdict| verdict.proven)
        .map(|verdict| verdict.time)
        .max();
    if !is_due(newest_proof.as_deref(), rule.every) {
        return Ok(());
    }
    let scratch = rule.scratch.clone().unwrap_or_else(scratch::default_parent);
    let request = DrillRequest {
        snapshots: std::slice::from_ref(&done.snapshot),
        all: false,
        fresh_for: 0,
        scratch: &scratch,
    };
    for drill in drill(repository, &request, report)? {
        run.proven = drill.verdict.proven;
        run.damage.extend(drill.verdict.findings);
        run.not_proven = drill.verdict.not_proven;
        // A database in use tells its counts only after recovery.
        run.objects = drill
            .verdict
            .directory
            .as_ref()
            .map(Counts::from)
            .or(run.objects);
    }
    Ok(())
}

/// Whether what was done at `last` is to be done again. A time in the future counts as never.
fn is_due(last: Option<&str>, every: Span) -> bool {
    let age = last
        .and_then(|last| last.parse::<Timestamp>().ok())
        .and_then(|last| u64::try_from(Timestamp::now().duration_since(last).as_secs()).ok());
    // A nightly run is never exactly a day after the one before.
    let tolerance = every.0 / 24;
    age.is_none_or(|age| age >= every.0 - tolerance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_never_done_or_long_ago_is_due() {
        let ago = |seconds| time::from_seconds(Timestamp::now().as_second() as u64 - seconds);
        assert!(is_due(None, Span::days(7)));
        assert!(is_due(Some("never"), Span::days(7)));
        assert!(!is_due(Some(&ago(3_600)), Span::days(1)));
        assert!(
            is_due(Some(&ago(23 * 3_600)), Span::days(1)),
            "the next night"
        );
        assert!(!is_due(Some(&ago(6 * 86_400)), Span::days(7)));
        assert!(is_due(Some("2999-01-01T00:00:00Z"), Span::days(1)));
    }
}
