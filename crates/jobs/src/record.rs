//! The durable record of a job: what came of its last runs, for each repository.
//!
//! One JSON file for each job in the state folder. It is written to a new file, made durable and
//! renamed, so that a crash leaves the old record or the new one.

use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use model::{ClassCounts, DirectoryIdentity};
use rustix::fs::{FlockOperation, flock};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::accounts::AccountChanges;
use crate::error::{Error, Result};

/// The format that this release writes, and the highest that it reads.
pub const FORMAT: u32 = 1;

/// The runs that are kept for each repository.
const RUNS: usize = 60;

/// The folder, in the state folder, of what concerns the shipping of logs.
const SHIPPED: &str = "ship";

/// The folder, in the state folder, of journals of restored objects.
const JOURNALS: &str = "restored-objects";

/// The longest record that is read, in bytes.
const LIMIT: u64 = 16 << 20;

/// The state folder if nothing else is named.
pub const DEFAULT_FOLDER: &str = "/var/lib/dsbackup-jobs";

/// The runs of a job.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// [`FORMAT`].
    pub format: u32,
    /// By the repository's name.
    pub repositories: BTreeMap<String, RepositoryRecord>,
}

/// The runs of a job into one repository.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RepositoryRecord {
    /// The server that was backed up last.
    pub server: Option<String>,
    /// When the last sound check began, RFC 3339, UTC.
    pub last_check: Option<String>,
    /// The last runs, a bounded number of them, oldest first.
    pub runs: Vec<Run>,
}

/// One run into one repository.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Run {
    /// When it began, RFC 3339, UTC.
    pub time: String,
    /// How long it took.
    pub seconds: f64,
    /// What failed, in words; empty if all was done.
    pub errors: Vec<String>,
    /// Damage that was found, in words.
    pub damage: Vec<String>,
    /// Why a drill could not prove the snapshot.
    pub not_proven: Option<String>,
    /// The new snapshot, its whole id.
    pub snapshot: Option<String>,
    /// The bytes of its files.
    pub bytes: u64,
    /// The bytes that the repository grew by.
    pub stored_bytes: u64,
    /// Whether the snapshot was drilled and proven.
    pub proven: bool,
    /// The counts of the directory's objects, if known.
    pub objects: Option<Counts>,
    /// The accounts and groups that came and went since the snapshot of the run before, if the
    /// objects were compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accounts: Option<AccountChanges>,
    /// The snapshot that the new one was compared with, its whole id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compared_with: Option<String>,
    /// Changes of the directory that are an alarm, in words.
    pub alarms: Vec<String>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RunResult {
    /// All was done, and nothing is damaged.
    Success,
    /// The backup was made, but a drill could not prove it on this computer.
    Warning,
    /// A step failed, or damage was found.
    Failure,
}

impl RunResult {
    /// The word for it, as hooks and JSON have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Warning => "warning",
            Self::Failure => "failure",
        }
    }
}

/// What the shipping of a job's logs came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShipRecord {
    /// [`FORMAT`].
    pub format: u32,
    /// By the repository's name.
    pub repositories: BTreeMap<String, Shipped>,
}

/// The shipping of logs into one repository, as of the last look into their folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Shipped {
    /// When that was, seconds since 1970.
    pub looked: i64,
    /// When the oldest log was finished that is not stored; `None` if all finished ones are.
    pub waiting_since: Option<i64>,
    /// How many logs wait; a lower bound while the repository cannot be read.
    pub waiting: usize,
    /// The newest snapshot that was stored, its whole id.
    pub snapshot: Option<String>,
    /// When it was stored, seconds since 1970.
    pub stored: Option<i64>,
    /// Its generations.
    pub generations: Option<String>,
    /// Why logs wait, in words.
    pub problem: Option<String>,
}

impl Record {
    /// From the text of its file, which `path` names in errors.
    ///
    /// # Errors
    /// If it is no record, or of a later release.
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        parse(path, text)
    }
}

impl ShipRecord {
    /// As [`Record::parse`].
    ///
    /// # Errors
    /// As [`Record::parse`].
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        parse(path, text)
    }
}

impl Shipped {
    /// The seconds, at `now`, of which finished logs may not be stored.
    pub fn lag(&self, now: i64) -> u64 {
        let since = self.waiting_since.unwrap_or(self.looked);
        u64::try_from(now.saturating_sub(since)).unwrap_or(0)
    }
}

/// Counts of a directory's objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Objects that are not deleted.
    pub objects: u64,
    /// Objects that are deleted and not yet removed.
    pub deleted_objects: u64,
    /// Objects of some classes that are not deleted. Absent in records and backups of earlier
    /// releases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classes: Option<ClassCounts>,
}

impl From<&DirectoryIdentity> for Counts {
    fn from(directory: &DirectoryIdentity) -> Self {
        Self {
            objects: directory.objects,
            deleted_objects: directory.deleted_objects,
            classes: directory.classes,
        }
    }
}

impl Run {
    /// How it ended.
    pub fn result(&self) -> RunResult {
        if !self.errors.is_empty() || !self.damage.is_empty() {
            return RunResult::Failure;
        }
        match self.not_proven {
            Some(_) => RunResult::Warning,
            None => RunResult::Success,
        }
    }

    /// Whether all was done, and nothing is damaged.
    pub fn succeeded(&self) -> bool {
        self.result() == RunResult::Success
    }
}

impl RepositoryRecord {
    /// The last run.
    pub fn last(&self) -> Option<&Run> {
        self.runs.last()
    }

    /// Adds a run, and forgets the oldest beyond the limit.
    pub fn add(&mut self, run: Run) {
        self.runs.push(run);
        let surplus = self.runs.len().saturating_sub(RUNS);
        self.runs.drain(..surplus);
    }
}

/// The folder of the records.
#[derive(Debug, Clone)]
pub struct StateFolder(PathBuf);

impl StateFolder {
    /// At this path. It is made when a record is written.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    fn path_of(&self, job: &str) -> PathBuf {
        self.0.join(format!("{job}.json"))
    }

    /// The file that tells how far a run of the job is.
    pub(crate) fn progress_path_of(&self, job: &str) -> PathBuf {
        self.0.join(format!("{job}.progress"))
    }

    /// The record of a job; an empty one if it never ran.
    ///
    /// # Errors
    /// If it cannot be read or understood.
    pub fn read(&self, job: &str) -> Result<Record> {
        let record = self.load(&self.path_of(job))?;
        Ok(record.unwrap_or_else(|| Record {
            format: FORMAT,
            ..Record::default()
        }))
    }

    /// What the shipping of a job's logs came to; `None` if it never began.
    ///
    /// # Errors
    /// If it cannot be read or understood.
    pub fn read_shipped(&self, job: &str) -> Result<Option<ShipRecord>> {
        self.load(&self.shipped_path_of(job))
    }

    /// Writes what the shipping of a job's logs came to, durably.
    ///
    /// # Errors
    /// If it cannot be written; then the one before is still there.
    pub fn write_shipped(&self, job: &str, record: &ShipRecord) -> Result<()> {
        self.store(&self.shipped_path_of(job), record)
    }

    fn shipped_path_of(&self, job: &str) -> PathBuf {
        self.0.join(SHIPPED).join(format!("{job}.json"))
    }

    /// The folder of journals of restored objects. It is made, for its owner only, if it is not
    /// there.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn journals(&self) -> Result<PathBuf> {
        let folder = self.0.join(JOURNALS);
        make(&folder)?;
        Ok(folder)
    }

    fn load<T: DeserializeOwned>(&self, path: &Path) -> Result<Option<T>> {
        let mut text = String::new();
        let read = File::open(path).and_then(|file| file.take(LIMIT).read_to_string(&mut text));
        match read {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            read => read.map_err(Error::io("read the job's record", path))?,
        };
        parse(path, &text).map(Some)
    }

    fn store(&self, path: &Path, record: &impl Serialize) -> Result<()> {
        let json = serde_json::to_vec_pretty(record).expect("strings and numbers become JSON");
        make(path.parent().unwrap_or(&self.0))?;
        let failed = |error| Error::io("write the job's record", path)(error);
        replace(path, &json, 0o600).map_err(failed)
    }

    /// Writes the record of a job, durably.
    ///
    /// # Errors
    /// If it cannot be written; then the one before is still there.
    pub fn write(&self, job: &str, record: &Record) -> Result<()> {
        self.store(&self.path_of(job), record)
    }

    /// Keeps other processes from running the job while the value lives.
    ///
    /// # Errors
    /// [`Error::Running`].
    pub fn lock(&self, job: &str) -> Result<JobLock> {
        take(&self.0, job)
    }

    /// Keeps other processes from shipping the job's logs while the value lives.
    ///
    /// # Errors
    /// [`Error::Running`].
    pub fn lock_shipping(&self, job: &str) -> Result<JobLock> {
        take(&self.0.join(SHIPPED), job)
    }
}

/// Keeps other processes from running a job, or from shipping its logs, while the value lives.
#[derive(Debug)]
pub struct JobLock(File);

impl Drop for JobLock {
    fn drop(&mut self) {
        // To close it is not enough: a child that another thread has just started has the file open, too,
        // until its exec. If this fails, the lock ends with that.
        let _ = flock(&self.0, FlockOperation::Unlock);
    }
}

fn take(folder: &Path, job: &str) -> Result<JobLock> {
    make(folder)?;
    let path = folder.join(format!("{job}.lock"));
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(Error::io("open the job's lock", &path))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(JobLock(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(Error::Running(job.to_owned())),
        Err(error) => Err(Error::io("lock the job", &path)(error.into())),
    }
}

fn make(folder: &Path) -> Result<()> {
    platform::private::make_folders(folder).map_err(Error::io("make the state folder", folder))
}

fn parse<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T> {
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let wrong = |error: serde_json::Error| Error::Record {
        path: path.to_path_buf(),
        reason: error.to_string(),
    };
    let Format { format } = serde_json::from_str(text).map_err(wrong)?;
    if format > FORMAT {
        return Err(Error::Newer {
            path: path.to_path_buf(),
            found: format,
            known: FORMAT,
        });
    }
    serde_json::from_str(text).map_err(wrong)
}

/// Replaces a file, so that after a crash it has the old content or the new one. It keeps its
/// owner, group and mode; a new file gets `mode`.
pub(crate) fn replace(path: &Path, content: &[u8], mode: u32) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    let old = std::fs::metadata(path).ok();
    if let Some(old) = &old {
        std::os::unix::fs::fchown(&file, Some(old.uid()), Some(old.gid()))?;
    }
    let mode = old.map_or(mode, |old| old.mode() & 0o7777);
    file.as_file()
        .set_permissions(Permissions::from_mode(mode))?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::accounts::Changed;

    #[test]
    fn a_record_is_read_as_it_was_written_and_only_one_process_runs_a_job() {
        let folder = tempfile::tempdir().expect("a folder");
        let state = StateFolder::at(folder.path().join("state"));
        let mut record = state.read("nightly").expect("never ran");
        assert!(record.repositories.is_empty());
        let local = record.repositories.entry("local".into()).or_default();
        for number in 0..RUNS + 3 {
            local.add(Run {
                bytes: number as u64,
                ..Run::default()
            });
        }
        assert_eq!((local.runs.len(), local.runs[0].bytes), (RUNS, 3));
        state.write("nightly", &record).expect("written");
        assert_eq!(state.read("nightly").expect("read"), record);

        let lock = state.lock("nightly").expect("free");
        assert!(matches!(state.lock("nightly"), Err(Error::Running(_))));
        state.lock("weekly").expect("another job");
        drop(lock);
        state.lock("nightly").expect("free again");
    }

    #[test]
    fn records_of_this_and_later_releases() {
        let path = Path::new("nightly.json");
        let first = r#"{"format":1,"repositories":{"local":{"server":"DC1","last_check":null,
            "runs":[{"time":"2026-11-26T22:00:00Z","seconds":1.5,"errors":[],"damage":[],
            "not_proven":null,"snapshot":"00","bytes":1,"stored_bytes":2,"proven":true}]}}}"#;
        let record = Record::parse(path, first).expect("format 1");
        assert!(record.repositories["local"].runs[0].succeeded());
        assert!(matches!(
            Record::parse(path, r#"{"format":2}"#),
            Err(Error::Newer { found: 2, .. })
        ));
        assert!(matches!(
            Record::parse(path, "{"),
            Err(Error::Record { .. })
        ));
    }

    /// Runs with any words and numbers in them.
    fn any_run() -> impl Strategy<Value = Run> {
        let words = || proptest::collection::vec(any::<String>(), 0..3);
        let texts = (any::<String>(), words(), words(), words());
        let maybe = (any::<Option<String>>(), any::<Option<String>>());
        let numbers = (any::<u32>(), any::<[u64; 4]>(), any::<bool>());
        (texts, maybe, numbers).prop_map(|(texts, maybe, numbers)| {
            let (eighths, [bytes, stored_bytes, objects, deleted_objects], proven) = numbers;
            Run {
                time: texts.0,
                // A number that decimal digits hold exactly.
                seconds: f64::from(eighths) / 8.0,
                errors: texts.1,
                damage: texts.2,
                not_proven: maybe.0,
                snapshot: maybe.1,
                bytes,
                stored_bytes,
                proven,
                objects: proven.then_some(Counts {
                    objects,
                    deleted_objects,
                    classes: (objects > deleted_objects).then_some(ClassCounts {
                        users: objects,
                        ..ClassCounts::default()
                    }),
                }),
                accounts: proven.then(|| AccountChanges {
                    users: Changed {
                        added: objects,
                        deleted: deleted_objects,
                    },
                    ..AccountChanges::default()
                }),
                compared_with: proven.then(|| "9".repeat(64)),
                alarms: texts.3,
            }
        })
    }

    proptest! {
        #[test]
        fn any_text_is_a_record_or_refused(text: String) {
            let _ = Record::parse(Path::new("x"), &text);
            let _ = ShipRecord::parse(Path::new("x"), &text);
        }

        #[test]
        fn any_record_is_read_as_it_was_written(
            server: Option<String>,
            last_check: Option<String>,
            runs in proptest::collection::vec(any_run(), 0..4),
            name: String,
        ) {
            let of_one = RepositoryRecord { server, last_check, runs };
            let record = Record { format: FORMAT, repositories: [(name, of_one)].into() };
            let text = serde_json::to_string_pretty(&record).expect("JSON");
            prop_assert_eq!(Record::parse(Path::new("x"), &text).expect("a record"), record);
        }

        #[test]
        fn the_lag_of_any_times_is_a_number(looked: i64, since: Option<i64>, now: i64) {
            let shipped = Shipped { looked, waiting_since: since, ..Shipped::default() };
            let lag = shipped.lag(now);
            let exact = i128::from(now) - i128::from(since.unwrap_or(looked));
            prop_assert_eq!(i128::from(lag), exact.clamp(0, i128::from(i64::MAX)));
        }
    }
}
