//! The state of the jobs: what they promise, compared with their records and repositories.
//!
//! `docs/monitoring.md` describes the rules.

use std::fmt;

use backup::Report;
use backup::list::{Listed, list};
use backup::words::{count, short_id};
use jiff::Timestamp;
use model::{ClassCounts, DirectoryIdentity};
use serde::Serialize;

use crate::accounts::AccountChanges;
use crate::configuration::{Configuration, JobConfiguration, ShipRule};
use crate::error::Result;
use crate::record::{Counts, RepositoryRecord, Run, RunResult, ShipRecord, StateFolder};
use crate::span::age;

/// The states of monitoring plugins; the number is the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Everything is as promised.
    Ok = 0,
    /// Somebody should look at it.
    Warning = 1,
    /// There is no backup as promised, or it could be lost.
    Critical = 2,
    /// The state could not be determined.
    Unknown = 3,
}

impl State {
    /// How bad it is: critical before unknown before warning.
    pub fn severity(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Unknown => 2,
            Self::Critical => 3,
        }
    }

    /// The worse of two.
    pub fn worse(self, other: Self) -> Self {
        match other.severity() > self.severity() {
            true => other,
            false => self,
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        })
    }
}

/// The state of all jobs.
#[derive(Debug, Serialize)]
pub struct Status {
    /// The worst of all.
    pub state: State,
    /// When it was determined, seconds since 1970.
    pub time: i64,
    /// Each job into each of its repositories.
    pub jobs: Vec<JobStatus>,
}

/// The state of a job into one repository.
#[derive(Debug, Serialize)]
pub struct JobStatus {
    /// The job.
    pub job: String,
    /// The repository's name.
    pub repository: String,
    /// The worst of the problems.
    pub state: State,
    /// What is not as promised.
    pub problems: Vec<Problem>,
    /// Whether the repository could be read.
    pub reachable: bool,
    /// The server.
    pub server: Option<String>,
    /// The newest snapshot without damage.
    pub newest: Option<SnapshotStatus>,
    /// The newest snapshot that a drill proved.
    pub proven: Option<SnapshotStatus>,
    /// The number of the server's snapshots.
    pub snapshots: usize,
    /// The promise: the highest age of the newest snapshot, in seconds.
    pub max_age_seconds: u64,
    /// The last run.
    pub last_run: Option<Run>,
    /// How it ended.
    pub last_result: Option<RunResult>,
    /// When the last run that did all and proved what it was to prove began, RFC 3339, UTC.
    pub last_success: Option<String>,
    /// The counts of the directory's objects in the newest snapshot, if known.
    pub objects: Option<Counts>,
    /// How they differ from those of the snapshot before.
    pub change: Option<Change>,
    /// The accounts and groups that came and went before the newest snapshot of a run, if its objects
    /// were compared.
    pub accounts: Option<AccountsStatus>,
    /// The shipping of logs, if the job ships them and that ever began.
    pub ship: Option<ShipStatus>,
}

/// How far the logs in a repository are behind the directory.
#[derive(Debug, Clone, Serialize)]
pub struct ShipStatus {
    /// The seconds of which finished logs may not be stored.
    pub lag_seconds: u64,
    /// The promise: the highest lag.
    pub max_lag_seconds: u64,
    /// The logs that waited at the last look into their folder.
    pub waiting: usize,
    /// When that was, seconds since 1970.
    pub looked: i64,
    /// Why logs wait, in words.
    pub problem: Option<String>,
    /// The newest snapshot that was stored, its whole id.
    pub snapshot: Option<String>,
}

/// What is not as promised.
#[derive(Debug, Serialize)]
pub struct Problem {
    /// How bad it is.
    pub state: State,
    /// In words.
    pub text: String,
}

/// A snapshot and its age.
#[derive(Debug, Clone, Serialize)]
pub struct SnapshotStatus {
    /// Its whole id.
    pub snapshot: String,
    /// When the backup began, RFC 3339, UTC.
    pub time: String,
    /// The same, seconds since 1970.
    pub timestamp: i64,
    /// Its age in seconds; 0 for a time in the future.
    pub age_seconds: u64,
    /// The bytes of its files.
    pub bytes: Option<u64>,
    /// The end of the time in which it may be restored, seconds since 1970.
    pub expires: Option<i64>,
}

/// The accounts and groups that came and went between two snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountsStatus {
    /// What came and went.
    #[serde(flatten)]
    pub changes: AccountChanges,
    /// The newer snapshot, its whole id.
    pub snapshot: Option<String>,
    /// The older snapshot, its whole id; a record of an older program does not name it.
    pub since: Option<String>,
}

/// The difference of counts, newer less older.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// The older snapshot, its whole id.
    pub since: String,
    /// Of objects that are not deleted.
    pub objects: i64,
    /// Of objects that are deleted and not yet removed.
    pub deleted_objects: i64,
    /// Of objects of some classes that are not deleted, if both snapshots know them.
    pub classes: Option<ClassChange>,
}

/// The difference of the counts of classes: what was added less what was deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ClassChange {
    /// Of users, without computers.
    pub users: i64,
    /// Of groups.
    pub groups: i64,
    /// Of computers.
    pub computers: i64,
}

impl ClassChange {
    fn between(old: ClassCounts, new: ClassCounts) -> Self {
        Self {
            users: difference(new.users, old.users),
            groups: difference(new.groups, old.groups),
            computers: difference(new.computers, old.computers),
        }
    }
}

/// Determines the state of all jobs, or of those named. Each repository is read once for each job.
///
/// # Errors
/// If the configuration has no job of a name.
pub fn status(
    configuration: &Configuration,
    names: &[String],
    state: &StateFolder,
    report: &dyn Report,
) -> Result<Status> {
    let names: Vec<&String> = match names.is_empty() {
        true => configuration.jobs.keys().collect(),
        false => names.iter().collect(),
    };
    let now = Timestamp::now();
    let mut jobs = Vec::new();
    for name in names {
        let job = configuration.job(name)?;
        let record = state.read(name);
        for repository in &job.repositories {
            let (record, unreadable) = match &record {
                Ok(record) => (record.repositories.get(repository).cloned(), None),
                Err(error) => (None, Some(error.to_string())),
            };
            let listed = (configuration.repository(repository))
                .and_then(|repository| repository.open())
                .and_then(|repository| Ok(list(&repository, report)?))
                .map_err(|error| error.to_string());
            let mut status = judge(job, record.unwrap_or_default(), listed, now);
            if let Some(rule) = &job.ship {
                judge_shipping(&mut status, rule, state.read_shipped(name), repository, now);
            }
            if let Some(text) = unreadable {
                status.add(State::Unknown, text);
            }
            jobs.push(JobStatus {
                job: name.clone(),
                repository: repository.clone(),
                ..status
            });
        }
    }
    let mut worst = jobs
        .iter()
        .map(|job| job.state)
        .fold(State::Ok, State::worse);
    if jobs.is_empty() {
        worst = State::Unknown;
    }
    Ok(Status {
        state: worst,
        time: now.as_second(),
        jobs,
    })
}

impl JobStatus {
    fn add(&mut self, state: State, text: String) {
        self.state = self.state.worse(state);
        self.problems.push(Problem { state, text });
    }
}

/// Compares what is there with what the job promises.
fn judge(
    job: &JobConfiguration,
    record: RepositoryRecord,
    listed: Result<Vec<Listed>, String>,
    now: Timestamp,
) -> JobStatus {
    let mut status = JobStatus {
        job: String::new(),
        repository: String::new(),
        state: State::Ok,
        problems: Vec::new(),
        reachable: listed.is_ok(),
        server: record.server.clone(),
        newest: None,
        proven: None,
        snapshots: 0,
        max_age_seconds: job.max_age.0,
        last_success: (record.runs.iter().rev())
            .find(|run| run.succeeded())
            .map(|run| run.time.clone()),
        last_run: record.last().cloned(),
        last_result: record.last().map(Run::result),
        objects: None,
        change: None,
        accounts: (record.runs.iter().rev())
            .find(|run| run.snapshot.is_some())
            .and_then(accounts),
        ship: None,
    };
    match listed {
        Err(error) => status.add(State::Critical, format!("cannot be read: {error}")),
        Ok(listed) => judge_snapshots(&mut status, job, &listed, now),
    }
    match &status.last_run {
        None => status.add(State::Warning, "the job never ran".into()),
        Some(run) if !run.damage.is_empty() => {
            let text = format!("the last run found damage: {}", run.damage[0]);
            status.add(State::Critical, text);
        }
        Some(run) if !run.errors.is_empty() => {
            let text = format!("the last run failed: {}", run.errors[0]);
            status.add(State::Warning, text);
        }
        Some(run) => {
            let not_proven = (run.not_proven.iter())
                .map(|reason| format!("the last run could not prove its snapshot: {reason}"));
            let problems: Vec<String> = not_proven.chain(run.alarms.first().cloned()).collect();
            for text in problems {
                status.add(State::Warning, text);
            }
        }
    }
    status
}

fn accounts(run: &Run) -> Option<AccountsStatus> {
    Some(AccountsStatus {
        changes: run.accounts?,
        snapshot: run.snapshot.clone(),
        since: run.compared_with.clone(),
    })
}

fn judge_snapshots(
    status: &mut JobStatus,
    job: &JobConfiguration,
    listed: &[Listed],
    now: Timestamp,
) {
    // Where the record is lost, or the job never ran, the repository may tell.
    let is_of = |listed: &&Listed| match &status.server {
        Some(server) => listed.server.eq_ignore_ascii_case(server),
        None => true,
    };
    let (mine, others): (Vec<&Listed>, Vec<&Listed>) =
        (listed.iter().filter(is_of)).partition(|listed| listed.unusable.is_none());
    let orphans: Vec<String> = (others.iter())
        .filter(|other| other.continues.is_some())
        .filter_map(|other| {
            let reason = other.unusable.as_ref()?;
            Some(format!("snapshot {}: {reason}", short_id(&other.snapshot)))
        })
        .collect();
    if let Some(newest) = orphans.last() {
        let count = count(orphans.len(), "snapshot");
        let text = format!("{count} of logs cannot be restored; {newest}");
        status.add(State::Warning, text);
    }
    status.snapshots = mine.len();
    let good = |listed: &&&Listed| listed.damaged != Some(true) && !has_failed(listed);
    let newest = mine.iter().rev().find(good);
    let proven =
        (mine.iter().rev()).find(|listed| listed.drill.as_ref().is_some_and(|drill| drill.proven));
    status.newest = newest.map(|listed| snapshot(listed, now));
    status.proven = proven.map(|listed| snapshot(listed, now));
    let mut counted =
        (mine.iter().rev()).filter_map(|listed| Some((&listed.snapshot, counts(listed)?)));
    status.objects = counted.next().map(|(_, counts)| counts);
    status.change = (status.objects.zip(counted.next())).map(|(new, (since, old))| Change {
        since: since.clone(),
        objects: difference(new.objects, old.objects),
        deleted_objects: difference(new.deleted_objects, old.deleted_objects),
        classes: (old.classes.zip(new.classes)).map(|(old, new)| ClassChange::between(old, new)),
    });

    let Some(newest) = status.newest.clone() else {
        return status.add(State::Critical, "no snapshot without damage".into());
    };
    if newest.age_seconds > job.max_age.0 {
        let text = format!(
            "the newest snapshot is {} old, promised are {}",
            age(newest.age_seconds),
            job.max_age
        );
        status.add(State::Critical, text);
    }
    if let Some(expires) = newest.expires {
        let lifetime = expires.saturating_sub(newest.timestamp).max(0) as u64;
        let text = match newest.age_seconds {
            old if old >= lifetime => "the newest snapshot is older than the tombstone lifetime",
            old if old >= lifetime / 2 => {
                "the newest snapshot is older than half of the tombstone lifetime"
            }
            _ => "",
        };
        if !text.is_empty() {
            status.add(State::Critical, text.into());
        }
    }
    if let Some(failed) = mine.last().filter(|listed| has_failed(listed)) {
        let text = format!("snapshot {} failed its drill", short_id(&failed.snapshot));
        status.add(State::Critical, text);
    }
    if let Some(rule) = &job.drill {
        // The drill of a run proves the snapshot of that run.
        let limit = rule.every.0.saturating_add(job.max_age.0);
        match &status.proven {
            None => status.add(State::Warning, "no snapshot is proven by a drill".into()),
            Some(proven) if proven.age_seconds > limit => {
                let text = format!(
                    "the newest proven snapshot is {} old, drills are due every {}",
                    age(proven.age_seconds),
                    rule.every
                );
                status.add(State::Warning, text);
            }
            Some(_) => {}
        }
    }
}

/// Compares the lag of shipped logs with what the job promises.
fn judge_shipping(
    status: &mut JobStatus,
    rule: &ShipRule,
    record: Result<Option<ShipRecord>>,
    repository: &str,
    now: Timestamp,
) {
    let shipped = match record {
        Ok(record) => record.and_then(|record| record.repositories.get(repository).cloned()),
        Err(error) => return status.add(State::Unknown, error.to_string()),
    };
    let Some(shipped) = shipped else {
        let text = "logs were never shipped: start dsbackup ship".into();
        return status.add(State::Warning, text);
    };
    let ship = ShipStatus {
        lag_seconds: shipped.lag(now.as_second()),
        max_lag_seconds: rule.max_lag.0,
        waiting: shipped.waiting,
        looked: shipped.looked,
        problem: shipped.problem,
        snapshot: shipped.snapshot,
    };
    if ship.lag_seconds > ship.max_lag_seconds {
        let behind = format!(
            "the logs of the last {} may not be stored, promised are {}",
            age(ship.lag_seconds),
            rule.max_lag
        );
        let why = match &ship.problem {
            Some(problem) => problem.clone(),
            None => "dsbackup ship does not run, or is too slow".into(),
        };
        status.add(State::Critical, format!("{behind}: {why}"));
    } else if let Some(problem) = &ship.problem {
        status.add(State::Warning, format!("logs are not shipped: {problem}"));
    }
    status.ship = Some(ship);
}

fn has_failed(listed: &Listed) -> bool {
    let drill = listed.drill.as_ref();
    drill.is_some_and(|drill| !drill.proven && drill.not_proven.is_none())
}

fn snapshot(listed: &Listed, now: Timestamp) -> SnapshotStatus {
    let seconds = |time: &str| time.parse::<Timestamp>().ok().map(Timestamp::as_second);
    let timestamp = seconds(&listed.time).unwrap_or(0);
    SnapshotStatus {
        snapshot: listed.snapshot.clone(),
        time: listed.time.clone(),
        timestamp,
        age_seconds: u64::try_from(now.as_second().saturating_sub(timestamp)).unwrap_or(0),
        bytes: listed.bytes,
        expires: listed.expires.as_deref().and_then(seconds),
    }
}

/// From the backup, or if that could not read them, from the recovered copy of a drill.
fn counts(listed: &Listed) -> Option<Counts> {
    let drilled = || listed.drill.as_ref()?.directory.as_ref();
    let directory: &DirectoryIdentity = listed.directory.as_ref().or_else(drilled)?;
    Some(directory.into())
}

fn difference(new: u64, old: u64) -> i64 {
    i64::try_from(i128::from(new) - i128::from(old)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-28T06:00:00Z";

    /// A snapshot of so many days ago, with a tombstone lifetime of 180 days.
    fn snapshot_of(days: i64) -> Listed {
        let now: Timestamp = NOW.parse().unwrap();
        let day = |days: i64| {
            let time = Timestamp::from_second(now.as_second() + days * 86_400);
            time.unwrap().to_string()
        };
        Listed {
            snapshot: format!("{days:064}"),
            time: day(-days),
            server: "dc1".into(),
            directory: None,
            tags: Vec::new(),
            bytes: Some(1),
            unusable: None,
            continues: None,
            state: None,
            logs: None,
            required: None,
            expires: Some(day(180 - days)),
            expired: Some(days >= 180),
            damaged: Some(false),
            drill: None,
        }
    }

    fn problems_of(listed: Vec<Listed>) -> Vec<(State, String)> {
        let job = "source = { directory = '/d' }\nrepositories = []\nmax_age = '365d'\n";
        let job = toml::from_str(job).unwrap();
        let record = RepositoryRecord {
            server: Some("dc1".into()),
            ..RepositoryRecord::default()
        };
        let status = judge(&job, record, Ok(listed), NOW.parse().unwrap());
        let problems = status.problems.into_iter();
        let problems = problems.map(|problem| (problem.state, problem.text));
        problems
            .filter(|(_, text)| text != "the job never ran")
            .collect()
    }

    #[test]
    fn a_snapshot_is_too_old_from_half_of_the_tombstone_lifetime_on() {
        assert_eq!(problems_of(vec![snapshot_of(89)]), []);
        for (days, text) in [
            (90, "half of the tombstone lifetime"),
            (180, "than the tombstone"),
        ] {
            let problems = problems_of(vec![snapshot_of(days)]);
            let [(State::Critical, found)] = problems.as_slice() else {
                panic!("{days} days: {problems:?}");
            };
            assert!(found.contains(text), "{days} days: {found}");
        }
    }

    #[test]
    fn logs_that_continue_what_is_gone_are_no_backup() {
        let orphan = || Listed {
            unusable: Some("continues 12345678, which is gone".into()),
            continues: Some("12345678".into()),
            ..snapshot_of(0)
        };
        let problems = problems_of(vec![snapshot_of(100), orphan()]);
        let states: Vec<State> = problems.iter().map(|(state, _)| *state).collect();
        assert_eq!(states, [State::Warning, State::Critical], "{problems:?}");
        assert!(
            problems[0]
                .1
                .contains("1 snapshot of logs cannot be restored"),
            "{problems:?}"
        );
        let problems = problems_of(vec![orphan()]);
        assert_eq!(problems[1].0, State::Critical, "{problems:?}");
        // What another program stored is none of our concern.
        let foreign = Listed {
            continues: None,
            ..orphan()
        };
        assert_eq!(problems_of(vec![snapshot_of(1), foreign]), []);
    }
}
