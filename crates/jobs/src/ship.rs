//! Shipping: between the runs of a job, each finished log goes into its repositories at once.
//!
//! Repositories are independent: one that cannot be reached is tried again, later and later, while
//! the others get their logs. The record of it tells how far each is behind.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use backup::ship::{Place, ShipReport, ShipRequest, Waiting, place, ship as ship_batch};
use backup::{Report, lock};
use jiff::Timestamp;
use repository::Repository;
use serde::Serialize;

use crate::configuration::{Configuration, JobConfiguration, RepositoryConfiguration, ShipRule};
use crate::error::{Error, Result};
use crate::record::{FORMAT, ShipRecord, Shipped, StateFolder};
use crate::run::back_up;

/// The longest wait before a failed repository is tried again.
const PATIENCE: Duration = Duration::from_secs(60);

/// The record is written after each change, and not less often than this.
const SIGN_OF_LIFE: Duration = Duration::from_secs(30);

/// The shortest rest between two looks into a folder in which nothing waits.
const SHORTEST_REST: Duration = Duration::from_millis(100);

/// Ends the shipping from another thread.
#[derive(Debug, Default)]
pub struct Halt {
    halted: Mutex<bool>,
    told: Condvar,
}

/// What happened.
#[derive(Debug, Clone, Serialize)]
pub struct ShipEvent {
    /// The repository's name.
    pub repository: String,
    /// The batch that was stored.
    #[serde(flatten)]
    pub batch: Option<ShipReport>,
    /// Why no batch could be stored.
    pub problem: Option<String>,
    /// The logs that still wait.
    pub waiting: usize,
    /// The seconds of which finished logs are not stored.
    pub lag_seconds: u64,
}

impl Halt {
    /// Ends the shipping after the batch that is being stored.
    pub fn halt(&self) {
        *self.halted.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.told.notify_all();
    }

    /// Waits, and returns whether to end.
    fn wait(&self, time: Duration) -> bool {
        let halted = self.halted.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self
            .told
            .wait_timeout_while(halted, time, |halted| !*halted);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Ships the logs of a job: with `once` those that are finished, otherwise until `halt`.
///
/// # Errors
/// If the configuration has no such job or no rule to ship its logs, it is shipped already, or its
/// record cannot be read or written; with `once` the first error of a repository.
pub fn ship(
    configuration: &Configuration,
    name: &str,
    state: &StateFolder,
    once: bool,
    halt: &Halt,
    tell: &mut dyn FnMut(&ShipEvent),
    report: &dyn Report,
) -> Result<()> {
    let job = configuration.job(name)?;
    let Some(rule) = &job.ship else {
        return Err(Error::Configuration {
            path: configuration.path.clone(),
            reason: format!("[job.{name}] has no ship: add ship = {{}} to ship its logs"),
        });
    };
    let _lock = state.lock_shipping(name)?;
    let before = state.read_shipped(name)?.unwrap_or_default();
    let servers = state.read(name)?.repositories;
    let mut lines: Vec<Line> = (job.repositories.iter())
        .map(|repository| Line {
            name: repository.clone(),
            server: servers
                .get(repository)
                .and_then(|known| known.server.clone()),
            shipped: before
                .repositories
                .get(repository)
                .cloned()
                .unwrap_or_default(),
            ..Line::default()
        })
        .collect();
    let mut written: Option<(Instant, ShipRecord)> = None;
    loop {
        let mut failed = None;
        let mut busy = false;
        for line in &mut lines {
            if line.not_before.is_some_and(|time| Instant::now() < time) {
                continue;
            }
            let event = match line.step(configuration, job, rule, report) {
                Ok(event) => event,
                Err(error) => {
                    let event = line.failed(&error);
                    failed = failed.or(Some(error));
                    event
                }
            };
            busy |= line.not_before.is_none() && line.shipped.waiting > 0;
            if let Some(event) = event {
                tell(&event);
            }
        }
        let record = ShipRecord {
            format: FORMAT,
            repositories: (lines.iter())
                .map(|line| (line.name.clone(), line.shipped.clone()))
                .collect::<BTreeMap<_, _>>(),
        };
        let is_due = (written.as_ref())
            .is_none_or(|(time, old)| time.elapsed() >= SIGN_OF_LIFE || differs(old, &record));
        if is_due || once {
            state.write_shipped(name, &record)?;
            written = Some((Instant::now(), record.clone()));
        }
        let rest = match busy {
            true => Duration::ZERO,
            false => rule.every.as_duration().max(SHORTEST_REST),
        };
        if once && !busy {
            return failed.map_or(Ok(()), Err);
        }
        if halt.wait(rest) {
            return state.write_shipped(name, &record);
        }
    }
}

/// Whether more than the time of the look is new.
fn differs(old: &ShipRecord, new: &ShipRecord) -> bool {
    let without_time = |record: &ShipRecord| {
        let mut record = record.clone();
        for shipped in record.repositories.values_mut() {
            shipped.looked = 0;
        }
        record
    };
    without_time(old) != without_time(new)
}

/// The shipping into one repository.
#[derive(Default)]
struct Line {
    name: String,
    server: Option<String>,
    opened: Option<Repository>,
    place: Option<Place>,
    failures: u32,
    not_before: Option<Instant>,
    shipped: Shipped,
}

impl Line {
    /// Looks into the folder, and stores a batch if logs wait.
    fn step(
        &mut self,
        configuration: &Configuration,
        job: &JobConfiguration,
        rule: &ShipRule,
        report: &dyn Report,
    ) -> Result<Option<ShipEvent>> {
        let folder = (job.logs()).map_err(backup::Error::Refused)?.to_path_buf();
        let server = self
            .server
            .clone()
            .unwrap_or_else(platform::process::computer);
        let known = match &self.place {
            Some(place) => Some(place.clone()),
            None => match place(self.repository(configuration)?, &server) {
                Err(error) => return self.begin_anew(error, configuration, job, rule, report),
                Ok(place) => {
                    self.found(&place);
                    Some(place)
                }
            },
        };
        let Some(known) = known else { return Ok(None) };
        let waiting = match Waiting::after(&known, &folder) {
            Ok(waiting) => waiting,
            Err(error) => return self.begin_anew(error, configuration, job, rule, report),
        };
        self.place = Some(known);
        self.looked(&waiting);
        if waiting.count() == 0 {
            self.succeeded();
            return Ok(None);
        }
        let repository = self.repository(configuration)?;
        let lock = lock::shared(repository, Duration::ZERO)?;
        let request = ShipRequest {
            folder: &folder,
            server: &server,
            tags: &job.tags,
        };
        let batch = match ship_batch(repository, &lock, &request, report) {
            Ok(batch) => batch,
            Err(error) => {
                drop(lock);
                return self.begin_anew(error, configuration, job, rule, report);
            }
        };
        self.succeeded();
        let Some(batch) = batch else {
            // A newer snapshot holds them.
            self.place = None;
            return Ok(None);
        };
        // What is wrong with the next logs is told by the next look.
        if let Ok(waiting) = Waiting::after(&batch.next, &folder) {
            self.looked(&waiting);
        }
        self.found(&batch.next);
        self.place = Some(batch.next.clone());
        Ok(Some(self.event(Some(batch))))
    }

    /// Takes a full backup if the logs do not continue what is stored, and that is wanted.
    fn begin_anew(
        &mut self,
        error: backup::Error,
        configuration: &Configuration,
        job: &JobConfiguration,
        rule: &ShipRule,
        report: &dyn Report,
    ) -> Result<Option<ShipEvent>> {
        self.place = None;
        match error {
            backup::Error::NotContinued(_) | backup::Error::BrokenChain { .. }
                if rule.full_after_gap =>
            {
                report.warn(&format!(
                    "repository {}: {error}, as is done now",
                    self.name
                ));
                let done = back_up(job, self.repository(configuration)?, report)?;
                self.server = Some(done.server);
                Ok(None)
            }
            error => Err(error.into()),
        }
    }

    fn repository(&mut self, configuration: &Configuration) -> Result<&Repository> {
        if self.opened.is_none() {
            let repository = configuration.repository(&self.name)?;
            self.opened = Some(RepositoryConfiguration::open(repository)?);
        }
        Ok(self.opened.as_ref().expect("opened just now"))
    }

    /// Notes the newest batch that the repository holds. It may be one of which a process that was
    /// killed left no record.
    fn found(&mut self, place: &Place) {
        if let Some(newest) = place.newest()
            && self.shipped.snapshot.as_deref() != Some(&newest.snapshot)
        {
            self.shipped.snapshot = Some(newest.snapshot.clone());
            self.shipped.stored = Some(seconds(newest.time));
            self.shipped.generations = Some(newest.generations.clone());
        }
    }

    fn looked(&mut self, waiting: &Waiting) {
        self.shipped.looked = Timestamp::now().as_second();
        self.shipped.waiting = waiting.count();
        self.shipped.waiting_since = waiting.oldest().map(seconds);
    }

    fn succeeded(&mut self) {
        self.failures = 0;
        self.not_before = None;
        self.shipped.problem = None;
    }

    /// Notes a failure, and when to try again; tells only of one that is new.
    fn failed(&mut self, error: &Error) -> Option<ShipEvent> {
        // The connection may be dead, and the repository another one.
        self.opened = None;
        let wait = Duration::from_secs(1 << self.failures.min(6)).min(PATIENCE);
        self.not_before = Some(Instant::now() + wait);
        self.failures = self.failures.saturating_add(1);
        let problem = Some(error.to_string());
        let is_new = self.shipped.problem != problem || self.failures == 1;
        self.shipped.problem = problem;
        // What waits is not known: as far as that goes, all since the last look.
        if self.shipped.waiting_since.is_none() {
            self.shipped.waiting_since = Some(match self.shipped.looked {
                0 => Timestamp::now().as_second(),
                looked => looked,
            });
        }
        is_new.then(|| self.event(None))
    }

    fn event(&self, batch: Option<ShipReport>) -> ShipEvent {
        let now = Timestamp::now().as_second();
        ShipEvent {
            repository: self.name.clone(),
            batch,
            problem: self.shipped.problem.clone(),
            waiting: self.shipped.waiting,
            lag_seconds: match self.shipped.waiting_since {
                Some(_) => self.shipped.lag(now),
                None => 0,
            },
        }
    }
}

fn seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
